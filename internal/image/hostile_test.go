package image

import (
	"archive/tar"
	"io"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/hostile"
	"github.com/craton-co/twice/internal/layer"
)

// What is found in a hostile layer lies below the image's root.
func TestHostileLayers(t *testing.T) {
	st := newStore(t)
	outside := t.TempDir()
	untouched := hostile.Outside(outside)
	for _, a := range hostile.Tars("usr/", outside, hostile.File{Name: "etc/passwd", Content: "x"}) {
		d, err := st.PutBytes(t.Context(), a.Data)
		if err != nil {
			t.Fatal(err)
		}
		raw := layer.Layer{Desc: ocispec.Descriptor{MediaType: layer.None.MediaType(), Digest: d, Size: int64(len(a.Data))}, DiffID: digest.FromBytes(a.Data)}
		img := write(t, st, nil, []layer.Layer{rawLayer(t, st, layer.None, "usr/", "usr/h=1", "lib -> usr"), raw}, Config{Platform: amd64})
		var entries []layer.Entry
		err = Files(t.Context(), st, img, func(h *tar.Header, r io.Reader) error {
			entries = append(entries, layer.Entry{Path: h.Name, Type: h.Typeflag, UID: h.Uid, GID: h.Gid, Size: h.Size, Linkname: h.Linkname})
			return nil
		})
		if err != nil {
			entries = nil
		}
		for _, bad := range hostile.Check(entries, hostile.Rules{Devices: true, Links: true, Setuid: true, Owners: true}) {
			t.Errorf("%s: %s", a.Name, bad)
		}
	}
	if err := untouched(); err != nil {
		t.Error(err)
	}
}
