package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/fault"
)

// GitOptions of FetchGit.
type GitOptions struct {
	URL     string                    // the repository's own, which submodules may be relative to; "": the last of URLs
	URLs    []string                  // where it may be had, the best first
	Commit  string                    // 40 hex
	Dir     string                    // a bare repository: a cache of any number of repositories, made when missing
	Mirrors func(url string) []string // where a submodule's URL may be had, the best first; nil: there
	Offline bool                      // fetch nothing; an error if something is missing

	// Bring, if not nil, is asked before git: it brings a commit of the
	// repository at url to a repository on this machine, in dir, and leaves to
	// git (dir is "") what it is not for.
	Bring func(ctx context.Context, url, commit string) (dir string, err error)
}

// A GitRepo is a repository at a commit: what was asked for, or a submodule.
type GitRepo struct {
	URL    string // its own; a submodule's as cargo and git find it, relative ones resolved
	Commit string
	Path   string // "" for the repository itself, else the submodule's place in it
}

// FetchGit brings one commit and, recursively, those of its submodules into
// opt.Dir, without their history where the server allows that. The first
// element of what it returns is the repository itself.
//
// It runs the system's git, with the user's settings and credentials. No hook
// of anybody's runs, and no file is checked out. Commit ids are what vouches
// for the content: git computes them from what it received.
func FetchGit(ctx context.Context, opt GitOptions) ([]GitRepo, error) {
	if opt.URL == "" && len(opt.URLs) > 0 {
		opt.URL = opt.URLs[len(opt.URLs)-1]
	}
	repos, err := fetchGit(ctx, opt)
	if err != nil {
		return nil, fmt.Errorf("fetching git repository %s: %w", redact(opt.URL), err)
	}
	return repos, nil
}

func fetchGit(ctx context.Context, opt GitOptions) ([]GitRepo, error) {
	if opt.Dir == "" {
		return nil, errors.New("no cache directory")
	}
	dir, err := filepath.Abs(opt.Dir)
	if err != nil {
		return nil, err
	}
	opt.Dir = dir
	if err := os.MkdirAll(opt.Dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lockDir(ctx, opt.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	sweep(opt.Dir)
	r, err := openCache(ctx, opt.Dir)
	if err != nil {
		return nil, err
	}
	f := &gitFetcher{repo: r, opt: opt}
	if err := f.fetch(ctx, opt.URLs, opt.Commit); err != nil {
		return nil, err
	}
	f.found = []GitRepo{{URL: opt.URL, Commit: opt.Commit}}
	if err := f.submodules(ctx, f.found[0], 0); err != nil {
		return nil, err
	}
	return f.found, nil
}

// openCache makes the bare repository where it is missing or was half made.
func openCache(ctx context.Context, dir string) (repo, error) {
	r := repo{dir}
	_, head := os.Stat(filepath.Join(dir, "HEAD"))
	_, config := os.Stat(filepath.Join(dir, "config"))
	if head == nil && config == nil {
		return r, nil
	}
	_, err := r.git(ctx, "init", "--quiet", "--bare", "--template=", "--object-format=sha1", ".")
	return r, err
}

type gitFetcher struct {
	repo
	opt   GitOptions
	found []GitRepo
}

// ref keeps a fetched commit, and says that all of it is there.
func ref(commit string) string { return "refs/twice/" + commit }

func (f *gitFetcher) fetch(ctx context.Context, places []string, commit string) error {
	if !isCommit(commit) {
		return fmt.Errorf("commit %.50q is not a full commit id", commit)
	}
	if id, err := f.line(ctx, "rev-parse", "--verify", "--quiet", ref(commit)); err == nil && id == commit {
		return nil
	}
	if f.opt.Offline {
		return fault.Hint(fmt.Errorf("commit %s is not in the cache, and nothing is to be fetched", commit), "run `twice fetch` where there is a network")
	}
	var errs []error
	for _, u := range places {
		if err := CheckGitURL(u); err != nil {
			return err
		}
		err := f.fetchAt(ctx, u, commit)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if u != f.opt.URL { // which is named already
			err = fmt.Errorf("%s: %w", redact(u), err)
		}
		errs = append(errs, err)
	}
	err := errors.Join(errs...)
	if len(errs) == 0 {
		return errors.New("no place to have it from")
	}
	if fault.HintOf(err) != "" {
		return err
	}
	if wantsLogin(err) {
		return fault.Hint(err, "it wants another login: git's own settings have to hold one, or in a call of the Dagger module --git-credentials")
	}
	if OverSSH(f.opt.URL) {
		return fault.Hintf(err, "`git ls-remote %s` has to work: an agent with a key that it takes, and its own in known_hosts; a call of the Dagger module takes them as --ssh and --known-hosts", redact(places[len(places)-1]))
	}
	return fault.Hintf(err, "`git ls-remote %s` shows what the repository has; credentials come from git's own settings", redact(places[len(places)-1]))
}

// wantsLogin tells a refused login, by what git says of it.
func wantsLogin(err error) bool {
	for _, text := range []string{"could not read Username", "could not read Password", "Authentication failed"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// fetchAt fetches from one place, itself or by way of opt.Bring.
func (f *gitFetcher) fetchAt(ctx context.Context, u, commit string) error {
	if f.opt.Bring != nil {
		dir, err := f.opt.Bring(ctx, u, commit)
		if err != nil {
			return err
		}
		if dir != "" {
			if dir, err = filepath.Abs(dir); err != nil {
				return err
			}
			u = fileURL(dir)
		}
	}
	return f.fetchFrom(ctx, u, commit)
}

// fetchArgs leaves nothing to settings. A place may itself lack history; that
// is taken over.
var fetchArgs = []string{"fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--update-shallow"}

// fetchFrom tries the one commit, then everything the repository has: some
// servers give only what a branch or tag names.
func (f *gitFetcher) fetchFrom(ctx context.Context, u, commit string) error {
	err := f.fetchCommit(ctx, u, commit)
	if err == nil || ctx.Err() != nil || errors.Is(err, errNotCommit) {
		return err
	}
	dir, tempErr := os.MkdirTemp(f.dir, fullPrefix)
	if tempErr != nil {
		return tempErr
	}
	defer os.RemoveAll(dir)
	full, initErr := openCache(ctx, dir)
	if initErr != nil {
		return initErr
	}
	if _, fullErr := full.git(ctx, slices.Concat(fetchArgs, []string{"--", u, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"})...); fullErr != nil {
		return err
	}
	if !full.has(ctx, commit) {
		return fmt.Errorf("commit %s is in none of its branches and tags", commit)
	}
	if _, err := full.git(ctx, "config", "uploadpack.allowAnySHA1InWant", "true"); err != nil {
		return err
	}
	return f.fetchCommit(ctx, fileURL(dir), commit)
}

func (f *gitFetcher) fetchCommit(ctx context.Context, u, commit string) error {
	if _, err := f.git(ctx, slices.Concat(fetchArgs, []string{"--depth=1", "--", u, commit + ":" + ref(commit)})...); err != nil {
		return err
	}
	if !f.has(ctx, commit) {
		_, err := f.git(ctx, "update-ref", "-d", ref(commit))
		return errors.Join(fmt.Errorf("%s %w", commit, errNotCommit), err)
	}
	return nil
}

var errNotCommit = errors.New("is not a commit")

// fullPrefix names the repositories of fetchFrom's second way.
const fullPrefix = "twice-full-"

// sweep removes what a process that died left of them. The caller has the lock.
func sweep(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, fullPrefix+"*"))
	for _, name := range left {
		os.RemoveAll(name)
	}
}

func fileURL(dir string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(dir)}).String()
}

// submodules fetches what a commit records, and what those record.
func (f *gitFetcher) submodules(ctx context.Context, super GitRepo, depth int) error {
	entries, err := f.lsTree(ctx, super.Commit, "", false)
	if err != nil {
		return err
	}
	var urls map[string]string
	for _, e := range entries {
		if e.mode != modeModule {
			continue
		}
		at := path.Join(super.Path, e.path)
		if len(f.found) > maxModules || depth >= maxModuleDeep {
			return fmt.Errorf("submodule %s: too many of them, or too deep", at)
		}
		if urls == nil {
			if urls, err = f.moduleURLs(ctx, super.Commit); err != nil {
				return err
			}
		}
		u, ok := urls[e.path]
		if !ok {
			return fmt.Errorf("submodule %s: .gitmodules doesn't name it", at)
		}
		if u, err = resolveURL(super.URL, u); err != nil {
			return fmt.Errorf("submodule %s: %w", at, err)
		}
		places := []string{u}
		if f.opt.Mirrors != nil {
			places = f.opt.Mirrors(u)
		}
		if err := f.fetch(ctx, places, e.id); err != nil {
			return fmt.Errorf("submodule %s: %w", at, err)
		}
		sub := GitRepo{URL: u, Commit: e.id, Path: at}
		f.found = append(f.found, sub)
		if err := f.submodules(ctx, sub, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// moduleURLs reads .gitmodules: path to URL.
func (f *gitFetcher) moduleURLs(ctx context.Context, commit string) (map[string]string, error) {
	out, err := f.git(ctx, "config", "--blob", commit+":.gitmodules", "-z", "--get-regexp", `^submodule\..*\.(path|url)$`)
	if err != nil {
		return nil, fmt.Errorf("reading .gitmodules: %w", err)
	}
	paths, urls := map[string]string{}, map[string]string{}
	for record := range strings.SplitSeq(string(out), "\x00") {
		key, v, _ := strings.Cut(record, "\n")
		if name, ok := strings.CutSuffix(key, ".path"); ok {
			paths[name] = v
		} else if name, ok := strings.CutSuffix(key, ".url"); ok {
			urls[name] = v
		}
	}
	byPath := map[string]string{}
	for name, p := range paths {
		if u, ok := urls[name]; ok {
			byPath[strings.TrimSuffix(p, "/")] = u
		}
	}
	return byPath, nil
}
