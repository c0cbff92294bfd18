package cargo

import "testing"

func TestSameInTwoSources(t *testing.T) {
	const a, b = "git+https://git.test/r?rev=1#1", "git+https://git.test/r?rev=2#2"
	for _, c := range []struct {
		packages []LockPackage
		want     bool
	}{
		{nil, false},
		{[]LockPackage{{Name: "x", Version: "1.0.0", Source: a}, {Name: "x", Version: "1.0.1", Source: b}, {Name: "y", Version: "1.0.0", Source: b}}, false},
		{[]LockPackage{{Name: "x", Version: "1.0.0"}, {Name: "x", Version: "1.0.0", Source: b}}, false}, // a member is not vendored
		{[]LockPackage{{Name: "x", Version: "1.0.0", Source: a}, {Name: "x", Version: "1.0.0", Source: b}}, true},
	} {
		if got := (&LockFile{Packages: c.packages}).SameInTwoSources(); got != c.want {
			t.Errorf("%v: %t", c.packages, got)
		}
	}
}
