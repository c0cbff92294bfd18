package debian

import (
	"testing"

	"github.com/craton-co/twice/internal/mutate"
)

func TestCompareVersions(t *testing.T) {
	// Each list ascends; equal ones are separated by "=".
	for _, list := range [][]string{
		{"1.0~~", "1.0~~a", "1.0~", "1.0", "1.0a", "1.0+", "1.0.1"},                // Policy 5.6.12: ~ before the end, letters before the rest
		{"0.9", "0:1.0", "1:0.1", "2:0", "10:0"},                                   // the epoch first, as a number
		{"1.9", "1.10", "1.010", "1.100"},                                          // numbers as numbers
		{"2.36-9+deb12u9", "2.36-9+deb12u14", "2.36-10"},                           // the last hyphen begins the revision
		{"12.2.0-14", "12.2.0-14+b1", "12.2.0-14+deb12u1"},                         // a binary rebuild, a stable update
		{"1.0-2", "1.0-1-1", "1.0-1-2"},                                            //
		{"5.36.0-7+deb12u3~bpo1", "5.36.0-7+deb12u3", "99999999999999999999999:0"}, // epochs of any length
		{"", "0", "a"},
	} {
		for i, a := range list {
			for j, b := range list {
				want := sign(i - j)
				if a == "1.10" && b == "1.010" || a == "1.010" && b == "1.10" || a == "" && b == "0" || a == "0" && b == "" {
					want = 0
				}
				if got := CompareVersions(a, b); got != want {
					t.Errorf("CompareVersions(%q, %q) = %d, want %d", a, b, got, want)
				}
			}
		}
	}
}

func FuzzCompareVersions(f *testing.F) {
	mutate.Add(f, "1:2.36-9+deb12u14", "2.36~rc1-1", "0")
	mutate.Add(f, "1.0~~a", "1.0-", ":-")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if CompareVersions(a, a) != 0 {
			t.Errorf("%q differs from itself", a)
		}
		if CompareVersions(a, b) != -CompareVersions(b, a) {
			t.Errorf("%q and %q: not antisymmetric", a, b)
		}
		if CompareVersions(a, b) <= 0 && CompareVersions(b, c) <= 0 && CompareVersions(a, c) > 0 {
			t.Errorf("%q, %q, %q: not transitive", a, b, c)
		}
	})
}
