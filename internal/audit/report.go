package audit

import (
	"cmp"
	"slices"
	"strings"
)

// Schema is the version of the JSON form.
const Schema = 1

// The kinds of code that runs.
const (
	Script = "build script"
	Macro  = "procedural macro"
	Rustc  = "compiler" // rustc for a crate, with the macros in it
	Cargo  = "cargo"
)

// Report is what ran in a build, and what it did.
type Report struct {
	Result  string   `json:"result"` // see Judge
	Schema  int      `json:"schema"`
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Source  string   `json:"source"`
	Commit  string   `json:"commit,omitempty"`
	Plans   []string `json:"plans"` // what ran, by digest: watched, no plan is that of an unwatched build
	Crates  []Crate  `json:"crates"`
	Unseen  []string `json:"unseen"` // by no audit
}

// Crate is what one kind of code of one crate did.
type Crate struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Own     bool     `json:"own,omitempty"` // of the workspace
	Kind    string   `json:"kind"`
	Did     []string `json:"did"`  // sorted; each "verb what", see Verbs
	Acts    []string `json:"acts"` // the same, with every file of the folders that Did names
	Runs    []Run    `json:"runs,omitempty"`
	Folded  Folded   `json:"folded"`
	State   string   `json:"state,omitempty"` // "as recorded", "changed", "not recorded"
	Added   []string `json:"added,omitempty"` // that the record doesn't have
	Gone    []string `json:"gone,omitempty"`  // that only the record has
}

// Run is a program that was started.
type Run struct {
	Program string `json:"program"`
	Times   int    `json:"times"`
	Command string `json:"command"` // one of them: the first in the alphabet
}

// Folded counts what Did leaves out: files, but for Variables and Programs.
type Folded struct {
	OutDir    int `json:"out_dir"`
	Own       int `json:"own"`       // the crate's
	System    int `json:"system"`    // of the C library, the loader, compilers
	Temporary int `json:"temporary"` // removed again
	Target    int `json:"target"`    // what the compiler takes and makes
	Variables int `json:"variables"` // cargo's
	Programs  int `json:"programs"`  // parts of compilers
}

// Verbs are the first words of what was done, in the order in which they are
// shown, with what they mean.
var Verbs = []struct{ Verb, Means string }{
	{"network", "tried the network"},
	{"runs", "started a program"},
	{"misses", "tried to start a program that isn't there"},
	{"env", "asked for a variable"},
	{"reads", "opened a file"},
	{"lists", "opened a folder"},
	{"seeks", "tried to open a file that isn't there, or that it may not read"},
	{"writes", "wrote, made or changed a file"},
	{"removes", "removed a file that it had not made"},
	{"refused", "tried to write where it may not"},
	{"talks", "connected to a socket on the machine"},
	{"unseen", "did what can't be seen"},
}

func verbOf(s string) string { v, _, _ := strings.Cut(s, " "); return v }

func rank(verb string) int {
	for i, v := range Verbs {
		if v.Verb == verb {
			return i
		}
	}
	return len(Verbs)
}

func compareActs(a, b string) int {
	return cmp.Or(cmp.Compare(rank(verbOf(a)), rank(verbOf(b))), cmp.Compare(a, b))
}

// With returns what stands after a verb.
func (c Crate) With(verb string) []string {
	var all []string
	for _, d := range c.Did {
		if v, what, ok := strings.Cut(d, " "); ok && v == verb {
			all = append(all, what)
		}
	}
	return all
}

// Network is what tried the network: crates, each with what it tried.
func (r *Report) Network() []Crate {
	var all []Crate
	for _, c := range r.Crates {
		if len(c.With("network")) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// Count is how many crates of a kind ran.
func (r *Report) Count(kind string) int {
	n := 0
	for _, c := range r.Crates {
		if c.Kind == kind {
			n++
		}
	}
	return n
}

// Merge adds what another build of the same project did.
func (r *Report) Merge(other *Report) {
	r.Plans = append(r.Plans, other.Plans...)
	for _, c := range other.Crates {
		i := slices.IndexFunc(r.Crates, func(x Crate) bool { return x.Name == c.Name && x.Version == c.Version && x.Kind == c.Kind })
		if i < 0 {
			r.Crates = append(r.Crates, c)
			continue
		}
		x := &r.Crates[i]
		x.Did = union(x.Did, c.Did)
		x.Acts = union(x.Acts, c.Acts)
		for _, run := range c.Runs {
			if j := slices.IndexFunc(x.Runs, func(y Run) bool { return y.Program == run.Program }); j >= 0 {
				x.Runs[j].Times += run.Times
				x.Runs[j].Command = min(x.Runs[j].Command, run.Command)
			} else {
				x.Runs = append(x.Runs, run)
			}
		}
		x.Folded.add(c.Folded)
	}
	r.sort()
}

func (f *Folded) add(o Folded) {
	f.OutDir += o.OutDir
	f.Own += o.Own
	f.System += o.System
	f.Temporary += o.Temporary
	f.Target += o.Target
	f.Variables += o.Variables
	f.Programs += o.Programs
}

func union(a, b []string) []string {
	all := slices.SortedFunc(slices.Values(slices.Concat(a, b)), compareActs)
	return slices.Compact(all)
}

var kindOrder = []string{Script, Macro, Rustc, Cargo}

func (r *Report) sort() {
	slices.SortFunc(r.Crates, func(a, b Crate) int {
		return cmp.Or(cmp.Compare(slices.Index(kindOrder, a.Kind), slices.Index(kindOrder, b.Kind)), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
}
