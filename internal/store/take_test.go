package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/opencontainers/go-digest"
)

// A blob that only this user can write is linked; any other is the same bytes in
// a file of its own.
func TestTake(t *testing.T) {
	content := bytes.Repeat([]byte("blob"), 1000)
	d := digest.FromBytes(content)
	for name, c := range map[string]struct {
		mode fs.FileMode
		link bool
	}{"as a store has it": {0o444, true}, "others can write": {0o666, false}, "its owner can": {0o644, false}} {
		from, to := open(t), open(t)
		if _, err := from.PutBytes(t.Context(), content); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(from.Path(d), c.mode); err != nil {
			t.Fatal(err)
		}
		if err := to.Take(t.Context(), from, d, int64(len(content))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := to.Verify(t.Context(), d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		a, errA := os.Stat(from.Path(d))
		b, errB := os.Stat(to.Path(d))
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if same := os.SameFile(a, b); same != (c.link && runtime.GOOS != "windows") {
			t.Errorf("%s: linked: %t", name, same)
		}
		if b.Mode().Perm() != 0o444 {
			t.Errorf("%s: mode %v", name, b.Mode())
		}
		if left := ingest(t, to); len(left) > 0 {
			t.Errorf("%s: left in ingest: %v", name, left)
		}
	}
}

// Whatever another store has in a blob's place, it never gets the blob's name.
func TestTakeChecks(t *testing.T) {
	content := []byte("blob")
	d := digest.FromBytes(content)
	for name, c := range map[string]struct {
		size  int64
		wrong bool // a *MismatchError is due
		make  func(path string) error
	}{
		"absent":      {4, false, func(string) error { return nil }},
		"other bytes": {4, true, func(p string) error { return os.WriteFile(p, []byte("bLob"), 0o444) }},
		"writable":    {4, true, func(p string) error { return os.WriteFile(p, []byte("bLob"), 0o644) }},
		"longer":      {4, true, func(p string) error { return os.WriteFile(p, []byte("blobs"), 0o444) }},
		"no size":     {-1, true, func(p string) error { return os.WriteFile(p, []byte("blobs"), 0o444) }},
		"a directory": {4, false, func(p string) error { return os.Mkdir(p, 0o755) }},
		"endless":     {-1, true, func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Truncate(p, 1<<40)) }},
		"a pipe":      {4, false, mkfifo},
		"a link out":  {4, true, func(p string) error { return os.Symlink("/proc/self/stat", p) }},
	} {
		from, to := open(t), open(t)
		if err := c.make(from.Path(d)); err != nil {
			t.Fatal(err)
		}
		err := to.Take(t.Context(), from, d, c.size)
		var m *MismatchError
		if err == nil || errors.As(err, &m) != c.wrong {
			t.Errorf("%s: %v", name, err)
		}
		if name == "absent" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		if left := ingest(t, to); to.Has(d) || len(left) > 0 {
			t.Errorf("%s: something was kept: %v", name, left)
		}
	}
}

// A link at the blob's place is read and not linked to: who owns it can turn it.
func TestTakeFollowsNoLinkLater(t *testing.T) {
	from, to := open(t), open(t)
	d := digest.FromString("blob")
	real := filepath.Join(t.TempDir(), "real")
	if err := errors.Join(os.WriteFile(real, []byte("blob"), 0o444), os.Symlink(real, from.Path(d))); err != nil {
		t.Fatal(err)
	}
	if err := to.Take(t.Context(), from, d, -1); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(to.Path(d)); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("%v, %v", fi, err)
	}
}

// Looking at somebody else's directory changes nothing in it.
func TestOpenOther(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenOther(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty directory: %v", err)
	}
	s := open(t)
	if err := os.RemoveAll(filepath.Join(s.Dir(), "ingest")); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenOther(s.Dir()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), "ingest")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was made: %v", err)
	}
	if err := os.WriteFile(filepath.Join(s.Dir(), "twice-store"), []byte("2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenOther(s.Dir()); err == nil {
		t.Error("a newer store was opened")
	}
}
