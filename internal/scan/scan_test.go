package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

var (
	start  = time.Date(2026, 11, 22, 1, 26, 32, 0, time.UTC)
	window = [2]time.Time{start, start.Add(200 * time.Second)}
)

// zoneB is thirteen and three quarters hours east: its date is the next one
// from 10:15 UTC on.
var zoneB = time.FixedZone("+1345", 13*3600+45*60)

func find(t testing.TB, needles []Needle, text string) []string {
	t.Helper()
	hits, err := Scan(t.Context(), strings.NewReader(text), needles)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, h := range hits {
		out = append(out, fmt.Sprintf("%s %s", h.Kind, text[h.Offset:h.Offset+int64(len(h.bytes))]))
	}
	return out
}

func TestForms(t *testing.T) {
	f := Facts{Zones: []*time.Location{zoneB}, CPUs: []string{"AMD EPYC", "Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz"},
		Hosts: []string{"vm", "buildhost-17.example.org", "xenon", "localhost"}, Users: []string{"root", "alice", "runner"},
		Homes: []string{"/root", "/home/alice", "/home"}}
	needles := Needles(window, 1760000000, f)
	for _, c := range []struct{ text, want string }{
		// dates
		{"2026-11-22", "date 2026-11-22"},
		{"2026-11-22T01:26:32Z", "date 2026-11-22"},
		{"x2026-11-22x", "date 2026-11-22"},
		{"2026/11/22", "date 2026/11/22"},
		{"2026.11.22", "date 2026.11.22"},
		{"2026_11_22", "date 2026_11_22"},
		{"v20261122", "date 20261122"},
		{"20261122012632", "date 20261122"},
		{"20261122T0126", "date 20261122"},
		{"22.11.2026", "date 22.11.2026"},
		{"22/11/2026", "date 22/11/2026"},
		{"11/22/2026", "date 11/22/2026"},
		{"22 Nov 2026", "date 22 Nov 2026"},
		{"22-Nov-2026", "date 22-Nov-2026"},
		{"22 November 2026", "date 22 November 2026"},
		{"Sun, 22 Nov 2026 01:26:32 GMT", "date 22 Nov 2026"},
		{"Nov 22 2026", "date Nov 22 2026"},
		{"unwrapNov 22 2026", "date Nov 22 2026"},
		{"November 22, 2026", "date November 22, 2026"},
		{"Sun Nov 22 01:26:32 UTC 2026", "date Sun Nov 22 "},
		{"Sun Nov 22 01:26:32 UTC 2020", ""},
		{"12026-11-22", ""},
		{"2026-11-221", ""},
		{"2026-11-21", ""},
		{"2026-11-23", ""},
		{"120261122", ""},
		{"202611221", ""},
		{"20261122990000", ""},
		{"122 Nov 2026", ""},
		// times
		{"1795310792", "time 1795310"},
		{"1795310992", "time 1795310"},
		{"1795310992123", "time 1795310"},
		{"1795310792000000001", "time 1795310"},
		{"1795310791", ""},
		{"1795310993", ""},
		{"17953107921", ""},
		{"11795310792", ""},
		{"0.1795310792", ""},
		{"1795305600", "time 1795305"}, // midnight UTC
		{"1795256100", "time 1795256"}, // midnight in B's zone
		{"1795305601", ""},
		{"1760000000", ""}, // the epoch
		// names
		{"cpu AMD EPYC 7", "cpu AMD EPYC"},
		{"on Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz.", "cpu Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz"},
		{"Intel(R) Xeon(R) Gold", "cpu Intel(R) Xeon(R)"},
		{"intel(r) xeon(r)", ""},
		{"a vm", ""},
		{"buildhost-17.example.org", "host buildhost-17.example.org"},
		{"onbuildhost-17called", "host buildhost-17"},
		{"xenon", "host xenon"},
		{"xenon-arc", ""},
		{"xenons", ""},
		{"localhost", ""},
		{"root runner", ""},
		{"by alice.", "user alice"},
		{"malice", ""},
		{"/home/alice/src", "home /home/alice,user alice"},
		{"/root/x /home/bob", ""},
		{"", ""},
	} {
		for _, pad := range []string{"", "\x00", strings.Repeat("#", 3*around) + "\n"} {
			if got := strings.Join(find(t, needles, pad+c.text+pad), ","); got != c.want {
				t.Errorf("%q: got %q, want %q", pad+c.text+pad, got, c.want)
			}
		}
	}
}

func TestDaysOfEveryZone(t *testing.T) {
	// From 09:00 to 11:00 UTC the date in B's zone changes.
	day := time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)
	needles := Needles([2]time.Time{day, day.Add(2 * time.Hour)}, 0, Facts{Zones: []*time.Location{zoneB}})
	for text, want := range map[string]bool{
		"2026-11-03": true, "2026-11-04": true, "2026-11-02": false, "2026-11-05": false,
		"Nov  3 2026": true, "Nov 3 2026": true, "Nov 03 2026": true, "3 Nov 2026": true, "03 Nov 2026": true, "13 Nov 2026": false,
		"Tue Nov  3 09:00:00 2026": true, "Tue Nov  3 09:00:00 2024": false,
	} {
		if got := find(t, needles, text) != nil; got != want {
			t.Errorf("%s: found %v, want %v", text, got, want)
		}
	}
}

func TestEpoch(t *testing.T) {
	// SOURCE_DATE_EPOCH is of today: the date may come from it.
	hits, err := Scan(t.Context(), strings.NewReader("on 2026-11-22 by x"), Needles(window, start.Unix()-3600, Facts{}))
	if err != nil || len(hits) != 1 || !hits[0].MayBeEpoch || !strings.Contains(hits[0].String(), "may come from the epoch") {
		t.Errorf("%v, %v", hits, err)
	}
	hits, err = Scan(t.Context(), strings.NewReader("on 2026-11-22 by x"), Needles(window, 0, Facts{}))
	if err != nil || len(hits) != 1 || hits[0].MayBeEpoch {
		t.Errorf("%v, %v", hits, err)
	}
	if got, want := hits[0].String(), `holds the day of the build, 2026-11-22, at 0x3 ("on 2026-11-22 by x"): a build on another day will differ`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestChunkBoundaries(t *testing.T) {
	needles := Needles(window, 0, Facts{Hosts: []string{"xenon"}, CPUs: []string{strings.Repeat("a very long processor ", 9)}})
	for _, text := range []string{" xenon ", "2026-11-22", "1795310792", strings.Repeat("a very long processor ", 9)} {
		for _, at := range []int{chunk} {
			for shift := -300; shift < 300; shift += 11 {
				p := bytes.Repeat([]byte{'#'}, at+1000)
				copy(p[at+shift:], text)
				hits, err := Scan(t.Context(), bytes.NewReader(p), needles)
				if err != nil || len(hits) != 1 || !strings.Contains(strings.TrimRight(text, " "), strings.TrimRight(string(p[hits[0].Offset:][:len(hits[0].bytes)]), " ")) {
					t.Fatalf("%q at %d: %v, %v", text, at+shift, hits, err)
				}
			}
		}
	}
}

func TestReaders(t *testing.T) {
	needles := Needles(window, 0, Facts{})
	hits, err := Scan(t.Context(), iotest.OneByteReader(strings.NewReader("x 2026-11-22 y")), needles)
	if err != nil || len(hits) != 1 || hits[0].Context != "x 2026-11-22 y" {
		t.Errorf("%v, %v", hits, err)
	}
	broken := errors.New("broken")
	if _, err := Scan(t.Context(), iotest.ErrReader(broken), needles); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Scan(ctx, strings.NewReader("x"), needles); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestHitsAreBounded(t *testing.T) {
	hits, err := Scan(t.Context(), strings.NewReader(strings.Repeat("2026-11-22 ", 1000)), Needles(window, 0, Facts{}))
	if err != nil || len(hits) != MaxHits {
		t.Errorf("%d hits, %v", len(hits), err)
	}
}

// TestRealPrograms: nothing is found in programs that know none of this.
func TestRealPrograms(t *testing.T) {
	needles := Needles(window, 0, Facts{Zones: []*time.Location{zoneB}, Hosts: []string{"buildhost", "xenia"}, CPUs: []string{"AMD EPYC"}})
	for _, name := range []string{"go", "gcc", "git"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		hits, err := Scan(t.Context(), f, needles)
		f.Close()
		if err != nil || len(hits) > 0 {
			t.Errorf("%s: %v, %v", name, hits, err)
		}
	}
}

func TestCompiledDate(t *testing.T) {
	dir := t.TempDir()
	src := filepath.Join(dir, "x.c")
	if err := os.WriteFile(src, []byte("const char *d = __DATE__, *c = __TIMESTAMP__;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	cmd := exec.Command("gcc", "-c", "-o", filepath.Join(dir, "x.o"), src)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "SOURCE_DATE_EPOCH=") })
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, msg)
	}
	p, err := os.ReadFile(filepath.Join(dir, "x.o"))
	if err != nil {
		t.Fatal(err)
	}
	hits, err := Scan(t.Context(), bytes.NewReader(p), Needles([2]time.Time{before, time.Now()}, 0, Facts{Zones: []*time.Location{time.Local}}))
	if err != nil || len(hits) != 2 {
		t.Errorf("%v, %v", hits, err)
	}
}

func TestModels(t *testing.T) {
	const x86 = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: AMD EPYC 9654 96-Core Processor  \n\nprocessor\t: 1\nmodel name\t: AMD EPYC 9654 96-Core Processor\n"
	if d := cmp.Diff([]string{"AMD EPYC 9654 96-Core Processor"}, Models(x86)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"Raspberry Pi 4 Model B Rev 1.1"}, Models("BogoMIPS : 108.00\n\nModel\t\t: Raspberry Pi 4 Model B Rev 1.1")); d != "" {
		t.Error(d)
	}
}

func TestMachine(t *testing.T) {
	f, err := Machine()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{host}, f.Hosts); d != "" {
		t.Error(d)
	}
}

func TestZone(t *testing.T) {
	for tz, want := range map[string]int{"UTC0": 0, "UTC": 0, "": 0, "EST5": -5 * 3600, "<+1345>-13:45": 13*3600 + 45*60, "<-03>3": -3 * 3600, "IST-5:30": 5*3600 + 1800} {
		z, err := Zone(tz)
		if err != nil {
			t.Errorf("%s: %v", tz, err)
			continue
		}
		if _, got := start.In(z).Zone(); got != want {
			t.Errorf("%s: offset %d, want %d", tz, got, want)
		}
	}
	for _, tz := range []string{"../../etc/passwd", "<+1345", "X5", "EST99", "EST5:99", "EST5:0:0:0", "\x00"} {
		if z, err := Zone(tz); err == nil {
			t.Errorf("%q is %v", tz, z)
		}
	}
}

// FuzzScan holds the search against a simple one.
func FuzzScan(f *testing.F) {
	mutate.Add(f, []byte("x 2026-11-22 1795310792 xenon"), []byte("xenon"), uint(3))
	mutate.Add(f, bytes.Repeat([]byte("aab"), 9), []byte("abaab"), uint(0))
	f.Fuzz(func(t *testing.T, text, word []byte, n uint) {
		needles := []Needle{{Kind: "a", bytes: string(word)}, {Kind: "b", bytes: "xenon"}, {Kind: "c", bytes: string(word) + "b"}}
		counts := map[string]int{}
		for at := range text {
			for _, w := range needles {
				if len(w.bytes) >= 2 && strings.HasPrefix(string(text[at:]), w.bytes) {
					counts[w.Kind] = min(MaxHits, counts[w.Kind]+1)
				}
			}
		}
		got := map[string]int{}
		// Far into a chunk, near its end.
		lead := int(n % 3000)
		padded := append(bytes.Repeat([]byte{0xfe}, chunk-lead), text...)
		hits, err := Scan(t.Context(), bytes.NewReader(padded), needles)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hits {
			got[h.Kind]++
		}
		if bytes.IndexByte(word, 0xfe) >= 0 {
			return
		}
		if d := cmp.Diff(counts, got); d != "" {
			t.Errorf("%q in %q: %s", word, text, d)
		}
	})
}

func BenchmarkScan(b *testing.B) {
	path, err := exec.LookPath("go")
	if err != nil {
		b.Fatal(err)
	}
	p, err := os.ReadFile(path)
	if err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]Facts{"dates": {}, "names": {Hosts: []string{"xenon"}, CPUs: []string{"AMD EPYC"}}} {
		s := Compile(Needles(window, 0, f))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				if _, err := s.Scan(b.Context(), bytes.NewReader(p)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
