package compose

import (
	"archive/tar"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/craton-co/twice/internal/fault"
)

func TestEngineRoot(t *testing.T) {
	ctx := context.Background()
	st := testStore(t)
	runc := file("./usr/sbin/runc", "elf")
	runc.Mode = 0o755
	def := define(t, st, "[[dir]]\npath = \"tmp\"\nmode = 0o1777\n",
		deb{name: "runc", version: "1", files: []tar.Header{
			runc, symlink("./etc", "/etc"), symlink("./up", "../../.."), hardlink("./usr/bin/runc", "./usr/sbin/runc"), dir("./sealed/", 0o555), file("./sealed/x", "x"),
		}})
	dir := filepath.Join(t.TempDir(), "state", "root")
	if err := EngineRoot(ctx, st, def, dir); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{
		"usr/sbin/runc": 0o755, "sbin": os.ModeSymlink | 0o777, "tmp": os.ModeDir | os.ModeSticky | 0o777,
		"sealed": os.ModeDir | 0o555, "etc": os.ModeSymlink | 0o777, "": os.ModeDir | 0o755,
	} {
		fi, err := os.Lstat(filepath.Join(dir, path))
		if err != nil || fi.Mode() != mode {
			t.Errorf("%s: %v, %v; want %v", path, fi, err, mode)
		}
	}
	a, _ := os.Stat(filepath.Join(dir, "usr/sbin/runc"))
	b, _ := os.Stat(filepath.Join(dir, "usr/bin/runc"))
	if !os.SameFile(a, b) || a.ModTime().Unix() != 1_600_000_000 {
		t.Errorf("hard link: %v and %v", a, b)
	}

	// Once more: nothing is touched, and no package is needed.
	if err := os.Remove(st.Path(def.Lock.Packages[0].Digest())); err != nil {
		t.Fatal(err)
	}
	if err := EngineRoot(ctx, st, def, dir); err != nil {
		t.Errorf("again: %v", err)
	}

	// Other packages replace it.
	def2 := define(t, st, "", deb{name: "runc", version: "2", files: []tar.Header{file("./two", "")}})
	if err := EngineRoot(ctx, st, def2, dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "two")); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "tmp")); err == nil {
		t.Error("files of the old root are left")
	}
	left, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the root: %v, %v", left, err)
	}
}

func TestEngineRootLeavesOthersAlone(t *testing.T) {
	ctx := context.Background()
	st := testStore(t)
	def := define(t, st, "", deb{name: "a", version: "1", files: []tar.Header{file("./a", "a")}})
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, "thesis"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := EngineRoot(ctx, st, def, home)
	if err == nil || !strings.Contains(err.Error(), "something else is in its place") || fault.HintOf(err) == "" {
		t.Errorf("error %v, hint %q", err, fault.HintOf(err))
	}
	if _, err := os.Stat(filepath.Join(home, "thesis")); err != nil {
		t.Error(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(home, link); err != nil {
		t.Fatal(err)
	}
	if err := EngineRoot(ctx, st, def, link); err == nil {
		t.Error("a link is replaced")
	}
	if err := EngineRoot(ctx, st, def, t.TempDir()); err != nil {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestEngineRootTwiceAtOnce(t *testing.T) {
	st := testStore(t)
	def := define(t, st, "", deb{name: "a", version: "1", files: []tar.Header{file("./a", "a"), file("./b", "b")}})
	dir := filepath.Join(t.TempDir(), "root")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := EngineRoot(context.Background(), st, def, dir); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) != 1 {
		t.Errorf("beside the root: %v, %v", left, err)
	}
}
