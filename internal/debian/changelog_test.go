package debian

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const changelog = `glibc (2.36-9+deb12u14) bookworm; urgency=medium

  * Fix CVE-2026-0861 and CVE-2026-0915, and CVE-2026-0861 again.

 -- A Maintainer <a@example.org>  Sat, 07 Mar 2026 10:00:00 +0100

glibc (2.36-9+deb12u13) bookworm-security; urgency=medium

  * Fix CVE-2025-8058.

 -- A Maintainer <a@example.org>  Sat, 09 Aug 2025 10:00:00 +0200

glibc (2.36-9+deb12u12) bookworm; urgency=medium

  * Fix CVE-2025-4802.
`

func TestFixesSince(t *testing.T) {
	for version, want := range map[string]Fixes{
		"2.36-9+deb12u14": {Complete: true},
		"2.36-9+deb12u13": {Versions: []string{"2.36-9+deb12u14"}, CVEs: []string{"CVE-2026-0861", "CVE-2026-0915"}, Complete: true},
		// A version that was never in it lies between two.
		"2.36-9+deb12u12+b1": {Versions: []string{"2.36-9+deb12u14", "2.36-9+deb12u13"}, CVEs: []string{"CVE-2025-8058", "CVE-2026-0861", "CVE-2026-0915"}, Complete: true},
		"2.31-1":             {Versions: []string{"2.36-9+deb12u14", "2.36-9+deb12u13", "2.36-9+deb12u12"}, CVEs: []string{"CVE-2025-4802", "CVE-2025-8058", "CVE-2026-0861", "CVE-2026-0915"}},
	} {
		got, err := FixesSince([]byte(changelog), version)
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", version, err, d)
		}
	}
	if _, err := FixesSince([]byte("no changelog at all"), "1"); err == nil {
		t.Error("no error")
	}
}
