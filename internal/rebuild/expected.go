package rebuild

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/evidence"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/craton-co/twice/internal/verify"
)

// expected compares what the statement says of the build with what follows from
// the source and the lock here.
func (c *Claim) expected(prep *verify.Prepared, version string) (*verdict.Incident, *verdict.Input, error) {
	theirs := c.Statement.Predicate.BuildDefinition
	s := evidence.Statement(prep, nil, nil)
	s.Sort()
	ours := s.Predicate.BuildDefinition
	if in := otherSource(ours.ExternalParameters.Source, theirs.ExternalParameters.Source); in != nil {
		return nil, in, nil
	}
	a, b := byName(ours.ResolvedDependencies), byName(theirs.ResolvedDependencies)
	same := a["image/source"] == b["image/source"]
	if !same && theirs.ExternalParameters.Source.Dirty {
		return nil, &verdict.Input{Name: "source", Ours: a["image/source"], Theirs: b["image/source"], Hint: "the statement is about files that no commit holds: these are others"}, nil
	}
	// What follows from the source and the lock alone.
	for _, name := range names(a, b) {
		if strings.HasPrefix(name, "image/") || a[name] == b[name] {
			continue
		}
		return contradiction(name, a[name], b[name]), nil, nil
	}
	in := ours.InternalParameters
	for _, x := range [][3]string{
		{"epoch", fmt.Sprint(in.Epoch, " ", in.EpochFrom), fmt.Sprint(theirs.InternalParameters.Epoch, " ", theirs.InternalParameters.EpochFrom)},
		{"rustc", in.Rustc, theirs.InternalParameters.Rustc},
		{"version", ours.ExternalParameters.Source.Version, theirs.ExternalParameters.Source.Version},
		{"repository", ours.ExternalParameters.Source.Repository, theirs.ExternalParameters.Source.Repository},
	} {
		if x[1] != x[2] {
			return contradiction(x[0], x[1], x[2]), nil, nil
		}
	}
	// What follows from them by this version of Twice.
	hint := c.versions(version)
	for _, name := range names(a, b) {
		if a[name] != b[name] {
			return nil, &verdict.Input{Name: name, Ours: a[name], Theirs: b[name], Hint: "the same lock is composed into another image: " + hint}, nil
		}
	}
	for i, p := range in.Plans {
		other := provenance.Plan{}
		if i < len(theirs.InternalParameters.Plans) {
			other = theirs.InternalParameters.Plans[i]
		}
		if p.Digest != other.Digest || p.Build != other.Build {
			return nil, &verdict.Input{Name: "plan of " + p.Build, Ours: string(p.Digest), Theirs: string(other.Digest), Hint: "the sources and all inputs are the same, what runs is not: " + hint}, nil
		}
	}
	x, errX := json.Marshal(ours)
	y, errY := json.Marshal(theirs)
	if errX != nil || errY != nil || !bytes.Equal(x, y) {
		return &verdict.Incident{Of: theStatement, What: "the build's definition in the statement", By: "its own source and lock", Why: "it is not what follows from them"}, nil, nil
	}
	return nil, nil, nil
}

func contradiction(name, ours, theirs string) *verdict.Incident {
	say := func(s string) string {
		if s == "" {
			return "none"
		}
		return s
	}
	return &verdict.Incident{Of: theStatement, What: name + " in the statement", By: theStatement,
		Why: fmt.Sprintf("it says %s; its own source and lock give %s", say(theirs), say(ours))}
}

// versions says whether another version of Twice explains a difference.
func (c *Claim) versions(version string) string {
	var used []string
	for _, r := range c.Records {
		used = append(used, r.Predicate.Twice)
	}
	slices.Sort(used)
	used = slices.Compact(used)
	switch {
	case len(used) == 0:
		return "it may be of another version of Twice than this, " + version
	case slices.Contains(used, version):
		return "the run record says that this version of Twice made it, " + version + ": settings in the statement may have been changed"
	}
	return "build with Twice " + strings.Join(used, " or ") + ", as the run record says; this is " + version
}

// otherSource is the part of the source that is another here.
func otherSource(a, b provenance.Source) *verdict.Input {
	for _, x := range []verdict.Input{
		{Name: "crate", Ours: a.Crate, Theirs: b.Crate},
		{Name: "hash of the source", Ours: a.SHA256, Theirs: b.SHA256},
		{Name: "commit", Ours: a.Commit, Theirs: b.Commit},
		{Name: "folder", Ours: a.Prefix, Theirs: b.Prefix},
		{Name: "folder", Ours: a.Dir, Theirs: b.Dir},
		{Name: "source", Ours: state(a), Theirs: state(b)},
	} {
		if x.Ours != x.Theirs {
			return &x
		}
	}
	return nil
}

func state(s provenance.Source) string {
	if s.Dirty {
		return "files that no commit holds"
	}
	return "the commit's"
}

// byName are the resources' digests and addresses.
func byName(list []provenance.Resource) map[string]string {
	out := map[string]string{}
	for _, r := range list {
		var s []string
		for alg, d := range r.Digest {
			s = append(s, alg+":"+d)
		}
		slices.Sort(s)
		out[r.Name] = strings.TrimSpace(strings.Join(s, " ") + " " + r.URI)
	}
	return out
}

func names(a, b map[string]string) []string {
	var out []string
	for n := range a {
		out = append(out, n)
	}
	for n := range b {
		if _, both := a[n]; !both {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// differs says what two statements about one build have otherwise, or nothing.
func differs(theirs, ours *provenance.Statement) string {
	var out []string
	for _, x := range [][2][]provenance.Resource{
		{theirs.Subject, ours.Subject}, {theirs.Predicate.RunDetails.Byproducts, ours.Predicate.RunDetails.Byproducts},
	} {
		a, b := byName(x[0]), byName(x[1])
		for _, n := range names(a, b) {
			switch {
			case b[n] == "":
				out = append(out, n+" was not made")
			case a[n] == "":
				out = append(out, n+" is new")
			case a[n] != b[n]:
				out = append(out, n)
			}
		}
	}
	if len(out) > 4 {
		out = append(out[:4], fmt.Sprintf("%d more", len(out)-4))
	}
	if len(out) > 0 {
		return strings.Join(out, ", ")
	}
	a, errA := theirs.JSON()
	b, errB := ours.JSON()
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		return "its definition"
	}
	return ""
}
