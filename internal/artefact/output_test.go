package artefact

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/fault"
)

// What a build script leaves in /out must not lead to a file of this machine.
func TestCheckOutput(t *testing.T) {
	host := t.TempDir()
	secret := filepath.Join(host, "tool")
	if err := os.WriteFile(secret, []byte("a file of the host"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		at, target string
		want       string // in the error; "" is none
	}{
		"nothing but files": {},
		"the folder":        {"bin", host, `"bin" is a symbolic link to `},
		"a file":            {"bin/tool", secret, `"bin/tool" is a symbolic link to `},
		"rlibs":             {"rlib", host, `"rlib" is a symbolic link to `},
		"of a build script": {"made/deep/x", secret, `"made/deep/x" is a symbolic link to `},
		"climbing":          {"bin/tool", "../../../tool", `"bin/tool" is a symbolic link to "../../../tool"`},
		"inside":            {"bin/tool", "other", `"bin/tool" is a symbolic link to "other"`},
		"licences":          {"licences/a", secret, `"licences/a" is a symbolic link to `},
		"the log":           {"audit/log", "/proc/self/environ", `"audit/log" is a symbolic link to `},
		"of any name":       {"x\n\x1b[31m", secret, `"x\n\x1b[31m" is a symbolic link to `},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			if err := os.MkdirAll(filepath.Join(out, "debug"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(out, "debug", "tool"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if c.at != "" {
				at := filepath.Join(out, filepath.FromSlash(c.at))
				if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(c.target, at); err != nil {
					t.Fatal(err)
				}
			}
			err := CheckOutput(out)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "" {
				t.Errorf("CheckOutput = %v (hint %q), want %s", err, fault.HintOf(err), c.want)
			}
		})
	}
}

// A name must not write lines into a list of checksums.
func TestCheckOutputNames(t *testing.T) {
	for _, name := range []string{"x\n0000  install.sh", "x\r", "x\xff"} {
		out := t.TempDir()
		if err := os.WriteFile(filepath.Join(out, name), nil, 0o644); err != nil {
			t.Skip(err) // a file system that has no such names
		}
		if err := CheckOutput(out); err == nil || !strings.Contains(err.Error(), "can't have on a line") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
