package report

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A fake shows how diffoscope is called and what comes of its answers.
func TestDiffoscope(t *testing.T) {
	for _, c := range []struct {
		name, script, text, page string
		limit                    time.Duration
	}{
		{name: "page", script: `pwd >&2; cat A/bin/x B/bin/x A/image/index.json "$0.version" > diffoscope.html; exit 1`,
			text: "diffoscope 240's own page of bin/x, image", page: "A side\nB side\n{}\n240\n"},
		{name: "the same", script: `exit 0`, text: "diffoscope 240 sees no difference"},
		{name: "fails", script: `echo first >&2; echo "no module named magic" >&2; exit 2`, text: "diffoscope 240 failed: exit status 2: no module named magic"},
		{name: "differs without a page", script: `exit 1`, text: "diffoscope 240 failed: exit status 1: "},
		{name: "slow", script: `sleep 600 & echo $! > pid; wait`, text: "diffoscope 240 was stopped after 1.0 s", limit: time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			bin, dir := t.TempDir(), t.TempDir()
			script := "#!/bin/sh\n[ \"$1\" = --version ] && { echo diffoscope 240; exit; }\n[ \"$*\" = \"--no-progress --html $PWD/diffoscope.html A B\" ] || exit 9\n" + c.script
			files := map[string]string{"bin/diffoscope": script, "bin/diffoscope.version": "240\n", "a/x": "A side\n", "b/x": "B side\n", "a/i/index.json": "{}\n", "b/i/index.json": "[]\n"}
			for name, text := range files {
				at := filepath.Join(bin, name)
				if err := os.MkdirAll(filepath.Dir(at), 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(at, []byte(text), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", filepath.Join(bin, "bin")+":"+os.Getenv("PATH"))
			if c.limit == 0 {
				c.limit = time.Minute
			}
			pairs := []Pair{{"bin/x", filepath.Join(bin, "a/x"), filepath.Join(bin, "b/x")}, {"image", filepath.Join(bin, "a/i"), filepath.Join(bin, "b/i")}}
			a, more, err := RunDiffoscope(t.Context(), dir, pairs, c.limit)
			if err != nil {
				t.Fatal(err)
			}
			if a.Text != c.text || (a.Name == Diffoscope) != (c.page != "") {
				t.Errorf("%+v, want %q", a, c.text)
			}
			if c.page != "" && (len(more) != 1 || more[0].Name != Diffoscope || string(more[0].Data) != c.page) {
				t.Errorf("%q", more)
			}
			if data, err := os.ReadFile(filepath.Join(dir, "pid")); err == nil {
				if _, err := os.Stat("/proc/" + strings.TrimSpace(string(data)) + "/exe"); err == nil {
					t.Error("what diffoscope started is still there")
				}
			}
		})
	}
	t.Run("not installed", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		a, more, err := RunDiffoscope(t.Context(), t.TempDir(), nil, time.Minute)
		if err != nil || a.Name != "" || len(more) > 0 || a.Text != "diffoscope is not installed on the machine that built" {
			t.Errorf("%+v, %v", a, err)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		bin := t.TempDir()
		if err := os.WriteFile(filepath.Join(bin, "diffoscope"), []byte("#!/bin/sh\n[ \"$1\" = --version ] || sleep 600\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("by hand"))
		defer cancel()
		if _, _, err := RunDiffoscope(ctx, t.TempDir(), nil, time.Minute); err == nil || err.Error() != "by hand" {
			t.Errorf("%v", err)
		}
	})
}
