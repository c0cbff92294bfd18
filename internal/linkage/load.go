package linkage

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	digest "github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/store"
)

// generation changes with what a stored base holds.
const generation = "twice linkage 1 "

// platforms are the machines of OCI's architectures.
var platforms = map[string]Machine{
	"amd64": {ID: 62, Bits: 64}, "386": {ID: 3, Bits: 32}, "arm64": {ID: 183, Bits: 64}, "arm": {ID: 40, Bits: 32},
	"ppc64le": {ID: 21, Bits: 64}, "s390x": {ID: 22, Bits: 64, BigEnd: true}, "riscv64": {ID: 243, Bits: 64},
}

// Load reads what an image offers, or recalls it: an image is read once.
func Load(ctx context.Context, st *store.Store, img image.Image) (*Base, error) {
	key := digest.FromString(generation + img.Desc.Digest.String())
	if data, ok := st.Recall("linkage", key); ok {
		b := new(Base)
		if err := json.Unmarshal(data, b); err == nil {
			return b, nil
		}
	}
	b, err := Collect(ctx, func(fn func(h *tar.Header, r io.Reader) error) error {
		return image.Files(ctx, st, img, fn)
	})
	if err != nil {
		return nil, err
	}
	b.Platform = platforms[img.Config.Architecture]
	for _, kv := range img.Config.Config.Env {
		if v, ok := strings.CutPrefix(kv, "LD_LIBRARY_PATH="); ok {
			b.LibraryPath = strings.FieldsFunc(v, func(r rune) bool { return r == ':' || r == ';' })
		}
	}
	data, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encoding what the base offers: %w", err)
	}
	return b, st.Remember(ctx, "linkage", key, data)
}
