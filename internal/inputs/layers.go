package inputs

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/compose"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/plan"
	"github.com/craton-co/twice/internal/resolve"
	toolchain "github.com/craton-co/twice/internal/rust"
	"github.com/opencontainers/go-digest"
)

// rust is the locked toolchain. Its files are used only if they have the
// digest that the lock holds, or, where it holds none, come from tarballs of the
// locked hashes. The second result is called when the layer is made.
func rust(tools resolve.Tools, p *resolve.Project) (compose.Input, func()) {
	pin := p.Lock.Toolchain.Pin
	var open []func()
	return compose.Input{
			Name: "Rust " + pin.Channel, Key: toolchainKey(pin), Prefix: resolve.ToolchainPrefix,
			Tree: func(ctx context.Context) (*layer.Tree, error) {
				t, done, err := resolve.ToolchainTree(ctx, tools, pin)
				if err != nil {
					return nil, err
				}
				open = append(open, done)
				if pin.Tree == "" {
					return t, nil
				}
				got, err := layer.TreeDigest(t)
				if err != nil {
					return nil, err
				}
				if got != pin.Tree {
					return nil, fault.Hint(fmt.Errorf("toolchain %s: its files hash to %s, the lock says %s", pin.Channel, got, pin.Tree),
						"its tarballs have the locked hashes, so the lock is wrong: run `twice lock --update toolchain`")
				}
				return t, nil
			},
		}, func() {
			for _, done := range open {
				done()
			}
		}
}

// toolchainKey identifies a toolchain's files: they are a function of its
// tarballs.
func toolchainKey(pin toolchain.Pin) digest.Digest {
	if pin.Tree != "" {
		return pin.Tree
	}
	var b strings.Builder
	b.WriteString("toolchain tarballs\n")
	for _, c := range pin.Components {
		fmt.Fprintf(&b, "%s %s %s\n", c.Name, c.Target, c.SHA256)
	}
	return digest.FromString(b.String())
}

// vendor is the layer of the registry's crates. Its key is their checksums.
func vendor(ctx context.Context, tools resolve.Tools, p *resolve.Project) (image.Image, error) {
	crates := p.Crates()
	var b strings.Builder
	b.WriteString("crates\n")
	for _, c := range crates {
		fmt.Fprintf(&b, "%s %s %s %s\n", c.Name, c.Version, c.Checksum, c.Source)
	}
	key := digest.FromString(b.String())
	var done io.Closer
	img, err := compose.Single(ctx, tools.Store, compose.Input{
		Name: "the vendor layer", Key: key, Epoch: cargo.ModTime,
		Tree: func(ctx context.Context) (*layer.Tree, error) {
			t, c, err := cargo.VendorTree(ctx, tools.Store, crates)
			if err != nil {
				return nil, err
			}
			done = c
			if _, ok := t.Get(plan.IndexDir); !ok { // a project without dependencies
				return t, t.Add(layer.Dir(plan.IndexDir, 0o755, 0))
			}
			return t, nil
		},
	}, layer.Zstd)
	if done != nil {
		_ = done.Close()
	}
	return img, err
}
