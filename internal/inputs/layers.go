package inputs

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ToolchainPrefix is where the builder has Rust: in the PATH of every image.
const ToolchainPrefix = "usr/local"

// toolchain is the locked toolchain's files under ToolchainPrefix. It is used
// only if its content has the digest that the lock holds.
func toolchain(ctx context.Context, tools resolve.Tools, p *resolve.Project) (*layer.Tree, error) {
	pin := p.Lock.Toolchain.Pin
	t, _, err := resolve.ToolchainTree(ctx, tools, pin)
	if err != nil {
		return nil, err
	}
	got, err := layer.TreeDigest(t)
	if err != nil {
		return nil, err
	}
	if got != pin.Tree {
		return nil, fault.Hint(fmt.Errorf("Rust %s: its files hash to %s, the lock says %s", pin.Channel, got, pin.Tree),
			"its tarballs have the locked hashes, so the lock is wrong: run `twice lock --update toolchain`")
	}
	out := layer.NewTree()
	for _, e := range t.Entries() {
		e.Path = ToolchainPrefix + "/" + e.Path
		if e.Type == tar.TypeLink {
			e.Linkname = ToolchainPrefix + "/" + e.Linkname
		}
		e.ModTime, e.UID, e.GID = 0, 0, 0
		e.Mode = mode(e)
		if err := out.Add(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// mode keeps of a file's mode what a tree digest covers: the executable bit.
func mode(e layer.Entry) int64 {
	if e.Type == tar.TypeDir || e.Mode&0o100 != 0 {
		return 0o755
	}
	return 0o644
}

// vendor is the layer of the registry's crates. Its key is their checksums.
func vendor(ctx context.Context, tools resolve.Tools, p *resolve.Project) (image.Image, error) {
	crates := p.CargoLock.Crates()
	var b strings.Builder
	b.WriteString("twice vendor layer 1, " + layer.CompressorVersion + "\n")
	for _, c := range crates {
		fmt.Fprintf(&b, "%s %s %s %s\n", c.Name, c.Version, c.Checksum, c.Source)
	}
	key := digest.FromString(b.String())
	if data, ok := tools.Store.Recall("vendor", key); ok {
		var d ocispec.Descriptor
		if json.Unmarshal(data, &d) == nil {
			if img, err := image.Load(ctx, tools.Store, d); err == nil && tools.Store.Has(img.Manifest.Layers[0].Digest) {
				return img, nil
			}
		}
	}
	t, done, err := cargo.VendorTree(ctx, tools.Store, crates)
	if err != nil {
		return image.Image{}, err
	}
	defer done.Close()
	if _, ok := t.Get(plan.IndexDir); !ok { // a project without dependencies
		if err := t.Add(layer.Dir(plan.IndexDir, 0o755, 0)); err != nil {
			return image.Image{}, err
		}
	}
	img, err := compose.Scratch(ctx, tools.Store, t, layer.Zstd)
	if err != nil {
		return image.Image{}, fmt.Errorf("composing the vendor layer: %w", err)
	}
	data, err := json.Marshal(img.Desc)
	if err != nil {
		return image.Image{}, err
	}
	return img, tools.Store.Remember(ctx, "vendor", key, data)
}
