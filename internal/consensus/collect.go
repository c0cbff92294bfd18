package consensus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/referrer"
	"github.com/craton-co/twice/internal/registry"
	"github.com/opencontainers/go-digest"
)

// Limits of collecting.
const (
	maxRecord    = 4 << 20 // bytes of one
	maxDocuments = 10000   // that are read, or listed in a registry
)

// FromPath reads what may be records: a file, or every regular file below a folder
// but for .git. Links aren't followed. Of a folder, what doesn't call itself a bundle
// is passed over, and so is what is larger than 4 MiB.
func FromPath(ctx context.Context, path string) ([]Document, error) {
	var out []Document
	err := filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case e.IsDir() && e.Name() == ".git":
			return fs.SkipDir
		case !e.Type().IsRegular():
			return nil
		}
		data, err := readBundle(p)
		if err != nil {
			return err
		}
		if data == nil {
			if p == path {
				return fmt.Errorf("%s is no signed record", p)
			}
			return nil
		}
		if len(out) == maxDocuments {
			return fault.Hint(fmt.Errorf("there are more than %d files in %s", maxDocuments, path), "name a folder with records of this artefact")
		}
		out = append(out, Document{p, data})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading records: %w", err)
	}
	return out, nil
}

// readBundle reads a file that calls itself a Sigstore bundle; nil if it doesn't.
func readBundle(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err != nil || len(data) > maxRecord || !bytes.Contains(data, []byte("application/vnd.dev.sigstore.bundle")) {
		return nil, err
	}
	return data, nil
}

// FromRegistry reads the records that a repository has about an artefact, which
// needn't be in it.
func FromRegistry(ctx context.Context, repo *registry.Repository, subject digest.Digest) ([]Document, error) {
	var out []Document
	listed := 0
	for desc, err := range referrer.List(ctx, repo, subject) {
		if err != nil {
			return nil, err
		}
		if listed++; listed > maxDocuments {
			return nil, fmt.Errorf("more than %d documents are attached to %s in %s", maxDocuments, subject, repo)
		}
		if desc.ArtifactType != referrer.Bundle || desc.Annotations[referrer.AnnotationPredicate] != provenance.RecordType {
			continue
		}
		doc, err := referrer.Read(ctx, repo, desc, maxRecord)
		if errors.Is(err, referrer.ErrTooLarge) || errors.Is(err, referrer.ErrCorrupt) {
			// Anybody can attach such a thing: it is shown, and stops nobody.
			doc, err = referrer.Referrer{Data: nil}, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, Document{repo.String() + " " + desc.Digest.String(), doc.Data})
	}
	return out, nil
}
