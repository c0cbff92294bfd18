// Package cause says why two artefacts differ, and what to change.
//
// It reads a finding of package compare and what is known of the two builds,
// and nothing else: no clock, no engine, no guess. The same finding and the
// same context give the same causes.
//
// # Rules
//
// A rule is a named, pure function from one place where the sides differ to a
// cause. Rules claim only what the place shows: a path is the build's path if
// each side holds its own build's; a number is the time of the build if each
// side's lies between that build's own start and end. docs/causes.md is the
// table of all rules, written from this package.
//
// Causes come in the order of the rules, the most telling first, and one rule
// speaks once for each thing that it names. What follows from something else
// (a build id, a symbol table, addresses that moved) is no cause where that
// something is known.
//
// A finding that no rule knows gives one cause whose Rule is "unknown", with
// what was seen.
package cause

import (
	"io/fs"
	"time"
)

// Cause is why a finding differs.
type Cause struct {
	// Rule is the name of the rule: "build-path", "time", … or "unknown".
	Rule string `json:"rule"`
	// Title says in one sentence what it is.
	Title string `json:"title"`
	// Where is who is responsible: "crate stamp 0.1.0, build.rs:3"; empty if
	// that is not known.
	Where string `json:"where,omitempty"`
	// Proof are the observations that make it so, a line each.
	Proof []string `json:"proof,omitempty"`
	// Fix says what to change.
	Fix string `json:"fix,omitempty"`
	// Axis is the axis that the cause implies, by the name that --vary takes;
	// empty if it implies none.
	Axis string `json:"axis,omitempty"`
	// Path is the place of the finding that it explains.
	Path string `json:"path,omitempty"`
	// Known is false for the rule "unknown" alone.
	Known bool `json:"known"`
}

// Build is what is known of one of the two builds. A zero field is not known.
type Build struct {
	Path       string // of the sources
	CargoHome  string
	Home       string
	User       string
	Host       string
	TZ         string // as in the variable
	Locale     string // LANG and LC_ALL, with a space
	Umask      string // "0022"
	SearchPath string // the variable PATH
	Extra      string // NAME=VALUE, in this build's environment alone
	Kernel     string // release
	UID        int
	Jobs       int
	CPUs       int
	Mtime      int64 // of the source files, seconds since 1970; 0: not known
	Start, End time.Time
}

// Crate is a package that went into the builds.
type Crate struct {
	Name, Version string
	// Deps are the packages that it needs, as "name version".
	Deps []string
	// Local is set on a package of the workspace.
	Local bool
	// Bins are the names of its programs; known of packages of the workspace.
	Bins []string
	// Compared is set if its library was compared, and Differs if it differs.
	Compared, Differs bool
	// Source opens the package's files, with its Cargo.toml at the root; nil
	// if they can't be had.
	Source func() (fs.FS, error)
}

// String is the name and version.
func (c Crate) String() string {
	if c.Version == "" {
		return c.Name
	}
	return c.Name + " " + c.Version
}

// Context is what is known of the two builds. The zero value is fine: it knows
// nothing.
type Context struct {
	A, B Build
	// Epoch is SOURCE_DATE_EPOCH of both; 0: not known.
	Epoch  int64
	Crates []Crate
}
