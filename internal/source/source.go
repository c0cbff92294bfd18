package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/store"
)

// Source is an opened source. Close it when Tree is no longer read.
type Source struct {
	Spec       string      // as Open takes it, as exactly as is known: "crate:ripgrep@15.1.0"
	Kind       string      // one of the Kind constants
	Name       string      // of the crate, the directory or the repository
	Version    string      // crates only
	Checksum   string      // crates and archives only: SHA-256 of the file, 64 hex
	Commit     string      // 40 hex, "" when unknown
	Tag        string      // a git tag that names Commit, "" when there is none
	Tags       []string    // all that name it, sorted
	Epoch      int64       // seconds since 1970
	EpochFrom  string      // one of the From constants
	Dirty      bool        // Tree is not what Commit says
	DirtyFiles []string    // below Tree's root, sorted
	Untracked  []string    // those of DirtyFiles that git doesn't track
	Large      []string    // files of git's large file storage
	Tree       *layer.Tree // every time is Epoch, the owner root
	Dir        string      // the workspace's directory in Tree, "" = its root
	Repository string      // where others may have Commit: a URL without credentials, or a path; "" for crates
	Prefix     string      // Tree's root in the repository, "" = the repository's own
	Submodules bool        // some of Tree is in submodules
	Root       string      // directories only: where Tree's root is on this machine

	repo     repo   // that has Commit
	spoolDir string // for temporary files
	closers  []io.Closer
}

const (
	KindCrate     = "crate"
	KindDirectory = "directory"
	KindGit       = "git"
	KindArchive   = "archive"
)

// Where an Epoch comes from, in words for people.
const (
	FromCommit   = "time of the commit"
	FromCrate    = "newest file of the crate"
	FromArchive  = "newest file of the archive"
	FromOverride = "given"
	FromNothing  = "nothing known"
)

// Options of Open.
type Options struct {
	Fetcher       *fetch.Fetcher    // crate: only
	Resolver      *address.Resolver // crate: and git+
	Store         *store.Store      // crate:, and where GitCache is by default
	Checksum      string            // crate: only: refuse another than this SHA-256 (64 hex); "": the index's is taken
	Dirty         bool              // accept a directory that differs from its commit
	Whole         bool              // a directory: take all of its repository, not just what a build needs
	EpochOverride *int64
	Prefix        string // git+: take this folder of the repository; "": all of it
	Dir           string // git+: where the workspace is, below Prefix
	GitCache      string // a bare repository for git+; "": "git" beside the store
	Offline       bool   // fetch nothing
}

// Open opens spec: "crate:NAME" or "crate:NAME@VERSION", "git+URL#COMMIT", a directory, a .crate file or a tar archive.
func Open(ctx context.Context, spec string, opt Options) (*Source, error) {
	var s *Source
	var err error
	if name, ok := strings.CutPrefix(spec, "crate:"); ok {
		s, err = openCrate(ctx, name, opt)
	} else if u, ok := strings.CutPrefix(spec, "git+"); ok {
		s, err = openGit(ctx, u, opt)
	} else if scheme, _, ok := strings.Cut(spec, "://"); ok {
		err = fault.Hintf(fmt.Errorf("%q is not a source", spec), "for a git repository write git+%s://…#<commit>", scheme)
	} else {
		s, err = openDirectory(ctx, spec, opt)
	}
	if err != nil {
		return nil, fault.Hint(fmt.Errorf("opening source %s: %w", redact(spec), err), "name a directory, crate:NAME@VERSION, git+URL#COMMIT, a .crate file or a tar archive")
	}
	return s, nil
}

// setEpoch takes the override, else t, and gives it to every entry.
func (s *Source) setEpoch(opt Options, t int64, from string) error {
	s.spoolDir = opt.spoolDir()
	s.Epoch, s.EpochFrom = t, from
	if opt.EpochOverride != nil {
		s.Epoch, s.EpochFrom = *opt.EpochOverride, FromOverride
	}
	if s.Epoch != clampTime(s.Epoch) {
		return fmt.Errorf("epoch %d is out of range", s.Epoch)
	}
	dated := layer.NewTree()
	for _, e := range s.Tree.Entries() {
		e.ModTime = s.Epoch
		if err := dated.Add(e); err != nil {
			return err
		}
	}
	s.Tree = dated
	return nil
}

// FS is Tree as a file system, rooted at the tree's root: Dir names the
// workspace's directory in it. It follows symbolic links.
func (s *Source) FS() fs.FS { return TreeFS(s.Tree) }

// TreeFS are the files of a tree.
func TreeFS(t *layer.Tree) fs.FS { return newTreeFS(t) }

// Close drops the files that Tree reads from.
func (s *Source) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// spoolDir is where temporary files go: beside the blobs, which need as much room.
func (o Options) spoolDir() string {
	if o.Store == nil {
		return ""
	}
	return filepath.Join(o.Store.Dir(), "ingest")
}
