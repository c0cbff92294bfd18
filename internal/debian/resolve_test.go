package debian

import (
	"slices"
	"strings"
	"testing"
)

func names(ps []Package) string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Name)
	}
	return strings.Join(out, " ")
}

func TestResolve(t *testing.T) {
	index := []string{
		stanza("app", "1", "Pre-Depends: libc6 (>= 2.34)", "Depends: awk, lib | lib-alt"),
		stanza("libc6", "2.36-9", "Depends: libgcc"),
		stanza("libgcc", "12", "Depends: libc6", "Essential: yes"), // a cycle
		stanza("lib", "1"), stanza("lib-alt", "1"),
		stanza("gawk", "2", "Provides: awk", "Priority: optional"),
		stanza("busybox", "1", "Provides: awk", "Priority: optional"),
		stanza("mawk", "1", "Provides: awk", "Priority: required"),
		stanza("core", "1", "Essential: yes", "Depends: usrmerge | usr-is-merged"),
		stanza("usrmerge", "1"), stanza("usr-is-merged", "1"),
		stanza("wants-virtual", "1", "Depends: pkg-config (>= 1.0)"),
		stanza("pkgconf", "1.8", "Provides: pkg-config (= 1.8), something"),
		stanza("unversioned", "1", "Provides: versioned"),
		stanza("wants-versioned", "1", "Depends: versioned (>= 1)"),
		stanza("too-new", "1", "Depends: libc6 (>= 3) | lib"),
		stanza("any", "1", "Depends: libc6:any, libgcc:amd64"),
		stanza("foreign", "1", "Depends: libc6:i386"),
		stanza("enemy", "1", "Conflicts: app"),
		stanza("breaker", "1", "Breaks: libc6 (<< 2.37)"),
		stanza("friend", "1", "Breaks: libc6 (<< 2.36)"),
		stanza("self", "1", "Provides: mail", "Conflicts: mail"),
		stanza("other-mail", "1", "Provides: mail", "Conflicts: mail"),
		stanza("bad", "1", "Depends: (("),
		stanza("recommends", "1", "Recommends: lib", "Suggests: app"),
	}
	for _, c := range []struct {
		name, want, err string
		ask             string
		essential       bool
		without         []string
	}{
		{name: "dependencies and a cycle", ask: "app", want: "app lib libc6 libgcc mawk"},
		{name: "a chosen alternative wins", ask: "app lib-alt gawk", want: "app gawk lib-alt libc6 libgcc"},
		{name: "asked for later, chosen before", ask: "core usr-is-merged", want: "core usr-is-merged"},
		{name: "essential", essential: true, want: "core libc6 libgcc usrmerge"},
		{name: "essential but one", essential: true, without: []string{"core"}, want: "libc6 libgcc"},
		{name: "left out", ask: "app", without: []string{"awk", "libgcc"}, want: "app lib libc6"},
		{name: "a version provided", ask: "wants-virtual", want: "pkgconf wants-virtual"},
		{name: "provided without a version", ask: "wants-versioned", err: "depends on versioned (>= 1), which nothing in the index meets"},
		{name: "an alternative of the right version", ask: "too-new", want: "lib too-new"},
		{name: "qualified", ask: "any", want: "any libc6 libgcc"},
		{name: "of another architecture", ask: "foreign", err: "libc6:i386"},
		{name: "conflict", ask: "app enemy", err: "enemy 1 conflicts with app"},
		{name: "breaks", ask: "app breaker", err: "breaker 1 breaks libc6"},
		{name: "breaks older ones only", ask: "libc6 friend", want: "friend libc6 libgcc"},
		{name: "conflicts with what it provides itself", ask: "self", want: "self"},
		{name: "two of what only one may be", ask: "self other-mail", err: "conflicts with"},
		// follows: debian: look for its name in this Debian release; only the main component is read
		{name: "no such package", ask: "libb", err: "no package libb"},
		{name: "under the name that the release has", ask: "lib", want: "lib"},
		{name: "asked for and left out", ask: "lib", without: []string{"lib"}, err: "both needed and left out"},
		{name: "malformed", ask: "bad", err: "package bad: parsing dependency"},
		{name: "no recommendations", ask: "recommends", want: "recommends"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The order of the index must not matter.
			for i, ix := range []*Index{parse(t, index...), parse(t, reversed(index)...)} {
				got, err := ix.Resolve(strings.Fields(c.ask), c.essential, c.without...)
				if c.err != "" {
					if err == nil || !strings.Contains(err.Error(), c.err) {
						t.Errorf("index %d: error %v, want %q", i, err, c.err)
					}
				} else if err != nil {
					t.Errorf("index %d: %v", i, err)
				} else if names(got) != c.want {
					t.Errorf("index %d: %s, want %s", i, names(got), c.want)
				}
			}
		})
	}
}

func reversed(s []string) []string {
	s = slices.Clone(s)
	slices.Reverse(s)
	return s
}

func TestExtendKeepsWhatIsThere(t *testing.T) {
	ix := parse(t, stanza("cmake", "3", "Depends: libc6 (>= 2.36), libcurl4"), stanza("libcurl4", "1", "Depends: libc6 (>= 2.30)"), stanza("libc6", "2.37"))
	have := []Package{{Name: "libc6", Version: "2.36-9", Arch: "amd64"}}
	got, err := ix.Extend(have, []string{"cmake"}, false)
	if err != nil {
		t.Fatal(err)
	}
	if names(got) != "cmake libc6 libcurl4" || got[1].Version != "2.36-9" {
		t.Errorf("%s with libc6 %s", names(got), got[1].Version)
	}
	have[0].Version = "2.35"
	if _, err := ix.Extend(have, []string{"cmake"}, false); err == nil || !strings.Contains(err.Error(), "libc6 (>= 2.36), chosen is 2.35") {
		t.Errorf("too old a libc6: %v", err)
	}
}
