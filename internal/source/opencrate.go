package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/craton-co/twice/internal/store"
	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/layer"
	"github.com/craton-co/twice/internal/spool"
)

const (
	maxIndex   = 32 << 20
	memoKind   = "crate-checksum"
	vcsInfo    = ".cargo_vcs_info.json"
	maxVCSInfo = 64 << 10
)

// openCrate opens NAME or NAME@VERSION of crates.io.
func openCrate(ctx context.Context, spec string, opt Options) (*Source, error) {
	if opt.Store == nil || opt.Fetcher == nil || opt.Resolver == nil {
		return nil, errors.New("a crate needs a store, a fetcher and a resolver")
	}
	c, err := findCrate(ctx, spec, opt)
	if err != nil {
		return nil, err
	}
	item := fetch.Item{Kind: "crate", Name: c.Name + " " + c.Version, Digest: c.Digest(), Size: -1}
	if !opt.Store.Has(item.Digest) {
		if opt.Offline {
			return nil, fault.Hint(fmt.Errorf("crate %s %s is not in the store, and nothing is to be fetched", c.Name, c.Version), "run `twice fetch` where there is a network")
		}
		item.URLs = opt.Resolver.Crate(c.Name, c.Version)
		if err := opt.Fetcher.Fetch(ctx, []fetch.Item{item}); err != nil {
			return nil, err
		}
	}
	return readCrate(ctx, c, opt)
}

// findCrate settles the version and the checksum: those that are given, those
// that the index has, or, without a network, those that the index had before.
//
// The index is not signed. So its word for a version is taken once and kept in
// the store; an index that says something else later is an error.
func findCrate(ctx context.Context, spec string, opt Options) (cargo.Crate, error) {
	name, version, _ := strings.Cut(spec, "@")
	c := cargo.Crate{Name: name, Version: version, Checksum: opt.Checksum}
	probe := c
	if version == "" {
		probe.Version = "0.0.0"
	}
	if c.Checksum == "" {
		probe.Checksum = strings.Repeat("0", 64)
	}
	if err := probe.Check(); err != nil {
		return c, fault.Hint(err, "write crate:NAME@1.2.3")
	}
	var known string
	if version != "" {
		if b, ok := opt.Store.Recall(memoKind, memoKey(name, version)); ok {
			known = string(b)
		}
		if c.Checksum != "" {
			return c, nil
		}
		// A version's checksum never changes, so the index need not be asked again.
		if c.Checksum = known; known != "" && c.Check() == nil {
			return c, nil
		}
		if claim, ok := opt.Store.Recall(claimKind, memoKey(name, version)); ok && opt.Offline {
			if c.Checksum = string(claim); c.Check() == nil {
				return c, nil
			}
		}
	}
	if opt.Offline {
		return c, fault.Hintf(fmt.Errorf("what crate %s is can't be asked without a network", spec), "run `twice fetch` where there is a network, and name a version")
	}
	data, err := opt.Fetcher.Get(ctx, opt.Resolver.CrateIndex(name), maxIndex)
	if errors.Is(err, fs.ErrNotExist) {
		return c, fault.Hintf(fmt.Errorf("there is no crate %s: %v", name, err), "is the name right? `cargo search %s` looks for it", name)
	}
	if err != nil {
		return c, fmt.Errorf("asking the index for crate %s: %w", name, err)
	}
	got, err := parseIndex(data, name, version)
	if err != nil {
		return c, err
	}
	if b, ok := opt.Store.Recall(memoKind, memoKey(name, got.Version)); ok && string(b) != got.Checksum {
		return c, fault.Hint(fmt.Errorf("crate %s %s: the index says checksum %s, and said %s before", name, got.Version, got.Checksum, b),
			"published crates don't change: find out which mirror lies")
	}
	if opt.Checksum != "" && opt.Checksum != got.Checksum {
		return c, fmt.Errorf("crate %s %s: the index says checksum %s, %s was asked for", name, got.Version, got.Checksum, opt.Checksum)
	}
	return got, opt.Store.Remember(ctx, memoKind, memoKey(name, got.Version), []byte(got.Checksum))
}

// claimKind keeps what bundles say, apart from what the index said.
const claimKind = "crate-claim"

// ClaimCrate keeps what a bundle says is the checksum of a published version. It
// counts only where the index can't be asked (Options.Offline) and never was.
func ClaimCrate(ctx context.Context, st *store.Store, c cargo.Crate) error {
	return st.Remember(ctx, claimKind, memoKey(c.Name, c.Version), []byte(c.Checksum))
}

// Claimed tells whether the checksum of a crate is a bundle's claim.
func (s *Source) Claimed(st *store.Store) bool {
	if s.Kind != KindCrate {
		return false
	}
	known, ok := st.Recall(memoKind, memoKey(s.Name, s.Version))
	return !ok || string(known) != s.Checksum
}

func memoKey(name, version string) digest.Digest {
	return digest.FromString("crate " + name + " " + version)
}

// parseIndex reads a crate's file of a sparse index: a line of JSON a version.
// Without a version it picks the newest that is neither yanked nor a
// pre-release, or the newest pre-release where there is nothing else.
func parseIndex(data []byte, name, version string) (cargo.Crate, error) {
	var best cargo.Crate
	found := false
	n := 0
	for line := range bytes.Lines(data) {
		if n++; len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var v struct {
			Name   string `json:"name"`
			Vers   string `json:"vers"`
			Cksum  string `json:"cksum"`
			Yanked bool   `json:"yanked"`
		}
		if err := json.Unmarshal(line, &v); err != nil {
			return best, fmt.Errorf("index of crate %s, line %d: %w", name, n, err)
		}
		c := cargo.Crate{Name: v.Name, Version: v.Vers, Checksum: v.Cksum}
		if err := c.Check(); err != nil {
			return best, fmt.Errorf("index of crate %s, line %d: %w", name, n, err)
		}
		if v.Name != name {
			return best, fault.Hintf(fmt.Errorf("the index has crate %s under the name %s", v.Name, name), "write crate:%s", v.Name)
		}
		if version != "" && v.Vers == version {
			return c, nil
		}
		if version == "" && !v.Yanked && (!found || cargo.NewerVersion(v.Vers, best.Version)) {
			best, found = c, true
		}
	}
	switch {
	case found:
		return best, nil
	case version != "":
		return best, fault.Hintf(fmt.Errorf("crate %s has no version %s", name, version), "`cargo info %s` shows the newest", name)
	}
	return best, fmt.Errorf("every version of crate %s was yanked", name)
}

// readCrate opens a crate that is in the store.
func readCrate(ctx context.Context, c cargo.Crate, opt Options) (*Source, error) {
	sp, err := spool.New(opt.spoolDir())
	if err != nil {
		return nil, err
	}
	s := &Source{
		Spec: "crate:" + c.Name + "@" + c.Version, Kind: KindCrate, Name: c.Name, Version: c.Version, Checksum: c.Checksum,
		Tree: layer.NewTree(), closers: []io.Closer{sp},
	}
	if err := s.fillCrate(ctx, sp, c, opt); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Source) fillCrate(ctx context.Context, sp *spool.Spool, c cargo.Crate, opt Options) error {
	entries, newest, err := cargo.ReadCrate(ctx, opt.Store, sp, c)
	if err != nil {
		return err
	}
	for _, e := range entries {
		e.Path = strings.TrimPrefix(e.Path, c.Dir()+"/")
		if err := s.Tree.Add(e); err != nil {
			return err
		}
	}
	if err := s.setEpoch(opt, clampTime(newest), FromCrate); err != nil {
		return err
	}
	fsys := s.FS()
	if info, err := fs.Stat(fsys, vcsInfo); err == nil && info.Size() <= maxVCSInfo {
		var vcs struct {
			Git struct {
				SHA1 string `json:"sha1"`
			} `json:"git"`
		}
		if data, err := fs.ReadFile(fsys, vcsInfo); err == nil && json.Unmarshal(data, &vcs) == nil && isCommit(vcs.Git.SHA1) {
			s.Commit = vcs.Git.SHA1
		}
	}
	if _, err := fs.Stat(fsys, "Cargo.lock"); err != nil {
		return s.noLock(fsys)
	}
	return nil
}

// noLock is the error for a crate that was published without a Cargo.lock; the
// hint says where it can be built from.
func (s *Source) noLock(fsys fs.FS) error {
	err := fmt.Errorf("crate %s %s was published without a Cargo.lock, so nothing says what it depends on", s.Name, s.Version)
	if w, inspectErr := cargo.Inspect(fsys, "."); inspectErr == nil && s.Commit != "" {
		if m, ok := w.Member(s.Name); ok && CheckGitURL(m.Repository) == nil {
			return fault.Hintf(err, "build its repository, if that has one: git+%s#%s", m.Repository, s.Commit)
		}
	}
	return fault.Hint(err, "build its git repository, if that has one, or a directory in which you ran `cargo generate-lockfile`")
}
