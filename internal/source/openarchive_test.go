package source

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/store"
)

// tarball writes "path", "content" pairs, dated epoch and later.
func tarball(t *testing.T, name string, pairs ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for i := 0; i < len(pairs); i += 2 {
		h := &tar.Header{Name: pairs[i], Mode: 0o640, Uid: 1000, Size: int64(len(pairs[i+1])), ModTime: time.Unix(epoch+int64(i), 0), Typeflag: tar.TypeReg}
		if target, ok := strings.CutPrefix(pairs[i+1], "->"); ok {
			h.Typeflag, h.Linkname, h.Size, pairs[i+1] = tar.TypeSymlink, target, 0, ""
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(pairs[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	name = filepath.Join(tempDir(t), name)
	if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestArchive(t *testing.T) {
	want := []string{"644 Cargo.toml = " + manifestA, "644 src/main.rs = fn main() {}"}
	for _, name := range []string{
		tarball(t, "a-1.0.0.tar.gz", "a-1.0.0/Cargo.toml", manifestA, "a-1.0.0/src/main.rs", "fn main() {}"),
		tarball(t, "flat.tgz", "Cargo.toml", manifestA, "src/main.rs", "fn main() {}"),
		tarball(t, "git.tar.gz", "x/Cargo.toml", manifestA, "x/.git/HEAD", "", "x/src/main.rs", "fn main() {}"),
	} {
		s := open(t, name, Options{})
		if diff := cmp.Diff(want, listing(t, s.Tree)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if s.Kind != KindArchive || len(s.Checksum) != 64 || s.Commit != "" || s.Dirty || s.Epoch < epoch || s.EpochFrom != FromArchive {
			t.Errorf("%s: %+v", name, s)
		}
	}
	refuse(t, tarball(t, "up.tar.gz", "a/Cargo.toml", manifestA, "a/../../x", "x"), Options{}, "..", "")
	refuse(t, tarball(t, "out.tar.gz", "a/Cargo.toml", manifestA, "a/l", "->../../x"), Options{}, "leads out of the source", "link inside")
	refuse(t, tarball(t, "x.zip", "a", ""), Options{}, "not a directory, a .crate or a tar archive", "unpack it")
}

// A .crate file is the crate that it is, under whatever name it was saved.
func TestCrateFile(t *testing.T) {
	st, err := store.Open(filepath.Join(tempDir(t), "store"))
	if err != nil {
		t.Fatal(err)
	}
	lock := "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n"
	name := tarball(t, "saved.crate", "a-1.0.0/Cargo.toml", manifestA, "a-1.0.0/Cargo.lock", lock, "a-1.0.0/src/main.rs", "fn main() {}")
	s := open(t, name, Options{Store: st})
	if s.Kind != KindCrate || s.Spec != "crate:a@1.0.0" || len(s.Checksum) != 64 || s.Epoch != epoch+4 {
		t.Errorf("%+v", s)
	}
	refuse(t, tarball(t, "b.crate", "b-1.0.0/Cargo.toml", manifestA), Options{Store: st}, "its folder is \"b-1.0.0\"", "cargo package")
	refuse(t, tarball(t, "c.crate", "c-1.0.0/x", ""), Options{Store: st}, "no Cargo.toml", "cargo package")
	// As from the registry, a crate without a lock is refused; what is named then can be opened.
	refuse(t, tarball(t, "d.crate", "a-1.0.0/Cargo.toml", manifestA), Options{Store: st}, "without a Cargo.lock", "")
}
