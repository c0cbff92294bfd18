package publish

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/evidence"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/referrer"
	"github.com/craton-co/twice/internal/store"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
)

// maxDocument is the size in bytes of a document in a folder.
const maxDocument = 64 << 20

// Folder reads what `twice verify -o` wrote, and brings its images into the
// store. Everything has to be there and to be what the verdict and the
// statement say: the artefacts by digest, each blob of an image, the SBOMs.
func Folder(ctx context.Context, st *store.Store, dir string) (Evidence, error) {
	e, err := folder(ctx, st, dir)
	if err != nil {
		return Evidence{}, fmt.Errorf("reading %s: %w", dir, err)
	}
	return e, nil
}

func folder(ctx context.Context, st *store.Store, dir string) (e Evidence, err error) {
	data, err := document(dir, verify.VerdictName)
	if errors.Is(err, fs.ErrNotExist) {
		return e, fault.Hint(errors.New("it has no verdict"), "write it with `twice verify -o DIR`; build -o proves nothing")
	} else if err != nil {
		return e, err
	}
	if e.Verdict, err = verdict.Parse(data); err != nil {
		return e, err
	}
	if e.Verdict.Word != verdict.Reproducible {
		return e, e.Verdict.Refusal("nothing is published")
	}
	s, err := e.statementOf(dir)
	if err != nil {
		return e, err
	}
	if len(s.Subject) != len(e.Verdict.Artefacts) {
		return e, fmt.Errorf("the statement is about %d artefacts, the verdict about %d", len(s.Subject), len(e.Verdict.Artefacts))
	}
	for _, a := range e.Verdict.Artefacts {
		if _, err := subject(s, a.A); err != nil {
			return e, fmt.Errorf("the statement is not about %s, or says that it is another", a.Name)
		}
		if a.Kind.IsImage() {
			err = load(ctx, st, filepath.Join(dir, strings.ReplaceAll(a.Name, "/", "-")+".tar"), a.A)
		} else {
			err = same(ctx, filepath.Join(dir, filepath.FromSlash(a.Name)), a.A)
		}
		if err != nil {
			return e, fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	return e, nil
}

// document reads a file of a folder.
func document(dir, name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err == nil && len(data) > maxDocument {
		err = fmt.Errorf("%s has more than %d bytes", name, maxDocument)
	}
	return data, err
}

// statementOf finds the statement of a folder and the SBOMs that it names.
func (e *Evidence) statementOf(dir string) (*provenance.Statement, error) {
	found, err := filepath.Glob(filepath.Join(dir, "*-provenance-v*.json"))
	if err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("it has %d provenance statements", len(found))
	}
	e.Statement.Name = filepath.Base(found[0])
	if e.Statement.Data, err = document(dir, e.Statement.Name); err != nil {
		return nil, err
	}
	s, err := provenance.Parse(e.Statement.Data)
	if err != nil {
		return nil, err
	}
	for _, r := range s.Predicate.RunDetails.Byproducts {
		if r.MediaType != referrer.SBOM {
			continue
		}
		if r.Name != path.Base(r.Name) {
			return nil, fmt.Errorf("the statement names %.100q, which is no file's name", r.Name)
		}
		d := evidence.Document{Name: r.Name}
		if d.Data, err = document(dir, r.Name); err != nil {
			return nil, err
		}
		if digest.FromBytes(d.Data) != r.SHA256() {
			return nil, fmt.Errorf("%s is not the one that the statement names", r.Name)
		}
		e.SBOMs = append(e.SBOMs, d)
	}
	return s, nil
}

// same compares a file with a digest.
func same(ctx context.Context, name string, want digest.Digest) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h := sha256.New()
	if err := layer.CopyExactly(ctx, h, f, info.Size(), make([]byte, 1<<20)); err != nil {
		return err
	}
	if got := digest.NewDigest(digest.SHA256, h); got != want {
		return fault.Hint(fmt.Errorf("it has the digest %s, the verdict says %s", got, want), "somebody changed it: verify again")
	}
	return nil
}

// load brings the image of an OCI layout in a tar into the store, blob by blob.
func load(ctx context.Context, st *store.Store, name string, want digest.Digest) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	t := tar.NewReader(bufio.NewReaderSize(f, 1<<20))
	named := false
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch in, base := path.Split(h.Name); {
		case h.Typeflag != tar.TypeReg:
		case in == ocispec.ImageBlobsDir+"/sha256/":
			d := digest.NewDigestFromEncoded(digest.SHA256, base)
			if err := d.Validate(); err != nil {
				return err
			}
			if err := blobOf(ctx, st, t, d, h.Size); err != nil {
				return fmt.Errorf("blob %s: %w", d, err)
			}
		case in == "" && base == ocispec.ImageIndexFile:
			data, err := io.ReadAll(io.LimitReader(t, referrer.MaxManifest))
			if err != nil {
				return err
			}
			var ix ocispec.Index
			if err := json.NewDecoder(bytes.NewReader(data)).Decode(&ix); err != nil {
				return err
			}
			for _, m := range ix.Manifests {
				named = named || m.Digest == want
			}
		}
	}
	if !named {
		return fault.Hint(fmt.Errorf("its image is not %s, of which the verdict is", want), "somebody changed it: verify again")
	}
	return nil
}

// blobOf reads a blob, which has to be what its name says, also where the store
// has it.
func blobOf(ctx context.Context, st *store.Store, r io.Reader, d digest.Digest, size int64) error {
	if !st.Has(d) {
		_, _, err := st.Put(ctx, r, d, size)
		return err
	}
	h := sha256.New()
	if err := layer.CopyExactly(ctx, h, r, size, make([]byte, 256<<10)); err != nil {
		return err
	}
	if digest.NewDigest(digest.SHA256, h) != d {
		return fault.Hint(errors.New("it is not what its name says"), "somebody changed it: verify again")
	}
	return nil
}

// AllowFolder refuses what Allow would, of a verdict.
func AllowFolder(v *verdict.Verdict, profile bool) error {
	return allow(v.Subject.Dirty, v.Inputs.Profile, profile)
}
