package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/engine"
	"github.com/craton-co/twice/internal/engine/embedded"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/craton-co/twice/internal/store"
)

// builder returns the composed builder image and the store that has it.
func (b *bench) builder() (image.Image, *store.Store) {
	spec := b.specs()[0]
	b.fetch(spec)
	out, _ := b.output(b.twice("image", "builder", spec))
	st := must(store.Open(b.path("cache", "store")))
	d := must(digest.Parse(out))
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: must(st.Size(d))}
	return must(image.Load(b, st, desc)), st
}

// withEngine calls f with an engine that knows nothing yet.
func (b *bench) withEngine(f func(engine.Engine)) {
	root, state := b.path("cache", "engine-root"), b.path("state")
	b.once("making the engine's root", func() {
		b.fetch(b.specs()[0])
		check(compose.EngineRoot(b, must(store.Open(b.path("cache", "store"))), must(images.Load(resolve.EngineImage)), root))
	})
	e := must(embedded.Start(b, embedded.Options{StateDir: state, RootDir: root}))
	defer func() { check(errors.Join(e.Close(), os.RemoveAll(state))) }()
	b.settle()
	f(e)
}

func importBuilder(b *bench) []line {
	img, st := b.builder()
	var size int64
	check(image.Files(b, st, img, func(h *tar.Header, _ io.Reader) error { size += h.Size; return nil }))
	var all []float64
	for i := range b.n {
		b.withEngine(func(e engine.Engine) {
			var took [2]float64
			for step := range took {
				job := engine.Job{
					ID: "import", Store: st, Inputs: map[string]ocispec.Descriptor{"builder": img.Desc}, Out: b.path(fmt.Sprintf("import-%d-%d", i, step)),
					Dockerfile: fmt.Appendf(nil, "FROM builder AS build\nRUN --network=none echo %d >/mark\nFROM scratch\nCOPY --from=build /mark /\n", step),
				}
				began := time.Now()
				check(e.Run(b, job, nil))
				took[step] = time.Since(began).Seconds()
			}
			b.note("first %.2f s, again %.2f s", took[0], took[1])
			all = append(all, took[0]-took[1])
		})
	}
	gb := float64(size) / 1e9
	return []line{{What: fmt.Sprintf("import of the builder: %.2f GB unpacked, %.0f MB/s", gb, gb*1e3/median(all)), Twice: all}}
}

// export solves an image of st on a new engine and writes it to out by
// BuildKit's OCI exporter. It returns the seconds that the solve took, and
// after how many the engine said that it had all of the image.
func (b *bench) export(st *store.Store, desc ocispec.Descriptor, attrs map[string]string, out io.WriteCloser) (took, imported float64) {
	b.withEngine(func(e engine.Engine) {
		c, ok := engine.Client(e)
		if !ok {
			check(errors.New("the embedded engine has no client"))
		}
		input := llb.OCILayout("bench/input@"+desc.Digest.String(), llb.OCIStore("", "bench"))
		opt := client.SolveOpt{
			OCIStores: map[string]content.Store{"bench": must(local.NewStore(st.Dir()))},
			Exports: []client.ExportEntry{{Type: client.ExporterOCI, Attrs: attrs,
				Output: func(map[string]string) (io.WriteCloser, error) { return out, nil }}},
		}
		definition := must(input.Marshal(b, llb.LinuxAmd64))
		status, watched := make(chan *client.SolveStatus), make(chan struct{})
		began := time.Now()
		go func() {
			defer close(watched)
			for s := range status {
				for _, v := range s.Vertexes {
					if strings.HasPrefix(v.Name, "oci-layout://") && v.Completed != nil {
						imported = max(imported, v.Completed.Sub(began).Seconds())
					}
				}
			}
		}()
		_, err := c.Solve(b, definition, opt, status)
		took = time.Since(began).Seconds()
		<-watched
		check(err)
	})
	return took, imported
}

// discard is an output that nobody keeps.
type discard struct{ io.Writer }

func (discard) Close() error { return nil }
