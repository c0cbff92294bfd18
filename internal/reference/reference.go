// Package reference opens what a build is compared with: something that was
// released, or the verdict of an earlier run.
//
// # What can be given
//
//   - an earlier verdict, the JSON of `twice verify --json`. Its inputs are compared
//     first, then its digests.
//   - a SHA256SUMS file (lines "<64 hex>  <name>"). Files that lie beside it
//     are opened as well.
//   - an OCI layout, as a directory or a tar, or a docker-archive: an image.
//   - a file: a binary, a library, an archive.
//   - a directory of such, like the one that `twice build -o` writes. A link in it may lead to
//     a file of it.
//
// # What is believed
//
// Nothing is compared with a reference that is not what is claimed of it:
// that is an *verdict.Incident. Claims are: a line of a SHA256SUMS (also
// SHA256SUMS.txt, sha256sums.txt) in the same directory, a file of the same
// name and ".sha256", the names of the blobs in a layout, what a verdict
// says of itself, and that a layout is all of what its index names: a manifest.json
// beside it, which older programs load by, has to mean the same image. That a claim holds does not say who made it.
package reference

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	digest "github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/verdict"
)

// The kinds of references.
const (
	Verdict   = "verdict"
	Sums      = "sums"
	Image     = "image"
	File      = "file"
	Directory = "directory"
)

// Reference is what a build is compared with.
type Reference struct {
	Path string
	Kind string
	// Verdict is set for an earlier verdict.
	Verdict *verdict.Verdict
	Items   []Item
}

// Item is one thing in a reference.
type Item struct {
	Name   string        // below the reference, with slashes
	Path   string        // of the file or layout; empty where only the digest is known
	Digest digest.Digest // of the file, or of the image's manifest; empty for an image that has no one manifest
	Image  bool
	// Open gives the file or layout where there is no Path yet; nil: it can't be had.
	Open func(ctx context.Context) (path string, err error)

	held bool // a statement says that the build makes it
}

const (
	maxFiles = 10000
	maxSmall = 16 << 20 // bytes of a verdict or of sums
)

// Open reads a reference and checks what is claimed of it. The error is an
// *verdict.Incident if a claim does not hold.
func Open(ctx context.Context, path string) (*Reference, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	r := &Reference{Path: path}
	switch {
	case info.IsDir():
		err = r.directory(ctx)
	case info.Mode().IsRegular():
		err = r.file(ctx, info.Size())
	default:
		err = errors.New("it is neither a file nor a directory")
	}
	if err != nil {
		return nil, fmt.Errorf("opening the reference %s: %w", path, err)
	}
	return r, nil
}

func (r *Reference) file(ctx context.Context, size int64) error {
	if size <= maxSmall {
		data, err := os.ReadFile(r.Path)
		if err != nil {
			return err
		}
		switch {
		case bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte(`{`)) && bytes.Contains(data, []byte(`"verdict"`)):
			return r.verdict(ctx, data)
		case looksLikeSums(data):
			r.Kind = Sums
			return r.sums(ctx, r.Path, data)
		}
	}
	item, err := open(ctx, r.Path, filepath.Base(r.Path))
	if err != nil {
		return err
	}
	if r.Kind = File; item.Image {
		r.Kind = Image
	}
	r.Items = []Item{item}
	return r.claims(ctx, r.Path)
}

// verdict reads an earlier verdict. One that contradicts itself was written by
// something else, or changed.
func (r *Reference) verdict(ctx context.Context, data []byte) error {
	r.Kind = Verdict
	if err := r.claims(ctx, r.Path); err != nil {
		return err
	}
	v, err := verdict.Parse(data)
	var version *verdict.VersionError
	switch {
	case errors.As(err, &version):
		return err
	case err != nil:
		return &verdict.Incident{What: filepath.Base(r.Path), By: "the verdict itself", Why: err.Error()}
	case v.Word != verdict.Reproducible && v.Word != verdict.Mismatch:
		return fault.Hint(fmt.Errorf("a verdict of %s has nothing to compare with", v.Word), "take one that was reached")
	}
	r.Verdict = v
	for _, a := range v.Artefacts {
		if a.A != "" {
			r.Items = append(r.Items, Item{Name: a.Name, Digest: a.A, Image: a.Kind.IsImage()})
		}
	}
	return nil
}

func (r *Reference) directory(ctx context.Context) error {
	if isLayoutDir(r.Path) {
		r.Kind = Image
		item, err := open(ctx, r.Path, filepath.Base(r.Path))
		r.Items = []Item{item}
		return err
	}
	r.Kind = Directory
	err := filepath.WalkDir(r.Path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == r.Path {
			return err
		}
		rel, err := filepath.Rel(r.Path, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() && !isLayoutDir(p) || !d.IsDir() && (isSums(d.Name()) || strings.HasSuffix(d.Name(), ".sha256")) {
			return nil
		}
		if !d.IsDir() && !d.Type().IsRegular() {
			is, err := r.leadsToFile(p)
			if err != nil {
				return fmt.Errorf("%s: %w", rel, err)
			}
			if !is {
				return nil
			}
		}
		if len(r.Items) == maxFiles {
			return fmt.Errorf("there are more than %d files", maxFiles)
		}
		item, err := open(ctx, p, rel)
		if err != nil {
			return err
		}
		r.Items = append(r.Items, item)
		if d.IsDir() {
			return fs.SkipDir
		}
		return r.claims(ctx, p)
	})
	if err != nil {
		return err
	}
	for _, name := range sumsNames {
		p := filepath.Join(r.Path, name)
		data, err := readSmall(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		if err := r.sums(ctx, p, data); err != nil {
			return err
		}
	}
	return nil
}

// leadsToFile says whether a link leads to a file of the reference; one that leads to a
// folder of it has nothing of its own. Anything else can't be compared, and isn't left out
// without a word.
func (r *Reference) leadsToFile(p string) (bool, error) {
	info, err := os.Stat(p)
	if err != nil {
		return false, fault.Hint(err, "put there what the link leads to, or take it away")
	}
	if !info.Mode().IsRegular() && !info.IsDir() {
		return false, fault.Hint(errors.New("it is neither a file nor a folder"), "take it away")
	}
	root, err := filepath.EvalSymlinks(r.Path)
	if err != nil {
		return false, err
	}
	to, err := filepath.EvalSymlinks(p)
	if err != nil {
		return false, err
	}
	if rel, err := filepath.Rel(root, to); err != nil || !filepath.IsLocal(rel) {
		return false, fault.Hint(errors.New("it is a link to something that is not in the reference"), "put the file itself there, or take the link away")
	}
	return info.Mode().IsRegular(), nil
}

// open hashes a file, or checks and names an image.
func open(ctx context.Context, path, name string) (Item, error) {
	it := Item{Name: name, Path: path}
	manifest, image, err := imageOf(ctx, path)
	if err != nil {
		return it, err
	}
	if image {
		it.Image, it.Digest = true, manifest
		return it, nil
	}
	it.Digest, err = hash(ctx, path)
	return it, err
}

func hash(ctx context.Context, name string) (digest.Digest, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return hashOf(ctx, f)
}

func hashOf(ctx context.Context, r io.Reader) (digest.Digest, error) {
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return "", context.Cause(ctx)
		}
		n, err := r.Read(buf)
		h.Write(buf[:n])
		if err == io.EOF {
			return digest.NewDigest(digest.SHA256, h), nil
		} else if err != nil {
			return "", err
		}
	}
}

func readSmall(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSmall {
		return nil, fmt.Errorf("%s is no file of at most %d bytes", name, maxSmall)
	}
	return os.ReadFile(name)
}

// Input is the first input of an earlier verdict that this build has otherwise;
// nil if there is none, or if the reference is no verdict.
func (r *Reference) Input(ours *verdict.Verdict) *verdict.Input {
	if r.Verdict == nil {
		return nil
	}
	a, b := ours, r.Verdict
	for _, x := range []verdict.Input{
		{Name: "project", Ours: a.Subject.Name, Theirs: b.Subject.Name},
		{Name: "version", Ours: a.Subject.Version, Theirs: b.Subject.Version},
		{Name: "source", Ours: string(a.Inputs.Source), Theirs: string(b.Inputs.Source)},
		{Name: "commit", Ours: a.Subject.Commit, Theirs: b.Subject.Commit},
		{Name: "epoch", Ours: fmt.Sprint(a.Subject.Epoch), Theirs: fmt.Sprint(b.Subject.Epoch)},
		{Name: "vendored crates", Ours: string(a.Inputs.Vendor), Theirs: string(b.Inputs.Vendor)},
		{Name: "toolchain", Ours: a.Inputs.Rustc, Theirs: b.Inputs.Rustc},
		{Name: "toolchain", Ours: string(a.Inputs.Toolchain), Theirs: string(b.Inputs.Toolchain)},
		{Name: "builder", Ours: string(a.Inputs.Builder), Theirs: string(b.Inputs.Builder)},
		{Name: "runtime", Ours: string(a.Inputs.Runtime), Theirs: string(b.Inputs.Runtime)},
		{Name: "target", Ours: a.Subject.Triple, Theirs: b.Subject.Triple},
		{Name: "profile", Ours: a.Subject.Profile, Theirs: b.Subject.Profile},
		{Name: "set of features", Ours: strings.Join(a.Subject.Features, ","), Theirs: strings.Join(b.Subject.Features, ",")},
		{Name: "plan", Ours: string(a.Inputs.Plan), Theirs: string(b.Inputs.Plan)},
	} {
		if x.Ours != x.Theirs {
			return &x
		}
	}
	return nil
}

// named finds our artefact of an item's whole name.
func named(it Item, ours []Ours) (Ours, bool) {
	for _, o := range ours {
		if it.Name == o.Name && it.Image == o.Image || o.Image && it.Image && it.Name == strings.ReplaceAll(o.Name, "/", "-")+".tar" {
			return o, true
		}
	}
	return Ours{}, false
}

// match finds our artefact that an item of the reference is: by its whole
// name, then by its last part, then, for the only item, by what it is.
func (r *Reference) match(it Item, ours []Ours) (Ours, bool) {
	if o, ok := named(it, ours); ok {
		return o, true
	}
	var found []Ours
	for _, o := range ours {
		if !it.Image && !o.Image && filepath.Base(it.Name) == filepath.Base(o.Name) {
			found = append(found, o)
		}
	}
	if len(found) == 0 && (r.Kind == File || r.Kind == Image) {
		for _, o := range ours {
			if it.Image == o.Image && (it.Image || alike(it.Name, o.Name)) {
				found = append(found, o)
			}
		}
	}
	if len(found) == 1 {
		return found[0], true
	}
	return Ours{}, false
}

// alike says whether two names end alike: in the same known suffix, or in none.
func alike(a, b string) bool {
	return slices.IndexFunc(suffixes, func(s string) bool { return strings.HasSuffix(a, s) }) ==
		slices.IndexFunc(suffixes, func(s string) bool { return strings.HasSuffix(b, s) })
}

var suffixes = []string{".tar.gz", ".tgz", ".tar.zst", ".zip", ".rlib", ".tar"}
