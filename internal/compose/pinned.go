package compose

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

// pinned.json lists the layers that our own locks and toolchain give: whoever
// makes them gets these bytes, so who has the bytes need not make them. A test
// of package inputs makes them all, and writes the file with -update. What it
// does not list, because a lock, this package's Version or the compressor is
// another, is made.
//
//go:embed pinned.json
var pinnedJSON []byte

// Pin is a layer whose digest is known before it is made.
type Pin struct {
	Name        string            `json:"name"` // for people
	Compression layer.Compression `json:"compression"`
	Key         digest.Digest     `json:"key"` // of everything that decides its bytes
	Digest      digest.Digest     `json:"digest"`
	Size        int64             `json:"size"`
	DiffID      digest.Digest     `json:"diffID"`
}

var pins = sync.OnceValue(func() map[string]Pin {
	var list []Pin
	d := json.NewDecoder(bytes.NewReader(pinnedJSON))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		panic(fmt.Sprintf("pinned.json: %v", err)) // it is part of the program
	}
	all := map[string]Pin{}
	for _, p := range list {
		all[string(p.Compression)+" "+p.Key.String()] = p
	}
	return all
})

// PinOf is what the layer of def's packages is in an image with a compression. If
// that is not known, ok is false and the Pin has nothing but the key.
func PinOf(def images.Definition, c layer.Compression) (p Pin, ok bool) {
	def.Compression = string(c)
	return pinOf(baseKey(def), c)
}

// PinOfInput is what the layer of an input with a Key is.
func PinOfInput(in Input, c layer.Compression) (Pin, bool) { return pinOf(inputKey(in), c) }

func pinOf(key digest.Digest, c layer.Compression) (Pin, bool) {
	p, ok := pins()[string(c)+" "+key.String()]
	p.Compression, p.Key = c, key
	return p, ok
}

func (p Pin) kind() string { return "layer-" + string(p.Compression) }

func (p Pin) layer() layer.Layer {
	return layer.Layer{Desc: ocispec.Descriptor{MediaType: p.Compression.MediaType(), Digest: p.Digest, Size: p.Size}, DiffID: p.DiffID}
}

// Desc is the layer's descriptor.
func (p Pin) Desc() ocispec.Descriptor { return p.layer().Desc }

// Made tells whether the layer is remembered, and in the store.
func (p Pin) Made(st *store.Store) bool {
	_, ok := recall(st, p.kind(), p.Key)
	return ok
}

// Adopt remembers the layer, if the store has it by now, as if it had been made.
func (p Pin) Adopt(ctx context.Context, st *store.Store) error {
	if size, err := st.Size(p.Digest); err != nil || size != p.Size {
		return nil
	}
	return remember(ctx, st, p.kind(), p.Key, p.layer())
}
