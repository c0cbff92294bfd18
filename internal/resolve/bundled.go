package resolve

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/rust"
	"github.com/craton-co/twice/internal/spool"
	"github.com/craton-co/twice/internal/store"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ToolchainPrefix is where images have Rust: in the PATH of every image.
const ToolchainPrefix = "usr/local"

const toolchainMemo = "toolchain-image"

// ToolchainClaim says in another store which image has the toolchain with a tree
// digest. A store's own memo is one.
const ToolchainClaim = toolchainMemo

// TakeClaimed brings an image into the store that another store claims to be what
// the key is of. ok is false where there is none. Who uses it has to find out
// whether that is true.
func TakeClaimed(ctx context.Context, tools Tools, kind string, key digest.Digest) (desc ocispec.Descriptor, ok bool, err error) {
	value, ok := tools.Remote.Claim(ctx, kind, key)
	if !ok || json.Unmarshal(value, &desc) != nil || image.CheckDescriptor(desc) != nil || desc.Size > image.MaxManifest {
		return desc, false, ctx.Err()
	}
	desc = ocispec.Descriptor{MediaType: desc.MediaType, Digest: desc.Digest, Size: desc.Size}
	item := func(what string, d ocispec.Descriptor) fetch.Item {
		return fetch.Item{Kind: what, Name: "of " + kind, Digest: d.Digest, Size: d.Size}
	}
	if tools.Fetcher.Nearby(ctx, item("manifest", desc)) != nil {
		return desc, false, ctx.Err()
	}
	text, err := tools.Store.ReadBytes(desc.Digest, image.MaxManifest)
	if err != nil {
		return desc, false, nil
	}
	m, err := image.ParseManifest(text)
	if err != nil || m.Config.Size > image.MaxConfig {
		return desc, false, nil
	}
	items := []fetch.Item{item("config", m.Config)}
	for _, l := range m.Layers {
		items = append(items, item("layer", l))
	}
	return desc, tools.Fetcher.Nearby(ctx, items...) == nil, ctx.Err()
}

// takeToolchain looks for a toolchain's image in another store.
func takeToolchain(ctx context.Context, tools Tools, tree digest.Digest) error {
	if _, known := tools.Store.Recall(toolchainMemo, tree); known || !tools.Remote.Reads() {
		return nil
	}
	desc, ok, err := TakeClaimed(ctx, tools, ToolchainClaim, tree)
	if err != nil || !ok {
		return err
	}
	return RememberToolchain(ctx, tools, tree, desc)
}

// RememberToolchain keeps that the image desc, in the store, has the toolchain
// whose files hash to tree below ToolchainPrefix. It is a hint of where to
// look: who takes the files compares their digest.
func RememberToolchain(ctx context.Context, tools Tools, tree digest.Digest, desc ocispec.Descriptor) error {
	if err := tree.Validate(); err != nil {
		return fmt.Errorf("toolchain %.100q: %w", tree, err)
	}
	desc.Annotations = nil
	value, err := json.Marshal(desc)
	if err != nil {
		return err
	}
	return tools.Store.Remember(ctx, toolchainMemo, tree, value)
}

// RememberToolchainsOf takes over where another store's toolchains are: their
// images are in this one.
func RememberToolchainsOf(ctx context.Context, tools Tools, dir string) error {
	from, err := store.Open(dir)
	if err != nil {
		return err
	}
	trees, err := from.Memos(toolchainMemo)
	if err != nil {
		return err
	}
	for _, tree := range trees {
		value, ok := from.Recall(toolchainMemo, tree)
		var desc ocispec.Descriptor
		if !ok || json.Unmarshal(value, &desc) != nil {
			continue // a hint that nobody can read is none
		}
		if err := RememberToolchain(ctx, tools, tree, desc); err != nil {
			return err
		}
	}
	return nil
}

// bundledToolchain is the tree of a remembered image, if it is the pinned one.
// The error wraps fs.ErrNotExist where there is none.
func bundledToolchain(ctx context.Context, tools Tools, pin rust.Pin) (*layer.Tree, func(), error) {
	value, ok := tools.Store.Recall(toolchainMemo, pin.Tree)
	if !ok {
		return nil, nil, fs.ErrNotExist
	}
	var desc ocispec.Descriptor
	if err := json.Unmarshal(value, &desc); err != nil {
		return nil, nil, fs.ErrNotExist
	}
	sp, err := spool.New(filepath.Join(tools.Store.Dir(), "ingest"))
	if err != nil {
		return nil, nil, err
	}
	t, err := toolchainOf(ctx, tools, desc, sp)
	var got digest.Digest
	if err == nil {
		got, err = layer.TreeDigest(t)
	}
	if err == nil && got != pin.Tree {
		err = fault.Hint(fmt.Errorf("its files hash to %s, the lock says %s", got, pin.Tree), "somebody changed it: take the bundle, or the store, from whoever made it")
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("the toolchain %s of a bundle or store: %w", pin.Channel, err), sp.Close())
	}
	return t, func() { _ = sp.Close() }, nil
}

func toolchainOf(ctx context.Context, tools Tools, desc ocispec.Descriptor, sp *spool.Spool) (*layer.Tree, error) {
	im, err := image.Load(ctx, tools.Store, desc)
	if err != nil {
		return nil, err
	}
	t := layer.NewTree()
	return t, image.Files(ctx, tools.Store, im, func(h *tar.Header, r io.Reader) error {
		name, ok := strings.CutPrefix(h.Name, ToolchainPrefix+"/")
		if !ok || h.Typeflag == tar.TypeDir {
			return nil
		}
		e := layer.Entry{Path: name, Type: h.Typeflag, Mode: h.Mode & 0o777, Size: h.Size, Linkname: h.Linkname}
		var err error
		switch h.Typeflag {
		case tar.TypeReg:
			e.Open, err = sp.Put(ctx, r, h.Size)
		case tar.TypeSymlink:
		default:
			err = fmt.Errorf("%s is neither a file nor a link", h.Name)
		}
		if err != nil {
			return err
		}
		return t.Add(e)
	})
}
