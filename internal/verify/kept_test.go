package verify

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/craton-co/twice/internal/verdict"
)

// Whether dependencies were compiled by an earlier run is told with an engine whose
// clock is another.
func TestReadKept(t *testing.T) {
	start := time.Now().Add(-time.Minute)
	for name, c := range map[string]struct {
		ago     time.Duration // how long ago they were done
		skew    time.Duration
		why     string
		earlier bool
	}{
		"now":                       {30 * time.Second, 0, "", false},
		"before":                    {90 * time.Second, 0, "", true},
		"now, clock ahead":          {30 * time.Second, time.Hour, "", false},
		"before, clock ahead":       {90 * time.Second, time.Hour, "", true},
		"now, clock behind":         {30 * time.Second, -time.Hour, "", false},
		"nothing, and an old clock": {90 * time.Second, -time.Hour, "opened a file", false},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			if err := os.Mkdir(filepath.Join(out, "kept"), 0o755); err != nil {
				t.Fatal(err)
			}
			now := time.Now().Add(c.skew)
			files := map[string]string{"from": fmt.Sprint(now.Add(-c.ago - 5*time.Second).UnixNano()), "until": fmt.Sprint(now.Add(-c.ago).UnixNano()), "crates": "7", "end": fmt.Sprint(now.UnixNano())}
			if c.why != "" {
				files["why"] = c.why
			}
			for f, text := range files {
				if err := os.WriteFile(filepath.Join(out, "kept", f), []byte(text+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			s := &side{start: start, keeps: true}
			d, err := s.readKept("app", out)
			if err != nil {
				t.Fatal(err)
			}
			if d.Earlier != c.earlier || d.Why != c.why || d.Crates == 0 && c.why == "" {
				t.Errorf("%+v", d)
			}
			s.kept = []verdict.Dependencies{*d}
			if n := len(s.compiled()); (n == 1) != c.earlier {
				t.Errorf("%d windows more to search for dates", n)
			}
			if isClean(&verdict.Verdict{Builds: []verdict.Build{{}, {Dependencies: s.kept}}}) != (c.why != "") {
				t.Error("isClean is wrong")
			}
		})
	}
	if d, err := (&side{keeps: true}).readKept("app", t.TempDir()); d != nil || err != nil {
		t.Error("a build that compiled all by itself has kept something", d, err)
	}
	// What a build script wrote there.
	out := t.TempDir()
	if err := os.CopyFS(filepath.Join(out, "kept"), fstest.MapFS{"crates": {Data: []byte("99")}}); err != nil {
		t.Fatal(err)
	}
	if d, err := (&side{}).readKept("app", out); d != nil || err != nil {
		t.Error("a build that keeps nothing is believed", d, err)
	}
}
