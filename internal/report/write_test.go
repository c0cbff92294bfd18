package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// listing is what is in a directory: names and contents.
func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			data = []byte(err.Error())
		}
		out = append(out, e.Name()+"="+string(data))
	}
	return strings.Join(out, " ")
}

func TestWrite(t *testing.T) {
	old := []File{{Page, []byte("1")}, {Verdict, []byte("2")}, {Diffoscope, []byte("3")}}
	next := []File{{Page, []byte("4")}, {Verdict, []byte("5")}}
	for name, exchange := range map[string]func(string, string) error{"exchange": exchange, "replace": replace} {
		t.Run(name, func(t *testing.T) {
			base := t.TempDir()
			next1 := filepath.Join(base, "next")
			at := filepath.Join(base, "at")
			for _, c := range []string{"", "old"} {
				if err := os.MkdirAll(next1, 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(next1, "f"), []byte("new"), 0o666); err != nil {
					t.Fatal(err)
				}
				if c != "" {
					if err := os.WriteFile(filepath.Join(at, "f"), []byte(c), 0o666); err != nil {
						t.Fatal(err)
					}
				}
				if err := exchange(next1, at); err != nil {
					t.Fatal(err)
				}
				if got := listing(t, at); got != "f=new" {
					t.Error(got)
				}
			}
		})
	}
	base := t.TempDir()
	dir := filepath.Join(base, "deep", "report")
	for _, c := range []struct {
		files []File
		want  string
	}{{old, "diffoscope.html=3 index.html=1 verdict.json=2"}, {next, "index.html=4 verdict.json=5"}} {
		if err := Write(dir, c.files); err != nil {
			t.Fatal(err)
		}
		if got := listing(t, dir); got != c.want {
			t.Error(got)
		}
		if left := listing(t, filepath.Dir(dir)); strings.Contains(left, ".twice") {
			t.Errorf("left behind: %s", left)
		}
	}
	// Through a link, and into an empty directory.
	link := filepath.Join(base, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, old); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(link); err != nil || fi.Mode()&os.ModeSymlink == 0 || !strings.Contains(listing(t, dir), "index.html=1") {
		t.Errorf("%v: %s", err, listing(t, dir))
	}
	if err := Write(t.TempDir(), old); err != nil {
		t.Error(err)
	}
}

// Nothing that isn't a report is ever replaced.
func TestWriteRefuses(t *testing.T) {
	good := []File{{Page, []byte("1")}, {Verdict, []byte("2")}}
	for _, c := range []struct {
		name, want string
		make       func(dir string) error
	}{
		{"other files", "it has thesis.tex in it", func(d string) error { return os.WriteFile(filepath.Join(d, "thesis.tex"), nil, 0o666) }},
		{"a web page", "it has no verdict.json", func(d string) error { return os.WriteFile(filepath.Join(d, "index.html"), nil, 0o666) }},
		{"a folder of that name", "it has index.html in it", func(d string) error { return os.Mkdir(filepath.Join(d, "index.html"), 0o777) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := c.make(dir); err != nil {
				t.Fatal(err)
			}
			before := listing(t, dir)
			if err := Write(dir, good); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
			if got := listing(t, dir); got != before {
				t.Errorf("%s became %s", before, got)
			}
		})
	}
	if err := Write(filepath.Join(t.TempDir(), "r"), []File{{"../x", nil}}); err == nil {
		t.Error("a file outside was written")
	}
}
