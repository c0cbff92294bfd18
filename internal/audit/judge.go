package audit

import "slices"

// The results of an audit.
const (
	Watched = "watched" // nothing is against it
	Changed = "changed" // something did what its record doesn't have, or no longer what it has
	Tried   = "network" // something tried the network, and no record says that it does
)

// The states of a crate.
const (
	AsRecorded  = "as recorded"
	HasChanged  = "changed"
	NotRecorded = "not recorded"
)

// NotRun is what is recorded of code that no build ran.
const NotRun = "not run"

// Title is "name version".
func (c Crate) Title() string { return c.Name + " " + c.Version }

// Code says whether the row is of code that is reviewed: a build script or
// procedural macros of a crate from outside.
func (c Crate) Code() bool { return !c.Own && (c.Kind == Script || c.Kind == Macro) }

// Did is what the code of a crate did, scripts and macros together. It is empty
// for one that ran and did nothing worth a line, nil for one that didn't run.
func (r *Report) Did(name, version string) []string {
	var all []string
	for _, c := range r.Crates {
		if c.Code() && c.Name == name && c.Version == version {
			if all = union(all, c.Did); all == nil {
				all = []string{}
			}
		}
	}
	return all
}

// Judge compares the report with what was recorded of a crate, nil if nothing
// was, and sets the result.
func (r *Report) Judge(recorded func(name, version string) []string) {
	r.Result = Watched
	tried := false
	for i := range r.Crates {
		c := &r.Crates[i]
		var record []string
		if c.Code() {
			record = recorded(c.Name, c.Version)
			all := r.Did(c.Name, c.Version)
			if record == nil {
				c.State = NotRecorded
			} else {
				c.State = AsRecorded
				c.Added, c.Gone = Difference(record, all)
				c.Added = slices.DeleteFunc(c.Added, func(s string) bool { return !slices.Contains(c.Did, s) }) // at the kind that did it
				if a, g := Difference(record, all); len(a)+len(g) > 0 {
					c.State = HasChanged
					r.Result = Changed
				}
			}
		}
		for _, d := range c.Did {
			tried = tried || verbOf(d) == "network" && !slices.Contains(record, d)
		}
	}
	if tried {
		r.Result = Tried
	}
}

// Difference is what only now was done, and what only the record has.
func Difference(record, now []string) (added, gone []string) {
	for _, d := range now {
		if !slices.Contains(record, d) {
			added = append(added, d)
		}
	}
	for _, d := range record {
		if !slices.Contains(now, d) {
			gone = append(gone, d)
		}
	}
	return added, gone
}

// ExitCode is 0 for Watched and 1 otherwise.
func (r *Report) ExitCode() int {
	if r.Result == Watched {
		return 0
	}
	return 1
}
