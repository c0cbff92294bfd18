package base

import (
	"context"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
)

// An image comes whole from another store, index and all, and the registry is not asked.
func TestOtherStore(t *testing.T) {
	s, r := newServer(t), resolver(t, nil)
	p := s.image("app", "amd64", oci, nil)
	ix := s.index("app", ocispec.MediaTypeImageIndex, map[string]pushed{"amd64": p, "arm64": s.image("app", "arm64", oci, nil)})
	kept, ref := newStore(t), at(s.host, "app", ix.Digest)
	opt := Options{Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"}, Retry: quick}
	if _, err := Pull(t.Context(), kept, r, ref, opt); err != nil {
		t.Fatal(err)
	}
	s.requests() // those of the pull above
	for name, lacking := range map[string]digest.Digest{"whole": "", "no index": ix.Digest, "no manifest": p.desc.Digest, "no layer": p.manifest.Layers[0].Digest} {
		st := newStore(t)
		opt := opt
		opt.Offline = true
		opt.Other = &fetch.Other{
			Take: func(ctx context.Context, d digest.Digest, size int64) error {
				if d == lacking {
					return st.Take(ctx, newStore(t), d, size)
				}
				return st.Take(ctx, kept, d, size)
			},
			Failed: func(d digest.Digest, err error) { t.Errorf("%s: %s: %v", name, d, err) },
		}
		img, err := Pull(t.Context(), st, r, ref, opt)
		switch {
		case lacking != "":
			if err == nil || fault.HintOf(err) == "" {
				t.Errorf("%s: %v", name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case contents(t, st, img)["etc/arch"] != "amd64app" || !st.Has(ix.Digest):
			t.Errorf("%s: it is another image", name)
		}
	}
	if n := len(s.requests()); n > 0 {
		t.Errorf("the registry was asked %d times", n)
	}
}
