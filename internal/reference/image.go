package reference

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	digest "github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/verdict"
)

func isLayoutDir(dir string) bool {
	for _, f := range []string{"oci-layout", "index.json"} {
		if info, err := os.Stat(filepath.Join(dir, f)); err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// imageOf says whether a path is an image in an OCI layout or a
// docker-archive, and gives the digest of its manifest if it has one only.
// Every blob is held to its name.
func imageOf(ctx context.Context, name string) (manifest digest.Digest, is bool, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", false, err
	}
	var index []byte
	if info.IsDir() {
		index, err = layoutDir(ctx, name)
	} else {
		index, is, err = layoutTar(ctx, name, info.Size())
		if err != nil || !is || index == nil {
			return "", is, err
		}
	}
	if err != nil {
		return "", false, err
	}
	ix, err := image.ParseIndex(index)
	if err != nil {
		return "", false, err
	}
	if len(ix.Manifests) == 1 {
		manifest = ix.Manifests[0].Digest
	}
	return manifest, true, nil
}

// layoutDir checks the blobs of a layout and returns its index.
func layoutDir(ctx context.Context, dir string) ([]byte, error) {
	blobs, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
	if err != nil {
		return nil, err
	}
	for _, b := range blobs {
		f, err := os.Open(filepath.Join(dir, "blobs", "sha256", b.Name()))
		if err != nil {
			return nil, err
		}
		err = blob(ctx, b.Name(), f)
		_ = f.Close()
		if err != nil {
			return nil, err
		}
	}
	return readSmall(filepath.Join(dir, "index.json"))
}

// layoutTar does the same for an archive. Without an error and an index it is
// no image, or, if is is set, a docker-archive.
func layoutTar(ctx context.Context, name string, size int64) (index []byte, is bool, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	t := tar.NewReader(bufio.NewReaderSize(f, 1<<20))
	docker := false
	for n := 0; ; n++ {
		h, err := t.Next()
		if err == io.EOF {
			return index, index != nil || docker, nil
		}
		if err != nil {
			if index == nil && !docker {
				return nil, false, nil // no tar
			}
			return nil, false, err
		}
		if n > maxFiles*10 {
			return nil, false, errors.New("too many entries")
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if h.Size > size { // a sparse file
			return nil, false, fmt.Errorf("%.100q is larger than what it is in", h.Name)
		}
		switch dir, base := path.Split(strings.TrimPrefix(h.Name, "./")); {
		case dir == "blobs/sha256/":
			if err := blob(ctx, base, t); err != nil {
				return nil, false, err
			}
		case dir == "" && base == "index.json":
			if h.Size > maxSmall {
				return nil, false, fmt.Errorf("its index has %d bytes", h.Size)
			}
			if index, err = io.ReadAll(t); err != nil {
				return nil, false, err
			}
		case dir == "" && base == "manifest.json":
			docker = true
		}
	}
}

// blob holds content to the digest that it is named by.
func blob(ctx context.Context, name string, r io.Reader) error {
	claimed := digest.NewDigestFromEncoded(digest.SHA256, name)
	if err := claimed.Validate(); err != nil {
		return nil // a file of another kind
	}
	found, err := hashOf(ctx, r)
	if err != nil {
		return err
	}
	if found != claimed {
		return &verdict.Incident{What: "blobs/sha256/" + name, By: "its name", Claimed: claimed, Found: found}
	}
	return nil
}
