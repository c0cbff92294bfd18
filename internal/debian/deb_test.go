package debian

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/craton-co/twice/internal/mutate"
)

type arFile struct {
	name string
	data []byte
}

func writeAr(files ...arFile) []byte {
	b := []byte(arMagic)
	for _, f := range files {
		b = fmt.Appendf(b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", f.name, 0, 0, 0, "100644", len(f.data))
		b = append(b, f.data...)
		if len(f.data)%2 == 1 {
			b = append(b, '\n')
		}
	}
	return b
}

func writeTar(t testing.TB, files ...arFile) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compress(t testing.TB, ext string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch ext {
	case "":
		return data
	case ".gz":
		w = gzip.NewWriter(&b)
	case ".xz":
		w, err = xz.NewWriter(&b)
	case ".zst":
		w, err = zstd.NewWriter(&b)
	}
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const controlText = "Package: tool\nVersion: 1.0-1\nArchitecture: amd64\nReplaces: a,\n b\nDescription: short\n long\n"

func sample(t testing.TB, ext string) []byte {
	control := writeTar(t, arFile{"./control", []byte(controlText)}, arFile{"./md5sums", []byte("00 usr/bin/tool\n")},
		arFile{"./conffiles", []byte("/etc/a\n/etc/b\n")}, arFile{"./postinst", []byte("#!/bin/sh\nexit 1\n")})
	data := writeTar(t, arFile{"./usr/bin/tool", []byte("content")})
	return writeAr(arFile{"debian-binary", []byte("2.0\n")},
		arFile{"control.tar" + ext, compress(t, ext, control)}, arFile{"data.tar" + ext + "/", compress(t, ext, data)})
}

func read(b []byte) (*Deb, error) {
	return ReadDeb(context.Background(), bytes.NewReader(b), int64(len(b)))
}

func TestReadDeb(t *testing.T) {
	for _, ext := range []string{"", ".gz", ".xz", ".zst"} {
		t.Run("tar"+ext, func(t *testing.T) {
			d, err := read(sample(t, ext))
			if err != nil {
				t.Fatal(err)
			}
			if string(d.Control) != controlText || string(d.MD5Sums) != "00 usr/bin/tool\n" || strings.Join(d.Conffiles, " ") != "/etc/a /etc/b" {
				t.Errorf("control %q, md5sums %q, conffiles %q", d.Control, d.MD5Sums, d.Conffiles)
			}
			if d.Fields["Package"] != "tool" || d.Fields["Replaces"] != "a, b" || len(d.Fields) != 5 {
				t.Errorf("fields %q", d.Fields)
			}
			for range 2 {
				r, err := d.Data(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(r)
				if err != nil || !bytes.Contains(b, []byte("content")) || len(b)%512 != 0 {
					t.Errorf("data of %d bytes, %v", len(b), err)
				}
				r.Close()
			}
		})
	}
}

func TestReadDebRefuses(t *testing.T) {
	good := sample(t, ".gz")
	debianBinary := arFile{"debian-binary", []byte("2.0\n")}
	control := func(text string) arFile {
		return arFile{"control.tar", writeTar(t, arFile{"control", []byte(text)})}
	}
	data := arFile{"data.tar", writeTar(t)}
	bomb := compress(t, ".gz", writeTar(t, arFile{"./control", make([]byte, maxControl)}))
	many := make([]arFile, maxControlFiles+1)
	for i := range many {
		many[i].name = fmt.Sprintf("f%d", i)
	}
	for name, c := range map[string]struct {
		deb  []byte
		want string
	}{
		"empty":            {nil, "not an ar archive"},
		"a tar":            {writeTar(t), "not an ar archive"},
		"cut off":          {good[:len(good)/2], "past the end"},
		"cut in a header":  {good[:len(arMagic)+30], "cut off in the header"},
		"a header's end":   {bytes.Replace(good, []byte("`\n"), []byte("xx"), 1), "malformed header"},
		"a negative size":  {bytes.Replace(good, []byte("4         `"), []byte("-4        `"), 1), "is none or goes past the end"},
		"format 3":         {writeAr(arFile{"debian-binary", []byte("3.0\n")}, control(controlText), data), "only 2.0"},
		"order":            {writeAr(control(controlText), debianBinary, data), "first member"},
		"no control":       {writeAr(debianBinary, data), "no control.tar"},
		"no data":          {writeAr(debianBinary, control(controlText)), "no data.tar"},
		"two data.tar":     {writeAr(debianBinary, control(controlText), data, data), "unexpected member"},
		"too many members": {writeAr(make([]arFile, maxMembers+1)...), "more than"},
		"bzip2":            {writeAr(debianBinary, arFile{"control.tar.bz2", nil}, data), "unknown compression .bz2"},
		"not compressed":   {writeAr(debianBinary, arFile{"control.tar.xz", []byte("xx")}, data), "control.tar.xz"},
		"a bomb":           {writeAr(debianBinary, arFile{"control.tar.gz", bomb}, data), "control.tar.gz"},
		"too many files":   {writeAr(debianBinary, arFile{"control.tar", writeTar(t, many...)}, data), "more than 1000 files"},
		"no Package":       {writeAr(debianBinary, control("Version: 1\nArchitecture: all\n"), data), "no Package"},
		"a field twice":    {writeAr(debianBinary, control(controlText+"Version: 2\n"), data), "field \"Version\" twice"},
		"two paragraphs":   {writeAr(debianBinary, control(controlText+"\nX: y\n"), data), "second paragraph"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := read(c.deb); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestDataIsChecked(t *testing.T) {
	good := sample(t, ".xz")
	bad := bytes.Clone(good)
	bad[len(bad)-60] ^= 1
	d, err := read(bad)
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Data(context.Background())
	if err == nil {
		_, err = io.ReadAll(r)
	}
	if err == nil {
		t.Error("a changed data.tar.xz went unnoticed")
	}
}

func TestReadingStops(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	d, err := read(sample(t, ".xz"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Data(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	cancel(stop)
	if _, err := io.ReadAll(r); !errors.Is(err, stop) {
		t.Errorf("after cancelling: %v", err)
	}
}

func FuzzReadDeb(f *testing.F) {
	for _, ext := range []string{"", ".gz", ".xz", ".zst"} {
		mutate.Add(f, sample(f, ext))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := read(b)
		if err != nil {
			return
		}
		r, err := d.Data(context.Background())
		if err != nil {
			return
		}
		defer r.Close()
		io.Copy(io.Discard, io.LimitReader(r, 1<<20))
	})
}
