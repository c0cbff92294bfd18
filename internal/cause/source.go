package cause

import (
	"bufio"
	"bytes"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// sources are the files of a package that a rule may point to.
type sources struct {
	files []sourceFile
	fail  error
}

type sourceFile struct {
	name string
	text []byte
}

// Bounds of what is read of one package.
const (
	maxSourceFiles = 2000
	maxSourceFile  = 1 << 20
	maxSourceAll   = 32 << 20
)

// sourceOf reads a package's files once: its build script first, then Rust,
// then C and assembly.
func (x *explainer) sourceOf(c Crate) *sources {
	if s, ok := x.sources[c.String()]; ok {
		return s
	}
	s := &sources{}
	x.sources[c.String()] = s
	if c.Source == nil {
		return s
	}
	fsys, err := c.Source()
	if err != nil {
		s.fail = err
		return s
	}
	total := 0
	s.fail = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.IsDir() && slices.Contains([]string{"target", ".git", "tests", "benches", "examples"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if full := len(s.files) >= maxSourceFiles || total > maxSourceAll; full && path.Ext(name) != ".rs" { // a vendored C library before it must not hide it
			return nil
		}
		if !slices.Contains([]string{".rs", ".c", ".h", ".cc", ".cpp", ".hpp", ".S", ".cu", ".cuh", ".toml"}, path.Ext(name)) || len(s.files) >= 2*maxSourceFiles || total > 2*maxSourceAll {
			return nil
		}
		if i, err := d.Info(); err != nil || i.Size() > maxSourceFile {
			return nil
		}
		text, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil
		}
		total += len(text)
		s.files = append(s.files, sourceFile{name, text})
		return nil
	})
	slices.SortStableFunc(s.files, func(a, b sourceFile) int { return sourceRank(a.name) - sourceRank(b.name) })
	return s
}

func sourceRank(name string) int {
	switch {
	case name == "build.rs" || strings.HasSuffix(name, "/build.rs"):
		return 0
	case strings.HasPrefix(name, "build/"):
		return 1
	case path.Ext(name) == ".rs":
		return 2
	case path.Ext(name) == ".toml":
		return 4
	}
	return 3
}

// line is a line of a package's sources.
type line struct {
	file string
	n    int
	text string
}

// grep finds the first line that matches: comments and imports are left out,
// and so is what only runs in tests.
func (s *sources) grep(re *regexp.Regexp) (line, bool) {
	for _, f := range s.files {
		if path.Ext(f.name) == ".toml" || !re.Match(f.text) {
			continue
		}
		in := bufio.NewScanner(bytes.NewReader(f.text))
		in.Buffer(nil, maxSourceFile)
		for n := 1; in.Scan(); n++ {
			t := strings.TrimSpace(in.Text())
			if t == "#[cfg(test)]" {
				break
			}
			if strings.HasPrefix(t, "//") || strings.HasPrefix(t, "*") || strings.HasPrefix(t, "use ") || strings.HasPrefix(t, "/*") || !re.MatchString(t) {
				continue
			}
			return line{f.name, n, t}, true
		}
	}
	return line{}, false
}

// buildScript says whether a file is a build script or a part of one.
func buildScript(name string) bool { return sourceRank(name) <= 1 }
