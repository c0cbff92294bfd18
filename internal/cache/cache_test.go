package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/craton-co/twice/internal/fault"
	"github.com/craton-co/twice/internal/store"
)

func put(t *testing.T, st *store.Store, size int, used time.Duration) digest.Digest {
	t.Helper()
	d, err := st.PutBytes(context.Background(), []byte(strings.Repeat("x", size)+used.String()))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-used)
	if err := os.Chtimes(st.Path(d), at, at); err != nil {
		t.Fatal(err)
	}
	return d
}

func write(t *testing.T, name string, size int, used time.Duration) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, make([]byte, size), 0o644); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-used)
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

const mib = 1 << 20

// What was used longest ago goes first, whatever it is; what is used stays.
func TestClear(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	st, err := store.Open(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	old, fresh, looked := put(t, st, mib, 72*time.Hour), put(t, st, mib, 2*time.Hour), put(t, st, mib, 96*time.Hour)
	if err := st.Remember(ctx, "verdict", old, []byte("kept")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "engine/buildkit/cache.db"), 2*mib, time.Hour)
	write(t, filepath.Join(dir, "engine/lock"), 4, 48*time.Hour)
	write(t, filepath.Join(dir, "git/objects/pack"), mib, 24*time.Hour)
	write(t, filepath.Join(dir, "scratch/run-1/out"), mib, time.Minute)
	write(t, filepath.Join(dir, "engine/buildkit/snapshot"), 1, -100*24*time.Hour) // of tomorrow, as a build may write
	list, err := List(ctx, dir)
	if err != nil || list[2].Name != "engine" || time.Since(list[2].Used) < 47*time.Hour || list[2].Files != 3 {
		t.Errorf("%+v, %v", list, err)
	}
	if !st.Has(looked) { // that is a use
		t.Fatal("blob missing")
	}
	if err := st.Tag(ctx, "base@1", ocispec.Descriptor{Digest: old, MediaType: "application/octet-stream"}); err != nil {
		t.Fatal(err)
	}
	dry, err := Clear(ctx, dir, 3*mib+mib/2, true)
	if err != nil {
		t.Fatal(err)
	}
	if !store.IsStore(filepath.Join(dir, "store")) || !st.Has(fresh) {
		t.Error("a dry run removed something")
	}
	back := time.Now().Add(-2 * time.Hour)
	for _, d := range []digest.Digest{fresh} {
		if err := os.Chtimes(st.Path(d), back, back); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Clear(ctx, dir, 3*mib+mib/2, false)
	if err != nil {
		t.Fatal(err)
	}
	want := "scratch " + old.String() + " engine"
	if list := strings.Join(got.Removed, " "); list != want || list != strings.Join(dry.Removed, " ") {
		t.Errorf("removed %s, want %s; the dry run said %s", list, want, dry.Removed)
	}
	if got.After != dry.After || got.After > 3*mib+mib/2 {
		t.Errorf("%+v, %+v", got, dry)
	}
	if st.Has(old) || !st.Has(fresh) || !st.Has(looked) {
		t.Error("another blob was removed than the one that was used longest ago")
	}
	if _, ok := st.Recall("verdict", old); !ok {
		t.Error("a verdict was forgotten")
	}
	if _, err := st.Resolve("base@1"); err == nil {
		t.Error("a name is left of what was removed")
	}
	for name, there := range map[string]bool{"engine/lock": true, "engine/buildkit": false, "git/objects/pack": true, "scratch/run-1": false} {
		if _, err := os.Stat(filepath.Join(dir, name)); (err == nil) != there {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err = Clear(ctx, dir, 0, false); err != nil || st.Has(fresh) || got.After > mib/4 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Clear(ctx, t.TempDir(), 0, false); err != nil {
		t.Errorf("an empty cache: %v", err)
	}
}

// A cache that somebody else has filled leads nowhere: what is outside stays.
func TestClearStaysWithin(t *testing.T) {
	for _, name := range []string{"scratch", "store/ingest", "store/blobs", "store/blobs/sha256", "store", "git", "engine", "engine/buildkit"} {
		dir, outside := t.TempDir(), t.TempDir()
		if _, err := store.Open(filepath.Join(dir, "store")); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(outside, "precious"), mib, 200*time.Hour)
		write(t, filepath.Join(outside, "buildkit", "precious"), mib, 200*time.Hour)
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.RemoveAll(path), os.Symlink(outside, path)); err != nil {
			t.Fatal(err)
		}
		_, err := Clear(t.Context(), dir, 0, false)
		if err == nil || err.Error() != "clearing the cache: "+path+" is not a directory" || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
		for _, f := range []string{"precious", "buildkit/precious"} {
			if _, err := os.Stat(filepath.Join(outside, f)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Who clears waits for those who use, and they wait for who clears.
func TestUse(t *testing.T) {
	dir := t.TempDir()
	short := func() context.Context {
		ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	first, err := store.Use(short(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := store.Use(short(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	waited := false
	if _, err := store.UseAlone(short(), dir, func() { waited = true }); !errors.Is(err, context.DeadlineExceeded) || !waited {
		t.Errorf("%v, waited %v", err, waited)
	}
	if err := errors.Join(first(), second()); err != nil {
		t.Fatal(err)
	}
	alone, err := store.UseAlone(short(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Use(short(), dir, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if err := alone(); err != nil {
		t.Fatal(err)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"10GB": 1e10, "512MiB": 512 << 20, "0": 0, "1.5GiB": 3 << 29, "7B": 7, "12": 12, "2 kB": 2000, "x": -1, "-1GB": -1, "": -1, "1e99GB": -1} {
		got, err := ParseSize(text)
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%s: %d, want %d (%v)", text, got, want, err)
		}
	}
}
