package cause

import (
	"fmt"
	"regexp"
)

var nameHash = regexp.MustCompile(`-[0-9a-f]{16}\.`)

// Alone are the causes of an artefact that only one side ("A" or "B") has.
// Others are the names of those that only the other side has: a library under
// another hash is the same library.
func Alone(name, side string, others []string) []Cause {
	for _, o := range others {
		if nameHash.MatchString(name) && nameHash.ReplaceAllString(o, "-#.") == nameHash.ReplaceAllString(name, "-#.") {
			for i := range rules {
				if r := &rules[i]; r.Name == crateIdentifier {
					c := Cause{Rule: r.Name, Title: r.Title, Fix: r.Fix, Axis: r.Axis, Path: name, Known: true,
						Proof: []string{fmt.Sprintf("%s is only in %s, %s is in the other", name, side, o)}}
					if m := rlibName.FindStringSubmatch(name); m != nil {
						c.Where = "crate " + m[1]
					}
					return []Cause{c}
				}
			}
		}
	}
	return []Cause{{Rule: Unknown, Title: "only one of the builds made it", Path: name, Proof: []string{name + " is only in " + side},
		Fix: "look for what the build does only under some condition; build again with fewer axes (--vary)"}}
}
