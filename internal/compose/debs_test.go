package compose

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/craton-co/twice/images"
	"github.com/craton-co/twice/internal/store"
)

// lockDate is that of the locks that these tests make.
var lockDate = time.Date(2026, 7, 11, 10, 16, 37, 0, time.UTC)

// A deb is a .deb to be written. Files are tar headers; Linkname doubles as a
// regular file's content.
type deb struct {
	name, version string
	control       string // more fields
	files         []tar.Header
	data          []byte // data.tar as it is, in the place of files
}

func file(name, content string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Linkname: content, Mode: 0o644}
}

func dir(name string, mode int64) tar.Header {
	return tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode}
}

func symlink(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}
}

func hardlink(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target, Mode: 0o644}
}

func writeTar(t testing.TB, files []tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range files {
		var content string
		if h.Typeflag == tar.TypeReg {
			content, h.Linkname, h.Size = h.Linkname, "", int64(len(h.Linkname))
		}
		if h.ModTime.IsZero() {
			h.ModTime = time.Unix(1_600_000_000, 0)
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (d deb) bytes(t testing.TB) []byte {
	t.Helper()
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: amd64\n%s", d.name, d.version, d.control)
	var sums strings.Builder
	for _, f := range d.files {
		if f.Typeflag == tar.TypeReg {
			fmt.Fprintf(&sums, "d41d8cd98f00b204e9800998ecf8427e  %s\n", strings.TrimPrefix(f.Name, "./"))
		}
	}
	data := d.data
	if data == nil {
		data = writeTar(t, d.files)
	}
	b := []byte("!<arch>\n")
	for _, m := range []struct {
		name string
		data []byte
	}{
		{"debian-binary", []byte("2.0\n")},
		{"control.tar", writeTar(t, []tar.Header{file("./control", control), file("./md5sums", sums.String())})},
		{"data.tar", data},
	} {
		b = fmt.Appendf(b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.name, 0, 0, 0, "100644", len(m.data))
		b = append(b, m.data...)
	}
	return b
}

// put stores the .deb and returns its entry in a lock.
func (d deb) put(t testing.TB, st *store.Store) images.Package {
	t.Helper()
	b := d.bytes(t)
	sum, err := st.PutBytes(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	return images.Package{
		Name: d.name, Version: d.version, Architecture: "amd64", Source: d.name,
		Path: "pool/main/x/" + d.name + ".deb", Size: int64(len(b)), SHA256: sum.Encoded(),
	}
}

// define returns a definition of these packages, with more of an image.toml.
func define(t testing.TB, st *store.Store, text string, debs ...deb) images.Definition {
	t.Helper()
	head := `
name = "test"
description = ""
suite = "bookworm"
component = "main"
architecture = "amd64"
packages = ["x"]
compression = "zstd"
`
	if !strings.Contains(text, "database") {
		head += "database = \"none\"\n"
	}
	def, err := images.Parse([]byte(head+text), nil)
	if err != nil {
		t.Fatal(err)
	}
	def.Lock = images.Lock{Version: 1, Suite: "bookworm", Date: lockDate, Component: "main", Architecture: "amd64"}
	for _, d := range debs {
		def.Lock.Packages = append(def.Lock.Packages, d.put(t, st))
	}
	slices.SortFunc(def.Lock.Packages, func(a, b images.Package) int { return strings.Compare(a.Name, b.Name) })
	return def
}
