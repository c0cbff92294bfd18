package compose

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
	"github.com/craton-co/twice/internal/store"
)

// Tree returns the files of the image that def and its lock describe. Their
// content is there until the closer is closed.
func Tree(ctx context.Context, st *store.Store, def images.Definition) (*layer.Tree, io.Closer, error) {
	pkgs := def.Locked()
	if len(pkgs) == 0 {
		return nil, nil, fmt.Errorf("image %s: its lock has no packages", def.Name)
	}
	sp, err := spool.New(filepath.Join(st.Dir(), "ingest"))
	if err != nil {
		return nil, nil, err
	}
	d := dropper{def.Drop, def.Keep, def.Certificates}
	all, err := unpackAll(ctx, st, pkgs, d.needed, def.Lock.Date.Unix(), sp)
	if err != nil {
		sp.Close()
		return nil, nil, err
	}
	t, err := merge(all)
	if err == nil {
		err = finish(t, def, all)
	}
	if err != nil {
		sp.Close()
		return nil, nil, err
	}
	return t, sp, nil
}

// baseLayer returns the layer of def's packages.
func baseLayer(ctx context.Context, st *store.Store, def images.Definition) (layer.Layer, error) {
	c := layer.Compression(def.Compression)
	return remembered(ctx, st, baseKey(def), c, func() (*layer.Tree, io.Closer, error) { return Tree(ctx, st, def) })
}

// baseKey identifies everything that decides the bytes of def's tree.
func baseKey(def images.Definition) digest.Digest {
	key := struct {
		Definition images.Definition
		Date       int64
		Packages   []images.Package
	}{def, def.Lock.Date.Unix(), def.Locked()}
	key.Definition.Lock, key.Definition.Config, key.Definition.Groups = images.Lock{}, images.Config{}, nil
	key.Definition.Rust = nil
	for i := range key.Packages {
		key.Packages[i].Path, key.Packages[i].Groups = "", nil
	}
	return keyOf("base", key)
}

// inputLayer returns the layer of a caller's input, in canonical form.
func inputLayer(ctx context.Context, st *store.Store, in Input, c layer.Compression) (layer.Layer, error) {
	if in.Key == "" {
		t, err := in.Tree(ctx)
		if err != nil {
			return layer.Layer{}, err
		}
		if in.Key, err = layer.TreeDigest(t); err != nil {
			return layer.Layer{}, err
		}
		in.Tree = func(context.Context) (*layer.Tree, error) { return t, nil }
	}
	return remembered(ctx, st, inputKey(in), c, func() (*layer.Tree, io.Closer, error) {
		t, err := in.Tree(ctx)
		if err != nil {
			return nil, nil, err
		}
		t, err = canonical(t, in.Prefix, in.Epoch)
		return t, io.NopCloser(nil), err
	})
}

func inputKey(in Input) digest.Digest {
	return keyOf("input", struct {
		Key    digest.Digest
		Prefix string
		Epoch  int64
	}{in.Key, in.Prefix, in.Epoch})
}

// canonical returns t below prefix with the metadata that a tree digest does
// not cover made constant, so that equal digests give equal layers: owner 0:0,
// mode 0755 or 0644, time epoch.
func canonical(t *layer.Tree, prefix string, epoch int64) (*layer.Tree, error) {
	out := layer.NewTree()
	var links []layer.Entry
	for _, e := range t.Entries() {
		if prefix != "" {
			e.Path = prefix + "/" + e.Path
		}
		e.UID, e.GID, e.ModTime = 0, 0, epoch
		switch {
		case e.Type == tar.TypeDir || e.Mode&0o100 != 0:
			e.Mode = 0o755
		default:
			e.Mode = 0o644
		}
		if e.Type == tar.TypeLink {
			if prefix != "" {
				e.Linkname = prefix + "/" + e.Linkname
			}
			links = append(links, e)
			continue
		}
		if err := out.Add(e); err != nil {
			return nil, err
		}
	}
	for _, e := range links {
		if err := out.Add(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func keyOf(kind string, v any) digest.Digest {
	b, err := json.Marshal(struct {
		Kind       string
		Version    int
		Compressor string
		Value      any
	}{kind, Version, layer.CompressorVersion, v})
	if err != nil {
		panic(err) // plain data
	}
	return digest.FromBytes(b)
}

// remembered returns the layer of that key, made now if the store lacks it.
func remembered(ctx context.Context, st *store.Store, key digest.Digest, c layer.Compression, tree func() (*layer.Tree, io.Closer, error)) (layer.Layer, error) {
	kind := "layer-" + string(c)
	if l, ok := recall(st, kind, key); ok {
		return l, nil
	}
	t, closer, err := tree()
	if err != nil {
		return layer.Layer{}, err
	}
	defer closer.Close()
	l, err := layer.Write(ctx, st, t, c)
	if err != nil {
		return layer.Layer{}, err
	}
	return l, remember(ctx, st, kind, key, l)
}

func recall(st *store.Store, kind string, key digest.Digest) (l layer.Layer, ok bool) {
	b, ok := st.Recall(kind, key)
	if !ok || json.Unmarshal(b, &l) != nil {
		return l, false
	}
	return l, st.Has(l.Desc.Digest)
}

func remember(ctx context.Context, st *store.Store, kind string, key digest.Digest, l layer.Layer) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return st.Remember(ctx, kind, key, b)
}
