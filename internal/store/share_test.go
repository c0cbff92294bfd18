package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// The test binary is its own second process: TWICE_TEST_CHILD says what it
// does with the store TWICE_TEST_STORE.
func TestMain(m *testing.M) {
	switch os.Getenv("TWICE_TEST_CHILD") {
	case "":
		os.Exit(m.Run())
	case "hold": // half a blob, until it is killed
		s, err := Open(os.Getenv("TWICE_TEST_STORE"))
		check1(err)
		w, err := s.Resume(context.Background(), digest.FromString("hello world"))
		check1(err)
		_, err = io.WriteString(w, "hello ")
		check1(err)
		tmp, err := s.Create(context.Background())
		check1(err)
		_, err = io.WriteString(tmp, "something else")
		check1(err)
		fmt.Println("ready")
		select {}
	case "write":
		s, err := Open(os.Getenv("TWICE_TEST_STORE"))
		check1(err)
		for i := range 40 {
			d, err := s.PutBytes(context.Background(), fmt.Append(nil, "blob ", i))
			check1(err)
			check1(s.Tag(context.Background(), fmt.Sprint(os.Getenv("TWICE_TEST_NAME"), "-", i), ocispec.Descriptor{Digest: d, Size: 6}))
		}
	}
}

func check1(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(t *testing.T, s string, what, name string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "TWICE_TEST_CHILD="+what, "TWICE_TEST_STORE="+s, "TWICE_TEST_NAME="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

// Processes that create one store, write the same blobs and tag them, all at
// once, lose nothing.
func TestProcessesShareAStore(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		cmd := child(t, dir, "write", name)
		wg.Go(func() {
			if err := cmd.Run(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		for _, name := range []string{"a", "b", "c"} {
			d, err := s.Resolve(fmt.Sprint(name, "-", i))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(t.Context(), d.Digest); err != nil {
				t.Error(err)
			}
		}
	}
	if left := ingest(t, s); len(left) > 0 {
		t.Errorf("left in ingest: %v", left)
	}
}

// While a process writes, its files are safe from other processes' sweeps and
// its download is nobody else's. Once it is dead, they are had or swept.
func TestKilledWriter(t *testing.T) {
	s := open(t)
	cmd := child(t, s.Dir(), "hold", "")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("child: %q, %v", line, err)
	}
	if _, err := Open(s.Dir()); err != nil {
		t.Fatal(err)
	}
	if n := len(ingest(t, s)); n != 2 {
		t.Errorf("%d files in ingest, want the child's 2", n)
	}
	d := digest.FromString("hello world")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Resume(ctx, d); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Resume beside a living writer: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	if _, err := Open(s.Dir()); err != nil {
		t.Fatal(err)
	}
	if got := ingest(t, s); len(got) != 1 || !isPart(got[0]) {
		t.Errorf("in ingest: %v, want the part", got)
	}
	w, err := s.Resume(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if w.Len() != 6 {
		t.Fatalf("Len = %d, want 6", w.Len())
	}
	io.WriteString(w, "world")
	if _, _, err := w.Commit(d, 11); err != nil {
		t.Error(err)
	}
}

func TestResume(t *testing.T) {
	s, ctx := open(t), t.Context()
	d := digest.FromString("hello world")
	write := func(text string, wantLen int64) *Writer {
		t.Helper()
		w, err := s.Resume(ctx, d)
		if err != nil {
			t.Fatal(err)
		}
		if w.Len() != wantLen {
			t.Errorf("Len = %d, want %d", w.Len(), wantLen)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		return w
	}
	if err := write("hello", 0).Suspend(); err != nil {
		t.Fatal(err)
	}
	if err := write(" w", 5).Suspend(); err != nil {
		t.Fatal(err)
	}
	// A wrong end spoils the whole.
	var m *MismatchError
	if _, _, err := write("OOPS", 7).Commit(d, 11); !errors.As(err, &m) {
		t.Errorf("Commit: %v", err)
	}
	w := write("garbage", 0)
	if err := w.Reset(); err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, "hello world")
	if _, _, err := w.Commit(d, 11); err != nil {
		t.Fatal(err)
	}
	if b, err := s.ReadBytes(d, 11); err != nil || string(b) != "hello world" {
		t.Errorf("ReadBytes = %q, %v", b, err)
	}
	// Nothing written is nothing kept.
	if err := write("", 0).Suspend(); err != nil {
		t.Fatal(err)
	}
	if left := ingest(t, s); len(left) > 0 {
		t.Errorf("left in ingest: %v", left)
	}
}

func TestTag(t *testing.T) {
	s, ctx := open(t), t.Context()
	desc := func(content string) ocispec.Descriptor {
		return ocispec.Descriptor{
			MediaType: ocispec.MediaTypeImageManifest, Digest: digest.FromString(content), Size: 3,
			Annotations: map[string]string{"k": "v", ocispec.AnnotationRefName: "overridden"},
		}
	}
	given := desc("one")
	for name, d := range map[string]ocispec.Descriptor{"b": given, "a": desc("two")} {
		if err := s.Tag(ctx, name, d); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(desc("one"), given); diff != "" {
		t.Errorf("Tag changed its argument:\n%s", diff)
	}
	if err := s.Tag(ctx, "b", desc("three")); err != nil {
		t.Fatal(err)
	}
	got, err := s.Resolve("b")
	if err != nil {
		t.Fatal(err)
	}
	want := desc("three")
	want.Annotations[ocispec.AnnotationRefName] = "b"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	ix, err := s.index()
	if err != nil || len(ix.Manifests) != 2 || refName(ix.Manifests[0]) != "a" {
		t.Errorf("index %+v, %v; want a and b, in this order", ix.Manifests, err)
	}
	if _, err := s.Resolve("c"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Resolve: %v", err)
	}
	if err := s.Tag(ctx, "", want); err == nil {
		t.Error("an empty name was taken")
	}
	if err := s.Tag(ctx, "x", ocispec.Descriptor{Digest: "sha256:no"}); err == nil {
		t.Error("a bad digest was taken")
	}
}

func TestMemo(t *testing.T) {
	s, ctx := open(t), t.Context()
	key := digest.FromString("key")
	if _, ok := s.Recall("vendor", key); ok {
		t.Error("recalled what was never remembered")
	}
	for _, value := range []string{"first", "second\nline", ""} {
		if err := s.Remember(ctx, "vendor", key, []byte(value)); err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Recall("vendor", key); !ok || string(got) != value {
			t.Errorf("Recall = %q, %v, want %q", got, ok, value)
		}
	}
	if _, ok := s.Recall("other", key); ok {
		t.Error("recalled from another kind")
	}
	name := s.file("memo/vendor/" + key.Encoded())
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, damaged := range []string{string(b) + "x", strings.TrimSpace(string(b)), ""} {
		if err := os.WriteFile(name, []byte(damaged), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Recall("vendor", key); ok {
			t.Errorf("recalled the damaged %q", damaged)
		}
	}
	for _, kind := range []string{"", "..", "a/b", "A"} {
		if err := s.Remember(ctx, kind, key, nil); err == nil {
			t.Errorf("kind %q was taken", kind)
		}
	}
}

// Goroutines that put the same blobs, whole and as resumed downloads, while others open the
// store and sweep it, lose nothing either.
func TestGoroutinesShareAStore(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			s, err := Open(dir) // the first ones make it
			if err != nil {
				t.Error(err)
				return
			}
			for i := range 50 {
				text := fmt.Sprint("blob ", i)
				d := digest.FromString(text)
				switch g % 4 {
				case 0:
					_, err = s.PutBytes(ctx, []byte(text))
				case 1:
					_, err = Open(dir)
				case 2:
					err = errors.Join(s.Remember(ctx, "kind", d, []byte(text)), s.Tag(ctx, fmt.Sprint(g), ocispec.Descriptor{Digest: d, Size: int64(len(text))}))
				default:
					var w *Writer
					if w, err = s.Resume(ctx, d); err != nil {
						break
					}
					if _, err = io.WriteString(w, text[w.Len():]); err == nil && i%3 == 0 {
						err = w.Suspend() // the next one goes on from there
					} else if err == nil {
						_, _, err = w.Commit(d, int64(len(text)))
					}
				}
				if err != nil {
					t.Errorf("%d of %d: %v", i, g, err)
				}
			}
		})
	}
	wg.Wait()
}
