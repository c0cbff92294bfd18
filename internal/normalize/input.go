package normalize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/image"
	"github.com/craton-co/twice/internal/layer"
)

// An input is an open layout or archive. It is seen as an OCI layout, whatever it is.
type input struct {
	sources
	kind   Kind
	roots  []ocispec.Descriptor
	docker bool // made up from a manifest.json: manifests have no digest that anyone knows
	closer []io.Closer
}

func (in *input) Close() error {
	var errs []error
	for _, c := range in.closer {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

func isDir(name string) bool {
	fi, err := os.Stat(name)
	return err == nil && fi.IsDir()
}

// openInput opens a layout or archive. tmp is for what has to be unpacked.
func openInput(ctx context.Context, name, tmp string) (*input, error) {
	if isDir(name) {
		return openDir(name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	in := &input{kind: Archive}
	b, err := fileBlob(f)
	if err != nil {
		return nil, err
	}
	in.closer = append(in.closer, b)
	if err := in.openTar(ctx, b.SectionReader, tmp); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

func openDir(dir string) (*input, error) {
	read := func(name string, limit int64) ([]byte, error) {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		b, err := fileBlob(f)
		if err != nil {
			return nil, err
		}
		defer b.Close()
		if b.Size() > limit {
			return nil, fmt.Errorf("%s: %d bytes, more than %d", name, b.Size(), limit)
		}
		return io.ReadAll(b)
	}
	roots, err := readLayout(read)
	if errors.Is(err, fs.ErrNotExist) {
		err = fault.Hint(fmt.Errorf("not an OCI layout: %w", err), "a layout has the files oci-layout and index.json")
	}
	if err != nil {
		return nil, err
	}
	return &input{kind: Layout, sources: sources{dirSource(dir)}, roots: roots}, nil
}

func (in *input) openTar(ctx context.Context, r *io.SectionReader, tmp string) error {
	r, err := in.expand(ctx, r, tmp)
	if err != nil {
		return err
	}
	ix, err := indexTar(ctx, r)
	if err != nil {
		return err
	}
	if _, err := ix.file(ocispec.ImageLayoutFile); err == nil {
		blobs := mapSource{}
		for name := range ix.files {
			if hex, ok := strings.CutPrefix(name, ocispec.ImageBlobsDir+"/sha256/"); ok {
				if d := digest.NewDigestFromEncoded(digest.SHA256, hex); d.Validate() == nil {
					blobs[d] = ix.files[name]
				}
			}
		}
		in.sources = sources{blobs}
		in.roots, err = readLayout(ix.read)
		return err
	}
	if _, err := ix.file("manifest.json"); err == nil {
		return in.openDocker(ix)
	}
	return fault.Hint(errors.New("not an image archive"), "it has neither oci-layout nor manifest.json")
}

// expand unpacks a compressed archive.
func (in *input) expand(ctx context.Context, r *io.SectionReader, tmp string) (*io.SectionReader, error) {
	content, c, err := layer.NewDecompressor(io.NewSectionReader(r, 0, r.Size()))
	if err != nil {
		return nil, err
	}
	defer content.Close()
	if c == layer.None {
		return r, nil
	}
	f, err := newSpool(tmp)
	if err != nil {
		return nil, err
	}
	in.closer = append(in.closer, f)
	size, err := io.Copy(f, contextReader{ctx, content})
	if err != nil {
		return nil, fmt.Errorf("unpacking it: %w", err)
	}
	return io.NewSectionReader(f, 0, size), nil
}

// readLayout reads what an OCI layout says of itself.
func readLayout(read func(name string, limit int64) ([]byte, error)) ([]ocispec.Descriptor, error) {
	b, err := read(ocispec.ImageLayoutFile, 4096)
	if err != nil {
		return nil, err
	}
	var l ocispec.ImageLayout
	if err := json.Unmarshal(b, &l); err != nil {
		return nil, fmt.Errorf("parsing %s: %w", ocispec.ImageLayoutFile, err)
	}
	if l.Version != ocispec.ImageLayoutVersion {
		return nil, fmt.Errorf("OCI layout of version %.20q, not %s", l.Version, ocispec.ImageLayoutVersion)
	}
	if b, err = read(ocispec.ImageIndexFile, image.MaxManifest); err != nil {
		return nil, err
	}
	ix, err := image.ParseIndex(b)
	return ix.Manifests, err
}
