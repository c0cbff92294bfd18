package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
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
	r, err := openCache(ctx, opt.Dir)
	if err != nil {
		return nil, err
	}
	unlock, err := lockDir(ctx, opt.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
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

// openCache makes the bare repository when it is missing.
func openCache(ctx context.Context, dir string) (repo, error) {
	if dir == "" {
		return repo{}, errors.New("no cache directory")
	}
	r := repo{dir}
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err == nil {
		return r, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return r, err
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
		err := f.fetchFrom(ctx, u, commit)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		errs = append(errs, fmt.Errorf("%s: %w", redact(u), err))
	}
	err := errors.Join(errs...)
	if len(errs) == 0 {
		return errors.New("no place to have it from")
	}
	return fault.Hintf(err, "`git ls-remote %s` shows what the repository has; credentials come from git's own settings", redact(places[len(places)-1]))
}

// fetchFrom tries the one commit, then everything the repository has: some
// servers only give what a branch or tag names.
func (f *gitFetcher) fetchFrom(ctx context.Context, u, commit string) error {
	// A place may itself lack history; that is taken over.
	args := []string{"fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--update-shallow"}
	_, err := f.git(ctx, append(args, "--depth=1", "--", u, commit+":"+ref(commit))...)
	if err == nil || ctx.Err() != nil {
		return err
	}
	const all = "refs/twice-all/"
	if _, fullErr := f.git(ctx, append(args, "--", u, "+refs/heads/*:"+all+"heads/*", "+refs/tags/*:"+all+"tags/*")...); fullErr != nil {
		return err
	}
	defer f.dropRefs(ctx, all)
	if !f.has(ctx, commit) {
		return fmt.Errorf("commit %s is in none of its branches and tags", commit)
	}
	if _, err := f.git(ctx, "rev-list", "--objects", "--quiet", "--no-walk", commit); err != nil {
		return err
	}
	_, err = f.git(ctx, "update-ref", ref(commit), commit)
	return err
}

// dropRefs removes what the second way of fetchFrom left. What stays behind is
// only in the way of nobody, so errors don't count.
func (f *gitFetcher) dropRefs(ctx context.Context, prefix string) {
	out, err := f.git(ctx, "for-each-ref", "--format=%(refname)", prefix)
	if err != nil {
		return
	}
	for name := range strings.Lines(string(out)) {
		f.git(ctx, "update-ref", "-d", strings.TrimSuffix(name, "\n")) //nolint:errcheck
	}
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

// resolveURL makes a submodule's URL absolute, as git does: "./" and "../" are
// taken off the superproject's.
func resolveURL(super, u string) (string, error) {
	if !strings.HasPrefix(u, "./") && !strings.HasPrefix(u, "../") {
		return u, CheckGitURL(u)
	}
	base := strings.TrimSuffix(super, "/")
	for {
		if rest, ok := strings.CutPrefix(u, "./"); ok {
			u = rest
			continue
		}
		rest, ok := strings.CutPrefix(u, "../")
		if !ok {
			break
		}
		cut := strings.LastIndexAny(base, "/:")
		if cut < 0 || strings.HasSuffix(base[:cut], ":/") || strings.HasSuffix(base[:cut], "://") {
			return "", fmt.Errorf("URL %.200q leaves %.200q", u, redact(super))
		}
		sep := base[cut]
		base, u = base[:cut], rest
		if sep == ':' && !strings.HasPrefix(u, "../") {
			return base + ":" + u, CheckGitURL(base + ":" + u)
		}
	}
	return base + "/" + u, CheckGitURL(base + "/" + u)
}

var scpURL = regexp.MustCompile(`^([A-Za-z0-9._][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*:[^-:/][^:]*$`)

// CheckGitURL accepts https, http, ssh, git and file URLs, and ssh's short
// form "user@host:path". What git would take for an option or for a command to
// run is refused.
func CheckGitURL(s string) error {
	if u, err := url.Parse(s); err == nil && !strings.ContainsAny(s, " \t\r\n\x00") {
		switch u.Scheme {
		case "https", "http", "ssh", "git":
			if u.Host != "" && u.Host[0] != '-' && len(u.Path) > 1 {
				return nil
			}
		case "file":
			if u.Host == "" && strings.HasPrefix(u.Path, "/") {
				return nil
			}
		}
	}
	if !strings.Contains(s, "://") && scpURL.MatchString(s) {
		return nil
	}
	return fault.Hint(fmt.Errorf("%.200q is not the URL of a git repository", redact(s)), "use https://, ssh:// or file:///")
}

// redact takes the password out of a URL.
func redact(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.User == nil {
		return s
	}
	if _, has := u.User.Password(); has {
		return u.Redacted()
	}
	return s
}
