package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/image"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Image is what comes after the plan for those who build images with a
// Dockerfile: a runtime base and one layer. Twice itself writes images without
// an engine; normalised, what an engine exports of this is the same image. It is
// no part of what identifies a plan.
type Image struct {
	Stage  string      // "image"; the last of a Dockerfile is its default target
	Base   string      // the stage or named context that it is made on: "runtime", "scratch"
	BaseOf string      // what that is, as twice.toml names it
	BinDir string      // where binaries go, "/usr/bin"
	Files  []ImageFile // of the sources
	Config image.Config
	// Revision is a build argument, in the place of what Config's label says.
	RevisionArg string
}

// ImageFile is a file or folder of the sources and its place in the image.
type ImageFile struct{ From, To string }

// stage renders the two stages of an image: the layer is put together where
// there is a shell, with the times that Twice gives it, and copied as it is.
func (p *Plan) imageStage(b *strings.Builder, im Image, n names) {
	root := "root-of-" + im.Stage
	fmt.Fprintf(b, "\nFROM %s AS %s\n%s", n.builder, root, n.args())
	fmt.Fprintf(b, "RUN --network=none \\\n    %s \\\n    %s \\\n    %s /bin/sh -eu <<'END'\n",
		mount("build", "/out", "/in/out"), mount(n.source, "", "/in/source"), n.env())
	b.WriteString("export PATH=" + standardPath + "\numask 022\nmkdir -p /root-of-image" + im.BinDir + "\ncd /root-of-image\n")
	for _, bin := range p.Bins {
		fmt.Fprintf(b, "cp /in/out/bin/%s .%s/\n", bin, im.BinDir)
	}
	b.WriteString("find . -type d -exec touch -d @0 {} +\n")
	fmt.Fprintf(b, "find . -type f -exec touch -d %s {} +\n", quoteTime(n.time(p.Epoch)))
	for _, f := range im.Files {
		to := strings.TrimPrefix(f.To, "/")
		if i := strings.LastIndexByte(to, '/'); i > 0 {
			fmt.Fprintf(b, "mkdir -p %s\n", quote(to[:i]))
		}
		fmt.Fprintf(b, "cp -RT %s %s\n", quote("/in/source"+slashed(p.Dir)+"/"+f.From), quote(to))
		fmt.Fprintf(b, "find %s -exec touch -h -d %s {} +\n", quote(to), quoteTime(n.time(p.Epoch)))
	}
	if len(im.Files) > 0 {
		var not []string
		for _, f := range im.Files {
			to := quote("./" + strings.TrimPrefix(f.To, "/"))
			not = append(not, "! -path "+to, "! -path "+to+"'/*'")
		}
		fmt.Fprintf(b, "find . -type d %s -exec touch -d @0 {} +\n", strings.Join(not, " "))
	}
	b.WriteString("END\n\n")
	fmt.Fprintf(b, "FROM %s AS %s\n", im.Base, im.Stage)
	if im.RevisionArg != "" {
		fmt.Fprintf(b, "ARG %s\n", im.RevisionArg)
	}
	fmt.Fprintf(b, "COPY --link --from=%s /root-of-image/ /\n", root)
	im.config(b)
}

// config renders the image's configuration.
func (im Image) config(b *strings.Builder) {
	c := im.Config
	for _, kv := range c.Env {
		k, v, _ := strings.Cut(kv, "=")
		fmt.Fprintf(b, "ENV %s=%s\n", k, dockerQuote(v))
	}
	labels := map[string]string{}
	for k, v := range c.Labels {
		labels[k] = dockerQuote(v)
	}
	if im.RevisionArg != "" {
		labels[ocispec.AnnotationRevision] = "$" + im.RevisionArg
	}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		fmt.Fprintf(b, "LABEL %s=%s\n", dockerQuote(k), labels[k])
	}
	for _, p := range c.ExposedPorts {
		fmt.Fprintf(b, "EXPOSE %s\n", p)
	}
	if c.User != "" {
		fmt.Fprintf(b, "USER %s\n", c.User)
	}
	if c.WorkingDir != "" {
		fmt.Fprintf(b, "WORKDIR %s\n", dockerQuote(c.WorkingDir))
	}
	for _, x := range []struct {
		name string
		list []string
	}{{"ENTRYPOINT", c.Entrypoint}, {"CMD", c.Cmd}} {
		if x.list != nil {
			text, _ := json.Marshal(x.list) // of strings: no error
			fmt.Fprintf(b, "%s %s\n", x.name, text)
		}
	}
}

// dockerQuote makes a word in which a Dockerfile expands nothing.
func dockerQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(s) + `"`
}

func quoteTime(t string) string { return `"@` + t + `"` }

// Check finds what the rendering could not say safely.
func (im Image) Check() error {
	words := slices.Concat([]string{im.Config.User, im.Config.WorkingDir}, im.Config.Env, im.Config.Entrypoint, im.Config.Cmd, im.Config.ExposedPorts)
	for k, v := range im.Config.Labels {
		words = append(words, k, v)
	}
	for _, f := range im.Files {
		words = append(words, f.From, f.To)
	}
	for _, w := range words {
		if strings.ContainsAny(w, "\x00\n\r") {
			return fmt.Errorf("planning the image: %q has a line break in it", w)
		}
	}
	return nil
}
