package check

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/rustsyntax"
	"github.com/opencontainers/go-digest"
)

// unit is a package: what of it runs at build time, and its code as a tree.
type unit struct {
	cargo.BuildTime
	fsys fs.FS
	dir  string

	script map[string]*rustsyntax.File // build scripts and their modules, by path; nil: not Rust
	macro  map[string]*rustsyntax.File // of a procedural macro
	broken []Finding                   // files that could not be read
}

// readOwn reads the members of the workspace.
func (s *subject) readOwn() []*unit {
	var all []*unit
	for _, m := range s.ws.Members {
		bt, err := cargo.ReadBuildTime(s.fsys, m.Dir)
		if err != nil {
			continue // cannot be: it was inspected
		}
		bt.Version = m.Version
		all = append(all, readUnit(s.fsys, m.Dir, bt))
	}
	return all
}

func readUnit(fsys fs.FS, dir string, bt cargo.BuildTime) *unit {
	u := &unit{BuildTime: bt, fsys: fsys, dir: dir, script: map[string]*rustsyntax.File{}, macro: map[string]*rustsyntax.File{}}
	for _, s := range bt.Scripts {
		u.reach(s, u.script, true)
	}
	if bt.ProcMacro && bt.Lib != "" {
		u.reach(bt.Lib, u.macro, true)
		root := path.Dir(bt.Lib)
		// What can't be followed, for instance a mod in a macro, is there as well.
		_ = fs.WalkDir(fsys, root, func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil
			}
			if d.IsDir() && p != root && slices.Contains([]string{"tests", "benches", "examples", "target", ".git"}, d.Name()) {
				return fs.SkipDir
			}
			if _, have := u.macro[p]; !have && !d.IsDir() && path.Ext(p) == ".rs" && u.script[p] == nil {
				u.macro[p] = u.parse(p)
			}
			return nil
		})
	}
	return u
}

// parse reads a file as Rust; nil if it can't be.
func (u *unit) parse(name string) *rustsyntax.File {
	data, err := fs.ReadFile(u.fsys, name)
	if err != nil {
		u.broken = append(u.broken, at(name, 0, "%v", err))
		return nil
	}
	f, err := rustsyntax.Parse(string(data))
	if err != nil {
		u.broken = append(u.broken, at(name, 0, "is no Rust that could be read: line %v", err))
		return nil
	}
	return f
}

// maxFiles bounds the files of one unit.
const maxFiles = 20_000

// reach reads a file and those that it takes in. A root's modules lie beside it.
func (u *unit) reach(name string, into map[string]*rustsyntax.File, root bool) {
	if _, done := into[name]; done || len(into) > maxFiles {
		return
	}
	f := u.parse(name)
	into[name] = f
	if f == nil {
		return
	}
	dir := path.Dir(name)
	base := strings.TrimSuffix(path.Base(name), ".rs")
	mods := dir
	if !root && base != "mod" {
		mods = path.Join(dir, base)
	}
	u.modules(f.Items, dir, mods, into)
	f.Walk(func(n rustsyntax.Node) bool {
		if i, ok := n.(*rustsyntax.Item); ok && i.Test() {
			return false
		}
		c, ok := n.(*rustsyntax.Chain)
		if !ok || c.Kind != rustsyntax.MacroBase || len(c.Raw) != 1 {
			return true
		}
		value, ok := rustsyntax.StringValue(c.Raw[0])
		at := path.Join(dir, value)
		if !ok || !fs.ValidPath(at) || !isFile(u.fsys, at) {
			return true
		}
		switch c.Path[len(c.Path)-1] {
		case "include":
			u.reach(at, into, false)
		case "include_str", "include_bytes":
			if _, done := into[at]; !done {
				into[at] = nil
			}
		}
		return true
	})
}

func (u *unit) modules(items []*rustsyntax.Item, dir, mods string, into map[string]*rustsyntax.File) {
	for _, i := range items {
		if i.Kind != "mod" || i.Test() {
			continue
		}
		given, _ := i.Attr("path")
		value, has := given.Value()
		if i.Inline {
			below := path.Join(mods, i.Name)
			if has {
				below = path.Join(mods, value)
			}
			u.modules(i.Items, below, below, into)
			continue
		}
		candidates := []string{path.Join(mods, i.Name+".rs"), path.Join(mods, i.Name, "mod.rs")}
		if has {
			candidates = []string{path.Join(dir, value)}
		}
		for n, c := range candidates {
			if fs.ValidPath(c) && isFile(u.fsys, c) {
				// A file named by #[path] or mod.rs has its modules beside it.
				u.reach(c, into, has || n == 1)
				break
			}
		}
	}
}

func isFile(fsys fs.FS, name string) bool {
	st, err := fs.Stat(fsys, name)
	return err == nil && st.Mode().IsRegular()
}

// buildTimeFiles are the files of what runs at build time.
func (u *unit) buildTimeFiles() []string {
	var all []string
	for _, m := range []map[string]*rustsyntax.File{u.script, u.macro} {
		for name := range m {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// code identifies what runs at build time, see the package comment.
func (u *unit) code() (digest.Digest, error) { return hashFiles(u.fsys, u.dir, u.buildTimeFiles()) }

func hashFiles(fsys fs.FS, dir string, names []string) (digest.Digest, error) {
	h := sha256.New()
	fmt.Fprintf(h, "twice code 1\n")
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return "", fmt.Errorf("hashing %s: %w", name, err)
		}
		fmt.Fprintf(h, "%s\x00%d\x00%x\x00", relative(dir, name), len(data), sha256.Sum256(data))
	}
	return digest.NewDigest(digest.SHA256, h), nil
}

func relative(dir, name string) string {
	if dir == "." || dir == "" {
		return name
	}
	return strings.TrimPrefix(name, dir+"/")
}

// file is the parsed file of a build script or a procedural macro.
func (u *unit) file(name string) *rustsyntax.File {
	if f := u.script[name]; f != nil {
		return f
	}
	return u.macro[name]
}
