package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
)

// mount gives the test a tmpfs of its own.
func mount(t *testing.T, options string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a tmpfs")
	}
	dir := t.TempDir()
	if err := syscall.Mount("twice-test", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("needs the right to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting %s: %v", dir, err)
		}
	})
	return dir
}

func TestReadOnly(t *testing.T) {
	dir := mount(t, "size=1m")
	s, err := Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := s.PutBytes(t.Context(), []byte("blob"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remember(t.Context(), "kept", d, []byte("value")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(s.Dir()); err != nil {
		t.Fatalf("opening for reading: %v", err)
	}
	if b, err := s.ReadBytes(d, 10); err != nil || string(b) != "blob" {
		t.Errorf("ReadBytes = %q, %v", b, err)
	}
	if _, err := s.PutBytes(t.Context(), []byte("blob")); err != nil {
		t.Errorf("putting what is there: %v", err)
	}
	if got, n, err := s.Put(t.Context(), strings.NewReader("blob"), "", -1); err != nil || got != d || n != 4 {
		t.Errorf("putting what turns out to be there: %s, %d, %v", got, n, err)
	}
	if err := s.Remember(t.Context(), "kept", d, []byte("value")); err != nil {
		t.Errorf("remembering what is remembered: %v", err)
	}
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("bl")); err != nil || w.Reset() != nil || w.Suspend() != nil || w.Len() != 0 {
		t.Errorf("a blob that is begun and given up: %v", err)
	}
	_, _, unknown := s.Put(t.Context(), strings.NewReader("new"), "", -1)
	_, put := s.PutBytes(t.Context(), []byte("new"))
	_, fresh := Open(filepath.Join(dir, "fresh"))
	_, resume := s.Resume(t.Context(), digest.FromString("new"))
	for name, err := range map[string]error{
		"Put": put, "Put of anything": unknown, "Open": fresh, "Resume": resume,
		"Tag":                   s.Tag(t.Context(), "name", ocispec.Descriptor{Digest: d}),
		"Remember":              s.Remember(t.Context(), "kind", d, nil),
		"Remember what changed": s.Remember(t.Context(), "kept", d, []byte("another")),
	} {
		if !errors.Is(err, syscall.EROFS) || !strings.Contains(fault.HintOf(err), "TWICE_CACHE") {
			t.Errorf("%s: %v; hint %q", name, err, fault.HintOf(err))
		}
	}
}

func TestFullDisk(t *testing.T) {
	s, err := Open(filepath.Join(mount(t, "size=256k"), "store"))
	if err != nil {
		t.Fatal(err)
	}
	content := strings.Repeat("x", 512<<10)
	_, _, put := s.Put(t.Context(), strings.NewReader(content), "", -1)
	w, err := s.Resume(t.Context(), digest.FromString(content))
	if err != nil {
		t.Fatal(err)
	}
	_, resumed := w.Write([]byte(content))
	for name, err := range map[string]error{"Put": put, "Resume": resumed} {
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(fault.HintOf(err), "free some space") {
			t.Errorf("%s: %v; hint %q", name, err, fault.HintOf(err))
		}
	}
	if left := ingest(t, s); len(left) > 0 {
		t.Errorf("left in ingest: %v", left)
	}
	if _, err := s.PutBytes(t.Context(), []byte(content[:64<<10])); err != nil {
		t.Errorf("the space was not given back: %v", err)
	}
}
