package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/mutate"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

func open(t *testing.T) *Store {
	t.Helper()
	s, err := Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ingest(t *testing.T, s *Store) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(s.Dir(), "ingest", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestPutAndRead(t *testing.T) {
	s, ctx := open(t), t.Context()
	content := []byte("hello")
	d, n, err := s.Put(ctx, bytes.NewReader(content), "", -1)
	if err != nil {
		t.Fatal(err)
	}
	if d != digest.FromBytes(content) || n != 5 {
		t.Errorf("Put = %s, %d", d, n)
	}
	if !s.Has(d) {
		t.Error("Has = false")
	}
	if got, err := s.ReadBytes(d, 5); err != nil || !bytes.Equal(got, content) {
		t.Errorf("ReadBytes = %q, %v", got, err)
	}
	if _, err := s.ReadBytes(d, 4); err == nil {
		t.Error("ReadBytes beyond its limit: no error")
	}
	if err := s.Verify(ctx, d); err != nil {
		t.Error(err)
	}
	fi, err := os.Stat(s.Path(d))
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode().Perm() != 0o444 {
		t.Errorf("mode %v, want 0444", fi.Mode())
	}
	if want := filepath.Join(s.Dir(), "blobs", "sha256", d.Encoded()); s.Path(d) != want {
		t.Errorf("Path = %s, want %s", s.Path(d), want)
	}
	if left := ingest(t, s); len(left) > 0 {
		t.Errorf("left in ingest: %v", left)
	}
}

func TestAbsent(t *testing.T) {
	s, d := open(t), digest.FromString("absent")
	if s.Has(d) {
		t.Error("Has = true")
	}
	if _, err := s.Open(d); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open: %v", err)
	}
	if _, err := s.Size(d); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Size: %v", err)
	}
	if err := s.Verify(t.Context(), d); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Verify: %v", err)
	}
}

func TestHostileDigests(t *testing.T) {
	s := open(t)
	for _, d := range []digest.Digest{
		"", "sha256:", "sha256:..", "../../etc/passwd", "sha256:" + digest.Digest(strings.Repeat("../", 22)[:64]),
		"sha256:" + digest.Digest(strings.Repeat("A", 64)), "sha512:" + digest.Digest(strings.Repeat("0", 128)), "md5:d41d8cd98f00b204e9800998ecf8427e",
	} {
		if p := s.Path(d); p != "" {
			t.Errorf("Path(%q) = %q", d, p)
		}
		if s.Has(d) {
			t.Errorf("Has(%q)", d)
		}
		if _, err := s.Open(d); err == nil {
			t.Errorf("Open(%q): no error", d)
		}
		if _, err := s.Resume(t.Context(), d); err == nil {
			t.Errorf("Resume(%q): no error", d)
		}
		if err := s.Remember(t.Context(), "kind", d, nil); err == nil {
			t.Errorf("Remember(%q): no error", d)
		}
		if d == "" {
			continue
		}
		if _, _, err := s.Put(t.Context(), strings.NewReader(""), d, -1); err == nil {
			t.Errorf("Put(%q): no error", d)
		}
	}
}

func TestMismatch(t *testing.T) {
	s, ctx := open(t), t.Context()
	right, wrong := digest.FromString("right"), digest.FromString("wrong")
	for name, c := range map[string]struct {
		expect digest.Digest
		size   int64
		want   MismatchError
		text   string
	}{
		"digest": {right, -1, MismatchError{right, wrong, -1, 5},
			"content is " + wrong.String() + " (5 bytes), expected " + right.String()},
		"both": {right, 5, MismatchError{right, wrong, 5, 5},
			"content is " + wrong.String() + " (5 bytes), expected " + right.String() + " (5 bytes)"},
		"short": {wrong, 6, MismatchError{wrong, wrong, 6, 5},
			"content is " + wrong.String() + " (5 bytes), expected 6 bytes"},
		"long": {wrong, 4, MismatchError{wrong, "", 4, 5}, "content has more than the expected 4 bytes"},
	} {
		_, _, err := s.Put(ctx, strings.NewReader("wrong"), c.expect, c.size)
		var got *MismatchError
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(&c.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		if err.Error() != c.text {
			t.Errorf("%s: %q, want %q", name, err, c.text)
		}
	}
	if left := ingest(t, s); s.Has(wrong) || s.Has(right) || len(left) > 0 {
		t.Errorf("something was kept: %v", left)
	}
}

// A reader that yields more than it should is not read to its end.
func TestPutStopsReading(t *testing.T) {
	s := open(t)
	endless := &countingReader{}
	_, _, err := s.Put(t.Context(), endless, digest.FromString("x"), 10)
	var m *MismatchError
	if !errors.As(err, &m) {
		t.Errorf("Put: %v", err)
	}
	if endless.n > 11 {
		t.Errorf("read %d bytes of 10", endless.n)
	}
}

type countingReader struct{ n int }

func (c *countingReader) Read(p []byte) (int, error) { c.n += len(p); return len(p), nil }

func TestPutReusesWhatThereIs(t *testing.T) {
	s, ctx := open(t), t.Context()
	d, err := s.PutBytes(ctx, []byte("blob"))
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(s.Path(d))
	if err != nil {
		t.Fatal(err)
	}
	unread := &countingReader{}
	if got, n, err := s.Put(ctx, unread, d, 4); err != nil || got != d || n != 4 || unread.n > 0 {
		t.Errorf("Put = %s, %d, %v after %d bytes", got, n, err, unread.n)
	}
	// Without an expected digest it has to be read, but not be kept twice.
	if got, _, err := s.Put(ctx, strings.NewReader("blob"), "", -1); err != nil || got != d {
		t.Errorf("Put = %s, %v", got, err)
	}
	after, err := os.Stat(s.Path(d))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the blob was replaced")
	}
	// What a crash or a disk error has cut short is.
	truncate(t, s, d, "bl")
	if _, _, err := s.Put(ctx, strings.NewReader("blob"), d, 4); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(ctx, d); err != nil {
		t.Error(err)
	}
}

func truncate(t *testing.T, s *Store, d digest.Digest, content string) {
	t.Helper()
	if err := os.Chmod(s.Path(d), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path(d), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCorruption(t *testing.T) {
	s, ctx := open(t), t.Context()
	for name, read := range map[string]func(digest.Digest) error{
		"Verify":    func(d digest.Digest) error { return s.Verify(ctx, d) },
		"ReadBytes": func(d digest.Digest) error { _, err := s.ReadBytes(d, 100); return err },
	} {
		d, err := s.PutBytes(ctx, []byte("sound"))
		if err != nil {
			t.Fatal(err)
		}
		truncate(t, s, d, "sOund")
		err = read(d)
		want := &CorruptError{Digest: d, Got: digest.FromString("sOund"), Path: s.Path(d), Removed: true}
		var got *CorruptError
		if !errors.As(err, &got) {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		if s.Has(d) {
			t.Errorf("%s: the corrupted blob is still there", name)
		}
	}
}

// Whatever happens to a blob at rest is found before anybody gets its bytes.
func TestMutations(t *testing.T) {
	s, ctx := open(t), t.Context()
	r := rand.New(rand.NewPCG(20261127, 3))
	sound := bytes.Repeat([]byte("sound "), 30)
	for range 300 {
		d, err := s.PutBytes(ctx, sound)
		if err != nil {
			t.Fatal(err)
		}
		truncate(t, s, d, string(mutate.Bytes(r, sound)))
		var bad *CorruptError
		if _, err := s.ReadBytes(d, 1000); !errors.As(err, &bad) {
			t.Fatalf("a damaged blob was read: %v", err)
		}
	}
}

func TestCancel(t *testing.T) {
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	r := io.MultiReader(strings.NewReader("begin"), readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, nil
	}))
	if _, _, err := s.Put(ctx, r, "", -1); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v", err)
	}
	if left := ingest(t, s); len(left) > 0 {
		t.Errorf("left in ingest: %v", left)
	}
	if _, err := os.ReadDir(filepath.Join(s.Dir(), "blobs", "sha256")); err != nil {
		t.Error(err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestWriterEndsOnce(t *testing.T) {
	s := open(t)
	w, err := s.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "once")
	d, _, err := w.Commit("", -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("more")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Write after Commit: %v", err)
	}
	if _, _, err := w.Commit("", -1); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("second Commit: %v", err)
	}
	if err := w.Abort(); err != nil {
		t.Errorf("Abort after Commit: %v", err)
	}
	if !s.Has(d) {
		t.Error("Abort after Commit removed the blob")
	}
}

func TestDefaultDir(t *testing.T) {
	t.Setenv("HOME", "/home/u")
	for _, c := range []struct{ twice, xdg, want string }{
		{"/c", "/x", "/c"},
		{"", "/x", "/x/twice"},
		{"", "relative is to be ignored", "/home/u/.cache/twice"},
		{"", "", "/home/u/.cache/twice"},
	} {
		t.Setenv("TWICE_CACHE", c.twice)
		t.Setenv("XDG_CACHE_HOME", c.xdg)
		if got, err := DefaultDir(); err != nil || got != c.want {
			t.Errorf("%q, %q: DefaultDir = %q, %v, want %q", c.twice, c.xdg, got, err, c.want)
		}
	}
}
