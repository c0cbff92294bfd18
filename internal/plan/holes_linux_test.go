package plan

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An engine copies the holes of a file too: a build that leaves terabytes of them is
// refused in its own step. Small files may have holes.
func TestRefuseHoles(t *testing.T) {
	for name, c := range map[string]struct {
		size int64 // of a file with one block of data
		want string
	}{
		"nothing":          {0, ""},
		"a small file":     {1 << 20, ""},
		"a database":       {1 << 30, ""},
		"holes":            {1<<33 + 1, "the build's output is 8.0 GiB, of which 0.0 GiB are stored"},
		"terabytes":        {1 << 43, "the build's output is 8192.0 GiB, of which 0.0 GiB are stored"},
		"several, of some": {1 << 32, "the build's output is 12.0 GiB, of which 0.0 GiB are stored"},
	} {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			names := []string{"a"}
			if strings.HasPrefix(name, "several") {
				names = []string{"a", "b", "deep/c"}
			}
			for _, n := range names {
				n = filepath.Join(out, n)
				if err := errors.Join(os.MkdirAll(filepath.Dir(n), 0o755), os.WriteFile(n, []byte("data"), 0o644), os.Truncate(n, max(4, c.size))); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-eu")
			cmd.Stdin = strings.NewReader(strings.Replace(refuseHoles, "/out", out, 1) + "echo next\n")
			var said, printed bytes.Buffer
			cmd.Stderr, cmd.Stdout = &said, &printed
			err := cmd.Run()
			if (err != nil) != (c.want != "") || (printed.String() == "next\n") != (c.want == "") {
				t.Errorf("the step ends with %v after %q and %q", err, said.String(), printed.String())
			}
			if got := TooLarge(strings.Split(said.String(), "\n")); got != c.want {
				t.Errorf("it says %q, read as %q; want %q", said.String(), got, c.want)
			}
		})
	}
	if got := TooLarge([]string{"twice: the output is much", "error: could not compile"}); got != "" {
		t.Errorf("another failure is read as %q", got)
	}
}
