package cargo

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A loader finds the members of a workspace.
type loader struct {
	fsys    fs.FS
	root    string
	ws      *workspaceTable
	members map[string]*Member // by directory
}

// load reads the root package, what workspace.members names, and the path
// dependencies of all these that lie below the root.
func (l *loader) load(rootManifest *manifest) error {
	if rootManifest.Package != nil {
		if err := l.add(l.root); err != nil {
			return err
		}
	}
	for _, pattern := range l.ws.Members {
		dirs, err := l.expand(pattern)
		if err != nil {
			return fmt.Errorf("workspace member %.200q: %w", pattern, err)
		}
		for _, dir := range dirs {
			if l.ws.excludes(l.root, dir) {
				continue
			}
			if err := l.add(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// add reads the package in dir, then its path dependencies.
func (l *loader) add(dir string) error {
	if _, ok := l.members[dir]; ok {
		return nil
	}
	if len(l.members) == maxMembers {
		return fmt.Errorf("more than %d packages in the workspace", maxMembers)
	}
	m, err := loadManifest(l.fsys, dir)
	if err != nil {
		return err
	}
	if m.Package == nil {
		return fmt.Errorf("%s: a workspace inside of the workspace %s", path.Join(dir, "Cargo.toml"), l.root)
	}
	p, err := l.member(m, dir)
	if err != nil {
		return fmt.Errorf("%s: %w", path.Join(dir, "Cargo.toml"), err)
	}
	l.members[dir] = p
	for _, at := range p.Paths {
		inside := l.root == "." && below(at) || strings.HasPrefix(at, l.root+"/")
		if !inside || l.ws.excludes(l.root, at) || !isFile(l.fsys, path.Join(at, "Cargo.toml")) {
			continue
		}
		dep, err := loadManifest(l.fsys, at)
		if err != nil {
			return err
		}
		if dep.Workspace != nil && at != l.root {
			continue // a workspace of its own
		}
		if err := l.add(at); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) member(m *manifest, dir string) (*Member, error) {
	t := m.Package
	if err := checkName(t.Name, false); err != nil {
		return nil, err
	}
	in := &inheritance{from: l.ws.Package}
	p := &Member{
		Name:        t.Name,
		Dir:         dir,
		Version:     in.text("version", t.Version),
		Edition:     in.text("edition", t.Edition),
		RustVersion: in.text("rust-version", t.RustVersion),
		Authors:     in.list("authors", t.Authors),
		Description: in.text("description", t.Description),
		Homepage:    in.text("homepage", t.Homepage),
		License:     in.text("license", t.License),
		LicenseFile: in.text("license-file", t.LicenseFile),
		Repository:  in.text("repository", t.Repository),
		Publish:     t.Version != nil,
		DefaultRun:  t.DefaultRun,
		Links:       t.Links,
		BuildScript: m.buildScript(l.fsys, dir),
		Features:    m.Features,
		Optional:    m.optional(),
		Paths:       m.paths(dir, l.root, l.ws.Dependencies),
	}
	switch v := in.value("publish", t.Publish).(type) {
	case bool:
		p.Publish = v
	case []any:
		p.Publish = len(v) > 0
	}
	if p.LicenseFile != "" {
		at := dir
		if _, inherited := t.LicenseFile.(map[string]any); inherited {
			at = l.root
		}
		p.LicenseFile = path.Join(at, p.LicenseFile)
	}
	if in.err != nil {
		return nil, in.err
	}
	if p.Version == "" {
		p.Version = "0.0.0"
	}
	if err := checkVersion(p.Version); err != nil {
		return nil, err
	}
	if p.Edition == "" {
		p.Edition = "2015"
	}
	slices.Sort(p.Paths)
	p.Paths = slices.Compact(p.Paths)
	p.Registries = m.registries(l.ws.Dependencies)
	m.library(l.fsys, dir, p)
	var err error
	p.Bins, err = m.bins(l.fsys, dir, p.Edition)
	return p, err
}

// markDefaults marks what `cargo build` in dir builds: the package there; in
// the workspace's root workspace.default-members if there are any, else the
// root package, else everything.
func (l *loader) markDefaults(dir string, own *Member) error {
	if own != nil && (dir != l.root || len(l.ws.DefaultMembers) == 0) {
		own.Default = true
		return nil
	}
	if len(l.ws.DefaultMembers) == 0 {
		for _, m := range l.members {
			m.Default = true
		}
		return nil
	}
	for _, pattern := range l.ws.DefaultMembers {
		dirs, err := l.expand(pattern)
		if err != nil {
			return fmt.Errorf("default member %.200q: %w", pattern, err)
		}
		for _, d := range dirs {
			m := l.members[d]
			if m == nil {
				if isPattern(pattern) {
					continue
				}
				return fmt.Errorf("default member %.200q is not a member", pattern)
			}
			m.Default = true
		}
	}
	return nil
}

func isPattern(s string) bool { return strings.ContainsAny(s, "*?[") }

// expand returns the directories that a member pattern means, sorted. Those
// that a pattern merely matches count if they have a Cargo.toml.
func (l *loader) expand(pattern string) ([]string, error) {
	full := path.Join(l.root, pattern)
	if !below(full) {
		return nil, errors.New("outside of the source")
	}
	if !isPattern(pattern) {
		return []string{full}, nil
	}
	match, err := globMatcher(full)
	if err != nil {
		return nil, err
	}
	base := full[:strings.IndexAny(full, "*?[")]
	base = path.Clean(base[:strings.LastIndexByte(base, '/')+1])
	var dirs []string
	depth := strings.Count(full, "/")
	err = fs.WalkDir(l.fsys, base, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			if p == base && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if !d.IsDir() {
			return nil
		}
		if match.MatchString(p) && isFile(l.fsys, path.Join(p, "Cargo.toml")) {
			if dirs = append(dirs, p); len(dirs) > maxMembers {
				return fmt.Errorf("matches more than %d packages", maxMembers)
			}
		}
		if name := d.Name(); p != base && (name == ".git" || !strings.Contains(full, "**") && strings.Count(p, "/") >= depth) {
			return fs.SkipDir
		}
		return nil
	})
	return dirs, err
}

// globMatcher translates the patterns of Rust's glob crate: "*" and "?" don't
// match a slash, "**" as a whole component matches any directories.
func globMatcher(pattern string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString("^")
	parts := strings.Split(pattern, "/")
	for i, part := range parts {
		last := i == len(parts)-1
		if part == "**" {
			if last {
				b.WriteString(`.*`)
			} else {
				b.WriteString(`(?:[^/]+/)*`)
			}
			continue
		}
		runes := []rune(part)
		for j := 0; j < len(runes); j++ {
			switch c := runes[j]; c {
			case '*':
				b.WriteString(`[^/]*`)
			case '?':
				b.WriteString(`[^/]`)
			case '[':
				end := slices.Index(runes[j+1:], ']')
				if end < 1 {
					return nil, errors.New("unclosed [ in the pattern")
				}
				set := string(runes[j+1 : j+1+end])
				if set[0] == '!' {
					set = "^" + set[1:]
				}
				b.WriteString("[" + strings.NewReplacer(`\`, `\\`, "[", `\[`).Replace(set) + "]")
				j += end + 1
			default:
				b.WriteString(regexp.QuoteMeta(string(c)))
			}
		}
		if !last {
			b.WriteString("/")
		}
	}
	b.WriteString("$")
	return regexp.Compile(b.String())
}
