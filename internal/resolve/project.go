// Package resolve turns what a user names into what will be built: the
// source, its settings, and a lock that answers them.
//
// # Settings
//
// twice.toml beside the workspace's Cargo.toml, with what it leaves out
// filled in from the workspace (see Fill). Without the file, everything is
// filled in, exactly as `twice init` would write it.
//
// # Names
//
// The name under which the sources are built reaches the bits (it is in
// /build/<name>), so it comes from the content and never from the folder that
// somebody cloned into: the root package's name; in a virtual workspace the
// name of its only binary, else "workspace".
//
// # The lock
//
// twice.lock, where there is one: it must answer the settings. Without one the
// images' own locks and the built-in toolchain are used, so that everybody who
// builds a published crate uses the same inputs; another toolchain, which the
// sources ask for, is resolved on the spot and said to be trust on first use.
package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/craton-co/twice/internal/address"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/fetch"
	"github.com/craton-co/twice/internal/lock"
	"github.com/craton-co/twice/internal/remotestore"
	"github.com/craton-co/twice/internal/source"
	"github.com/craton-co/twice/internal/store"
	"github.com/opencontainers/go-digest"
)

// Tools are what resolving needs from this machine.
type Tools struct {
	Store    *store.Store
	Fetcher  *fetch.Fetcher
	Resolver *address.Resolver
	Remote   *remotestore.Remote // another store that inputs may come from; nil: none

	BringGit func(ctx context.Context, url, commit string) (dir string, err error) // see source.GitOptions.Bring; nil: git does
}

// Options say how the source is to be taken.
type Options struct {
	Dirty   bool
	Epoch   *int64
	Offline bool
	Config  []byte   // a twice.toml that takes the place of the source's; nil: that one
	Profile string   // of twice.toml: other inputs; "": the file's own
	Builds  []string // the builds that are wanted; none: all
	// Checksum is that of a crate that is named by version, 64 hex: no index is
	// asked for it. "": the index says.
	Checksum string
	// Locked refuses what neither twice.lock nor the built-in pins have, which
	// is otherwise resolved on the spot.
	Locked bool

	// Given is what a statement says, in the place of what the sources say.
	Given *Given

	whole bool // see source.Options.Whole
}

// Given is what somebody built, as the statement about it has it: nothing is
// filled in and nothing looked up.
type Given struct {
	Config   *config.File // complete
	Lock     []byte       // twice.lock
	Checksum string       // of a crate: another one is refused
	Prefix   string       // of a commit: see source.Options.Prefix
	Dir      string
	Tags     []string // of the commit, where the build can see them
}

// Project is everything known about a build before anything is fetched for it.
type Project struct {
	Spec      string
	Source    *source.Source
	Workspace *cargo.Workspace
	CargoLock *cargo.LockFile
	Config    *config.File // filled in
	HasConfig bool         // there is a twice.toml
	Lock      *lock.Lock   // nil until Locked
	LockFrom  string       // for people: "twice.lock", "built-in pins", …

	CargoLockText string // what CargoLock was parsed from
	// Indexes are other registries that the sources' own configuration puts in
	// the place of those in Cargo.lock: where crates are fetched from first. A
	// plan's own configuration has to go before such a replacement.
	Indexes map[string]string // by the source as in Cargo.lock
	Profile string            // see Options.Profile

	inTree map[string]bool // sources of Cargo.lock whose crates are committed with the sources
	given  *Given
	others []string      // see Others
	locked bool          // see Options.Locked
	asked  digest.Digest // config.File.InputsDigest of all builds, whichever are wanted
}

// Open reads the source and its settings. Close it when done.
func Open(ctx context.Context, tools Tools, spec string, opt Options) (*Project, error) {
	p, err := open(ctx, tools, spec, opt)
	if err != nil {
		return nil, err
	}
	// Only the sources hold the twice.toml that may hold their epoch.
	if e := p.Config.Epoch; e != nil && opt.Epoch == nil && p.Source.Kind == source.KindDirectory && p.Source.Commit == "" {
		if err := p.Close(); err != nil {
			return nil, err
		}
		opt.Epoch = e
		if p, err = open(ctx, tools, spec, opt); err != nil {
			return nil, err
		}
		p.Source.EpochFrom = config.Name
	}
	// A repository's commit is of all its files.
	if (p.Config.Git || p.Config.WholeRepository) && p.Source.Prefix != "" {
		if err := p.Close(); err != nil {
			return nil, err
		}
		opt.whole = true
		if p, err = open(ctx, tools, spec, opt); err != nil {
			return nil, err
		}
	}
	if p.Config.Git {
		if err := p.Source.NoLarge(); err != nil {
			_ = p.Close()
			return nil, err
		}
	}
	return p, nil
}

func open(ctx context.Context, tools Tools, spec string, opt Options) (*Project, error) {
	src, err := source.Open(ctx, spec, source.Options{
		Fetcher: tools.Fetcher, Resolver: tools.Resolver, Store: tools.Store,
		Dirty: opt.Dirty, Whole: opt.whole, EpochOverride: opt.Epoch, Offline: opt.Offline, GitCache: GitCache(tools),
		Checksum: cmp.Or(opt.Checksum, opt.given().Checksum), Prefix: opt.given().Prefix, Dir: opt.given().Dir,
	})
	if err != nil {
		return nil, err
	}
	if opt.given().Tags != nil {
		src.Tags = opt.Given.Tags
	}
	p := &Project{Spec: spec, Source: src, Profile: opt.Profile, given: opt.Given, locked: opt.Locked}
	if err := p.read(opt); err != nil {
		_ = src.Close()
		return nil, err
	}
	return p, nil
}

// Close drops the source's temporary files.
func (p *Project) Close() error { return p.Source.Close() }

func (p *Project) read(opt Options) error {
	fsys := p.Source.FS()
	ws, err := cargo.Inspect(fsys, p.Source.Dir)
	if err != nil {
		return fault.Hint(err, "`cargo metadata` shows what cargo makes of the workspace")
	}
	p.Workspace = ws
	data, err := fs.ReadFile(fsys, path.Join(ws.Root, "Cargo.lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return fault.Hint(fmt.Errorf("%s has no Cargo.lock", p.Spec),
			"run `cargo generate-lockfile` and commit the file: a build without it is another build tomorrow")
	} else if err != nil {
		return fmt.Errorf("reading Cargo.lock: %w", err)
	}
	if p.CargoLock, err = cargo.ParseLock(data); err != nil {
		return fault.Hint(err, "`cargo generate-lockfile` writes it anew")
	}
	p.CargoLockText = string(data)
	if err := pinned(p.CargoLock); err != nil {
		return err
	}
	if err := p.replaced(fsys); err != nil {
		return err
	}
	if err := ws.Unnamed(); err != nil {
		return err
	}
	if p.given != nil {
		p.Config, p.HasConfig = p.given.Config, true
		return p.compareOwn(fsys)
	}
	p.Config = &config.File{}
	if data, err = opt.Config, nil; data == nil {
		data, err = fs.ReadFile(fsys, path.Join(ws.Root, config.Name))
	}
	switch {
	case err == nil:
		if p.Config, err = config.Parse(data); err != nil {
			return fault.Hint(err, "`twice init --help` lists the keys")
		}
		p.HasConfig = true
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading %s: %w", config.Name, err)
	}
	if err := Fill(p.Config, ws, opt.Profile); err != nil {
		return err
	}
	p.asked = p.Config.InputsDigest()
	return only(p.Config, opt.Builds)
}

// LockName is the lock's file beside twice.toml.
func (p *Project) LockName() string { return lock.FileName(p.Profile) }

// lockCommand is what writes that file.
func (p *Project) lockCommand() string {
	if p.Profile == "" {
		return "twice lock"
	}
	return "twice lock --profile " + p.Profile
}

// Name is what the project is called: the folder that its sources are built in.
func (p *Project) Name() string { return cmp.Or(p.Config.Name, p.Config.Builds[0].Name) }

// Version of what is built: the crate's, or the workspace's.
func (p *Project) Version() string {
	if p.Source.Version != "" {
		return p.Source.Version
	}
	return p.Workspace.Version
}
