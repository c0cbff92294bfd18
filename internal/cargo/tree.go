package cargo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A TreeFormat is what cargo tree is asked for, with --prefix depth: what
// ParseTree reads.
const TreeFormat = "|{p}|{f}|{l}|{r}"

// Unit is one package as a build takes it: with one set of features. Cargo's
// second resolver can build a package for the host and for the target with two.
type Unit struct {
	Name, Version string
	Source        string   // as in Cargo.lock; "" for crates.io and for packages of the source tree
	Features      []string // sorted
	Licence       string   // as in Cargo.toml
	Repository    string
	ProcMacro     bool
	Local         bool  // of the source tree
	Needs         []int // indices into Tree.Units, sorted
}

// Tree is what `cargo tree` says of a build.
type Tree struct {
	Units []Unit // in the order in which they are first named
	Roots []int
}

// ParseTree reads the output of `cargo tree --prefix depth --format TreeFormat`.
// A package whose dependencies were shown before is marked " (*)" by cargo.
// Paths of local packages are dropped: they are the machine's.
func ParseTree(text string) (*Tree, error) {
	t := &Tree{}
	index := map[string]int{}
	var path []int // unit at each depth
	for n, line := range strings.Split(text, "\n") {
		if line == "" {
			continue
		}
		depth, u, key, err := treeLine(line)
		if err != nil {
			return nil, fmt.Errorf("reading cargo tree: line %d: %w", n+1, err)
		}
		if depth > len(path) {
			return nil, fmt.Errorf("reading cargo tree: line %d: depth %d below depth %d", n+1, depth, len(path)-1)
		}
		i, known := index[key]
		if !known {
			i = len(t.Units)
			index[key] = i
			t.Units = append(t.Units, u)
		}
		path = append(path[:depth], i)
		if depth == 0 {
			t.Roots = append(t.Roots, i)
			continue
		}
		parent := &t.Units[path[depth-1]]
		if !slices.Contains(parent.Needs, i) {
			parent.Needs = append(parent.Needs, i)
		}
	}
	for i := range t.Units {
		slices.Sort(t.Units[i].Needs)
	}
	if len(t.Roots) == 0 {
		return nil, fmt.Errorf("reading cargo tree: it is empty")
	}
	return t, nil
}

// treeLine reads one line: depth, then package, features, licence, repository.
func treeLine(line string) (depth int, u Unit, key string, err error) {
	line = strings.TrimSuffix(line, " (*)")
	f := strings.SplitN(line, "|", 5)
	if len(f) != 5 {
		return 0, u, "", fmt.Errorf("%.100q has %d parts instead of 5", line, len(f))
	}
	if depth, err = strconv.Atoi(f[0]); err != nil || depth < 0 || depth > 1000 {
		return 0, u, "", fmt.Errorf("%.100q is no depth", f[0])
	}
	words := strings.SplitN(f[1], " ", 3)
	if len(words) < 2 || !strings.HasPrefix(words[1], "v") {
		return 0, u, "", fmt.Errorf("%.100q is no package", f[1])
	}
	u.Name, u.Version = words[0], words[1][1:]
	if err := checkName(u.Name, true); err != nil {
		return 0, u, "", err
	}
	if err := checkVersion(u.Version); err != nil {
		return 0, u, "", err
	}
	if len(words) == 3 {
		rest := words[2]
		rest, u.ProcMacro = strings.CutPrefix(rest, "(proc-macro)")
		where := strings.Trim(strings.TrimSpace(rest), "()")
		switch {
		case strings.HasPrefix(where, "/"):
			u.Local = true
		case where != "":
			u.Source = where
		}
	}
	if f[2] != "" {
		u.Features = strings.Split(f[2], ",")
		slices.Sort(u.Features)
	}
	u.Licence, u.Repository = f[3], f[4]
	return depth, u, strings.Join(f[1:3], "|"), nil
}

// Linked are the units whose code can end up in what the roots make: they are
// reached without passing a procedural macro. Build scripts' needs are in it
// only if the tree was made without them (cargo tree -e normal).
func (t *Tree) Linked() []bool {
	in := make([]bool, len(t.Units))
	var walk func(int)
	walk = func(i int) {
		if in[i] || t.Units[i].ProcMacro {
			return
		}
		in[i] = true
		for _, n := range t.Units[i].Needs {
			walk(n)
		}
	}
	for _, r := range t.Roots {
		walk(r)
	}
	return in
}
