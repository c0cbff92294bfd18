package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/referrer"
	"github.com/craton-co/twice/internal/registry"
	"github.com/opencontainers/go-digest"
)

// rebuildMemory publishes a project whose image has a large file, attaches what
// others might, and asks for it as a stranger would.
func rebuildMemory(b *bench) []line {
	size, others := int64(2e9), 1000
	if b.small {
		size, others = 1e8, 50
	}
	dir := b.path("large-project")
	check(os.CopyFS(dir, os.DirFS("examples/hello")))
	check(os.Mkdir(filepath.Join(dir, "data"), 0o755))
	check(os.WriteFile(filepath.Join(dir, "twice.toml"), []byte("[[image]]\nfiles = { \"data\" = \"/usr/share/large\" }\n"), 0o644))
	f := must(os.Create(filepath.Join(dir, "data", "zeros")))
	check(f.Truncate(size))
	check(f.Close())
	b.commit(dir)
	host, end := b.registry()
	defer end()
	name := host + "/bench/project"
	said, _ := b.output(b.twice("publish", name+":1", dir, "--no-sign", "--json"))
	var published struct {
		Images []struct {
			Digest digest.Digest `json:"digest"`
		} `json:"images"`
	}
	check(json.Unmarshal([]byte(said), &published))
	if len(published.Images) != 1 {
		check(fmt.Errorf("publish printed no image:\n%s", said))
	}
	image := published.Images[0].Digest
	repo := must(registry.OpenName(name, registry.Options{}))
	defer repo.Close()
	head := must(remote.Head(repo.Name.Digest(image.String()), repo.Remote(b)...))
	for i := range others {
		r := referrer.OfBundle(fmt.Appendf(nil, `{"number":%d,"padding":%q}`, i, strings.Repeat("x", 4000)), "https://example.org/other/v1")
		must(referrer.Push(b, repo, ocispec.Descriptor{MediaType: string(head.MediaType), Digest: image, Size: head.Size}, r))
	}
	var peaks []float64
	for range b.n {
		peaks = append(peaks, b.peak("rebuild", name+"@"+image.String(), "--source", dir))
	}
	check(os.RemoveAll(dir))
	return []line{{What: fmt.Sprintf("peak memory, rebuild of an image with a file of %.1f GB and %d referrers", float64(size)/1e9, others), Twice: peaks, Unit: "MB", Goal: 100}}
}
