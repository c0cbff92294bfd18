package layer

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func tarOf(t testing.TB, tree *Tree) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteTar(t.Context(), &b, tree); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func headers(t testing.TB, b []byte) []*tar.Header {
	t.Helper()
	var all []*tar.Header
	tr := tar.NewReader(bytes.NewReader(b))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
}

func TestTarHeaders(t *testing.T) {
	long := strings.Repeat("long/", 60) + "name"
	f := File("bin/tool", 0o4755, 1700000000, []byte("content"))
	f.UID, f.GID = 1000, 0o7777777
	big := text("big-id", "")
	big.UID = 1 << 30
	got := headers(t, tarOf(t, build(t,
		f, Link("bin/again", "bin/tool"), Symlink("lib", "usr/lib", 5), text(long, ""), text("ümlaut", ""), big)))
	var names []string
	for _, h := range got {
		if !strings.HasPrefix(h.Name, "long/") || h.Typeflag != tar.TypeDir {
			names = append(names, h.Name)
		}
		if h.Uname != "" || h.Gname != "" || !h.AccessTime.IsZero() || !h.ChangeTime.IsZero() || h.Devmajor != 0 || h.Devminor != 0 {
			t.Errorf("%s: %+v has what a canonical header lacks", h.Name, h)
		}
		wantPAX := map[string]string(nil)
		switch h.Name {
		case long:
			wantPAX = map[string]string{"path": long}
		case "ümlaut":
			wantPAX = map[string]string{"path": h.Name}
		case "big-id":
			wantPAX = map[string]string{"uid": "1073741824"}
		}
		if len(h.Name) < 250 && h.Typeflag == tar.TypeDir && h.Format != tar.FormatUSTAR {
			t.Errorf("%s: format %v, want USTAR", h.Name, h.Format)
		}
		if h.Typeflag == tar.TypeDir && len(h.Name) > 250 {
			continue
		}
		if diff := cmp.Diff(wantPAX, h.PAXRecords); diff != "" {
			t.Errorf("%s: PAX records: %s", h.Name, diff)
		}
	}
	want := []string{"big-id", "bin/", "bin/again", "bin/tool", "lib", long, "ümlaut"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	wantTool := &tar.Header{
		Typeflag: tar.TypeReg, Name: "bin/again", Size: 7, Mode: 0o4755, Uid: 1000, Gid: 0o7777777,
		ModTime: time.Unix(1700000000, 0), Format: tar.FormatUSTAR,
	}
	if diff := cmp.Diff(wantTool, got[2], cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

// The size of the archive is that of its blocks and two zero blocks.
func TestTarEnd(t *testing.T) {
	b := tarOf(t, build(t, text("f", "x")))
	if len(b) != 512+512+1024 {
		t.Errorf("%d bytes, want one header, one block, two zero blocks", len(b))
	}
	if len(bytes.Trim(b[1024:], "\x00")) > 0 {
		t.Error("the end is not zero")
	}
}

func TestTarContentMustHaveItsSize(t *testing.T) {
	for _, size := range []int64{0, 2, 4} {
		e := text("dir/f", "abc")
		e.Size = size
		err := WriteTar(t.Context(), io.Discard, build(t, e))
		if size == 0 {
			continue // Open isn't called
		}
		if err == nil || !strings.Contains(err.Error(), "dir/f") {
			t.Errorf("3 bytes announced as %d: %v, want an error that names the file", size, err)
		}
	}
	e := text("f", "abc")
	e.Open = func() (io.ReadCloser, error) { return nil, errors.New("gone") }
	if err := WriteTar(t.Context(), io.Discard, build(t, e)); err == nil || err.Error() != "f: gone" {
		t.Errorf("%v, want the error of Open", err)
	}
}

func TestTarStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if err := WriteTar(ctx, io.Discard, build(t, text("f", ""))); !errors.Is(err, enough) {
		t.Errorf("%v, want the cause", err)
	}
}

type limitedWriter int

func (w *limitedWriter) Write(p []byte) (int, error) {
	if *w -= limitedWriter(len(p)); *w < 0 {
		return 0, errFull
	}
	return len(p), nil
}

var errFull = errors.New("full")

func TestTarReportsItsWriter(t *testing.T) {
	for n := range 4 {
		w := limitedWriter(n * 512)
		if err := WriteTar(t.Context(), &w, build(t, text("ümlaut", "x"))); !errors.Is(err, errFull) {
			t.Errorf("full after %d blocks: %v", n, err)
		}
	}
}
