package layer

import (
	"archive/tar"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

// rawTar writes headers as they are.
func rawTar(t testing.TB, hs ...*tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, h := range hs {
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(make([]byte, h.Size)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readAll(t testing.TB, b []byte, limits Limits) ([]string, error) {
	t.Helper()
	var got []string
	err := ReadTar(t.Context(), bytes.NewReader(b), limits, func(h *tar.Header, r io.Reader) error {
		s := string(h.Typeflag) + " " + h.Name
		if h.Linkname != "" {
			s += " " + h.Linkname
		}
		got = append(got, s)
		return nil
	})
	return got, err
}

func TestReadTarCleansNames(t *testing.T) {
	b := rawTar(t,
		&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "0123"}},
		&tar.Header{Typeflag: tar.TypeDir, Name: "./"},
		&tar.Header{Typeflag: tar.TypeDir, Name: "./usr/"},
		&tar.Header{Typeflag: tar.TypeReg, Name: "./usr//f", Size: 3},
		&tar.Header{Typeflag: tar.TypeLink, Name: "usr/g", Linkname: "./usr/f"},
		&tar.Header{Typeflag: tar.TypeSymlink, Name: "l", Linkname: "../../etc"},
		&tar.Header{Typeflag: tar.TypeCont, Name: "c", Size: 1})
	got, err := readAll(t, b, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"5 .", "5 usr", "0 usr/f", "1 usr/g usr/f", "2 l ../../etc", "0 c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReadTarLimits(t *testing.T) {
	absolute := &tar.Header{Typeflag: tar.TypeLink, Name: "/a", Linkname: "/b/c"}
	fifo := &tar.Header{Typeflag: tar.TypeFifo, Name: "p"}
	char := &tar.Header{Typeflag: tar.TypeChar, Name: "dev/null", Devmajor: 1, Devminor: 3}
	file := &tar.Header{Typeflag: tar.TypeReg, Name: "f", Size: 1000}
	for _, test := range []struct {
		limits Limits
		h      *tar.Header
		want   string // error, or what is read
	}{
		{Limits{}, absolute, "absolute"},
		{Limits{Rooted: true}, absolute, "1 a b/c"},
		{Limits{}, fifo, "a device or fifo"},
		{Limits{Devices: true}, fifo, "6 p"},
		{Limits{}, char, "a device or fifo"},
		{Limits{Devices: true}, char, "3 dev/null"},
		{Limits{File: 999}, file, "more than 999"},
		{Limits{File: 1000}, file, "0 f"},
		{Limits{Total: 999}, file, "more than 999"},
		{Limits{}, &tar.Header{Typeflag: tar.TypeReg, Name: "../x"}, "climbs"},
		{Limits{}, &tar.Header{Typeflag: tar.TypeReg, Name: "a/../b"}, "climbs"},
		{Limits{Rooted: true}, &tar.Header{Typeflag: tar.TypeReg, Name: "/../x"}, "climbs"},
		{Limits{}, &tar.Header{Typeflag: tar.TypeLink, Name: "x", Linkname: "../y"}, "climbs"},
		{Limits{}, &tar.Header{Typeflag: tar.TypeReg, Name: "."}, "root is not a directory"},
		{Limits{}, &tar.Header{Typeflag: tar.TypeSymlink, Name: "x"}, "symbolic link"},
		{Limits{}, &tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("n", 300)}, "longer than 255"},
		{Limits{}, &tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("n/", 2100) + "x"}, "longer than 4096"},
		{Limits{}, &tar.Header{Typeflag: 'M', Name: "x"}, "unknown type"},
		{Limits{}, &tar.Header{Typeflag: tar.TypeReg, Name: "x", Uid: 1 << 40}, "out of range"},
	} {
		got, err := readAll(t, rawTar(t, test.h), test.limits)
		if err != nil {
			got = append(got, err.Error())
		}
		if s := strings.Join(got, "\n"); !strings.Contains(s, test.want) {
			t.Errorf("%c %.40q %+v: %q, want %q", test.h.Typeflag, test.h.Name, test.limits, s, test.want)
		}
	}
	_, err := readAll(t, rawTar(t, file, file, file), Limits{Entries: 2})
	if err == nil || !strings.Contains(err.Error(), "more than 2 entries") {
		t.Errorf("3 entries where 2 are allowed: %v", err)
	}
	_, err = readAll(t, rawTar(t, file)[:700], Limits{})
	if err == nil {
		t.Error("a tar that is cut off passes")
	}
}

func FuzzReadTar(f *testing.F) {
	mutate.Add(f, tarOf(f, goldenishTree(f)))
	mutate.Add(f, rawTar(f, &tar.Header{Typeflag: tar.TypeChar, Name: "/dev/null", Devmajor: 1, Devminor: 3}))
	mutate.Add(f, rawTar(f, &tar.Header{Typeflag: tar.TypeReg, Name: "../x", PAXRecords: map[string]string{"SCHILY.xattr.user.x": "y"}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		limits := Limits{Entries: 1000, File: 1 << 20, Total: 1 << 22, Devices: true, Rooted: true}
		tree := NewTree()
		err := ReadTar(t.Context(), bytes.NewReader(b), limits, func(h *tar.Header, r io.Reader) error {
			if h.Name != "." {
				if err := CheckPath(h.Name); err != nil {
					t.Errorf("name: %v", err)
				}
			}
			if h.Size < 0 || h.Size > limits.File {
				t.Errorf("size %d", h.Size)
			}
			content, err := io.ReadAll(io.LimitReader(r, limits.File+1))
			if err != nil {
				return err
			}
			// The tree refuses what isn't for it, and nothing else may happen.
			_ = tree.Add(Entry{
				Path: h.Name, Type: h.Typeflag, Mode: h.Mode & 0o7777, UID: h.Uid, GID: h.Gid, ModTime: max(0, h.ModTime.Unix()),
				Size: h.Size, Linkname: h.Linkname, Open: open(h, content),
			})
			return nil
		})
		if err != nil {
			return
		}
		// What a tree took can be written, and comes back the same.
		first := tarOf(t, tree)
		again := NewTree()
		err = ReadTar(t.Context(), bytes.NewReader(first), limits, func(h *tar.Header, r io.Reader) error {
			content, err := io.ReadAll(r)
			if err != nil {
				return err
			}
			return again.Add(Entry{
				Path: h.Name, Type: h.Typeflag, Mode: h.Mode, UID: h.Uid, GID: h.Gid, ModTime: h.ModTime.Unix(),
				Size: h.Size, Linkname: h.Linkname, Open: open(h, content),
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, tarOf(t, again)) {
			t.Error("a canonical tar doesn't come back the same")
		}
	})
}

func open(h *tar.Header, content []byte) func() (io.ReadCloser, error) {
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
}

func goldenishTree(t testing.TB) *Tree {
	return build(t, text("a/b", "content"), Link("a/c", "a/b"), Symlink("l", "a", 1), text("ümlaut", ""))
}
