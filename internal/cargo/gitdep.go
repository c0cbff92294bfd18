package cargo

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// GitDep is a commit of a repository that packages come from.
type GitDep struct {
	URL      string // without query and fragment
	Commit   string
	Refs     []string // the names that manifests ask for: "HEAD", "refs/heads/main", "refs/tags/v1"
	Packages []string // "name version"
}

// GitDependencies lists the commits of git repositories that a lock needs,
// sorted by URL and commit.
func GitDependencies(l *LockFile) []GitDep {
	type id struct{ url, commit string }
	all := map[id]*GitDep{}
	for _, p := range l.Packages {
		repo, commit, ok := p.Git()
		if !ok {
			continue
		}
		d := all[id{repo, commit}]
		if d == nil {
			d = &GitDep{URL: repo, Commit: commit}
			all[id{repo, commit}] = d
		}
		switch kind, value := p.GitReference(); {
		case kind == "":
			d.Refs = append(d.Refs, "HEAD")
		case kind == "branch":
			d.Refs = append(d.Refs, "refs/heads/"+value)
		case kind == "tag":
			d.Refs = append(d.Refs, "refs/tags/"+value)
		case strings.HasPrefix(value, "refs/"):
			d.Refs = append(d.Refs, value)
		}
		d.Packages = append(d.Packages, p.Name+" "+p.Version)
	}
	deps := make([]GitDep, 0, len(all))
	for _, d := range all {
		slices.Sort(d.Refs)
		slices.Sort(d.Packages)
		d.Refs, d.Packages = slices.Compact(d.Refs), slices.Compact(d.Packages)
		deps = append(deps, *d)
	}
	slices.SortFunc(deps, func(a, b GitDep) int {
		return cmp.Or(cmp.Compare(a.URL, b.URL), cmp.Compare(a.Commit, b.Commit))
	})
	return deps
}

// SameInTwoSources tells whether a lock has a package at one version from two
// places, such as two commits of a repository. Cargo builds that, and
// `cargo vendor` refuses it.
func (l *LockFile) SameInTwoSources() bool {
	type id struct{ name, version string }
	seen := map[id]bool{}
	for _, p := range l.Packages {
		if p.Local() {
			continue
		}
		if seen[id{p.Name, p.Version}] {
			return true
		}
		seen[id{p.Name, p.Version}] = true
	}
	return false
}

// Git returns the repository's URL without query and fragment, and the commit.
// It is not ok for a package that isn't from git, or that names no full commit.
func (p LockPackage) Git() (repo, commit string, ok bool) {
	s, ok := strings.CutPrefix(p.Source, "git+")
	if !ok {
		return "", "", false
	}
	s, commit, _ = strings.Cut(s, "#")
	repo, _, _ = strings.Cut(s, "?")
	if !isHex(commit, 40) || !checkGitURL(repo) {
		return "", "", false
	}
	return repo, commit, true
}

// checkGitURL accepts absolute URLs of git's ordinary transports: no
// transport helper ("ext::…") and nothing that git would take for an option.
func checkGitURL(repo string) bool {
	u, err := url.Parse(repo)
	if err != nil || u.Path == "" {
		return false
	}
	switch u.Scheme {
	case "https", "http", "ssh", "git":
		return u.Host != "" && u.Host[0] != '-'
	case "file":
		return strings.HasPrefix(u.Path, "/")
	}
	return false
}

// GitReference returns what the manifest asks for: "branch", "tag" or "rev"
// and its value, or "" twice for the default branch.
func (p LockPackage) GitReference() (kind, value string) {
	s, _, _ := strings.Cut(p.Source, "#")
	_, query, _ := strings.Cut(s, "?")
	q, err := url.ParseQuery(query)
	if err != nil {
		return "", ""
	}
	for _, kind := range []string{"branch", "tag", "rev"} {
		if v := q.Get(kind); v != "" {
			return kind, v
		}
	}
	return "", ""
}
