package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// CommitDockerfile renders the plan as a file that can be part of what it
// builds: no digest and no commit is in it. The commit's time and, for the
// images, its id are the build arguments SOURCE_DATE_EPOCH and REVISION; all
// inputs are named contexts. command is what writes it.
func (p *Plan) CommitDockerfile(command string, images []Image) string {
	n := contextNames()
	n.commit = true
	var b strings.Builder
	for line := range strings.Lines(p.commitHead(command, images)) {
		b.WriteString(strings.TrimRight("# "+line, " \n") + "\n")
	}
	b.WriteByte('\n')
	b.WriteString(p.body(sideOf(p, canonical), n))
	for _, im := range images {
		im.RevisionArg = "REVISION"
		p.imageStage(&b, im, n)
	}
	return b.String()
}

// commitHead says how the file is used, and what can't be there for everybody.
func (p *Plan) commitHead(command string, images []Image) string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	contexts := slices.Sorted(maps.Keys(p.Contexts()))
	for _, im := range images {
		if im.Base != "scratch" && !slices.Contains(contexts, im.Base) {
			contexts = append(contexts, im.Base)
		}
	}
	line("%s for %s: what `twice build` runs. Written by", p.Name, p.Triple)
	line("`%s`.", command)
	line("")
	line("Whoever has nothing but docker buildx builds it from a directory that")
	line("`twice plan --context ctx` wrote anywhere. It has the inputs, and this file in it:")
	line("")
	line("    docker buildx build ctx")
	line("")
	line("With this file itself, each input is a named context. Nobody publishes the")
	line("composed ones for everybody: they are images of that directory, which is an OCI")
	line("layout, or of a registry that somebody pushed them to; the sources may be a commit.")
	line("")
	line("    docker buildx build --build-arg SOURCE_DATE_EPOCH=SECONDS --build-arg REVISION=COMMIT \\")
	for i, c := range contexts {
		more := " \\"
		if i == len(contexts)-1 {
			more = " - < Dockerfile"
		}
		switch c {
		case "source":
			line("        --build-context source=https://HOST/REPOSITORY.git#COMMIT:FOLDER%s", more)
		case "runtime":
			line("        --build-context runtime=docker-image://REGISTRY/RUNTIME@sha256:DIGEST%s", more)
		default:
			line("        --build-context %s=oci-layout://ctx@sha256:DIGEST%s", c, more)
		}
	}
	line("")
	line("SECONDS is the commit's time (git log -1 --format=%%ct). The target out has binaries")
	line("and rlibs, image (the default) is the runtime image. Engines write times of their")
	line("own: `twice normalize --epoch SECONDS --base RUNTIME` makes it the image of `twice build`.")
	line("It needs a Dockerfile frontend that knows here-documents and COPY --link (BuildKit 0.10).")
	return b.String()
}
