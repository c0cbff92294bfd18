package normalize

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

// entries makes a tar of lines: "dir/", "file=content", "link -> target",
// "name => hard link target".
func entries(t testing.TB, lines ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for i, l := range lines {
		h := &tar.Header{Typeflag: tar.TypeReg, Mode: 0o600 + int64(i), ModTime: time.Unix(int64(i), 0)}
		content := ""
		if name, target, ok := strings.Cut(l, " -> "); ok {
			h.Name, h.Linkname, h.Typeflag = name, target, tar.TypeSymlink
		} else if name, target, ok := strings.Cut(l, " => "); ok {
			h.Name, h.Linkname, h.Typeflag = name, target, tar.TypeLink
		} else if strings.HasSuffix(l, "/") {
			h.Name, h.Typeflag = l, tar.TypeDir
		} else {
			h.Name, content, _ = strings.Cut(l, "=")
			h.Size = int64(len(content))
		}
		if err := tw.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		io.WriteString(tw, content)
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// lines is the reverse of entries; metadata that isn't the rule's is shown too.
func lines(t testing.TB, b []byte) []string {
	t.Helper()
	var got []string
	for tr := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		switch h.Typeflag {
		case tar.TypeSymlink:
			got = append(got, h.Name+" -> "+h.Linkname)
		case tar.TypeLink:
			got = append(got, h.Name+" => "+h.Linkname)
		case tar.TypeDir:
			got = append(got, h.Name)
		default:
			got = append(got, h.Name+"="+string(content))
		}
	}
}

// rewritten returns the canonical form of a layer, by indexing it, and whether
// it can be had by streaming: then it must be the same.
func rewritten(t testing.TB, b []byte) (out []byte, streamed bool) {
	t.Helper()
	c, err := scan(t.Context(), io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), epoch, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var sorted, stream bytes.Buffer
	if err := c.writeTar(t.Context(), &sorted); err != nil {
		t.Fatal(err)
	}
	dropped, err := rewriteStream(t.Context(), &stream, bytes.NewReader(b), epoch)
	if err == nil {
		if !bytes.Equal(sorted.Bytes(), stream.Bytes()) {
			t.Errorf("streamed and sorted differ: %s", cmp.Diff(lines(t, sorted.Bytes()), lines(t, stream.Bytes())))
		}
		if diff := cmp.Diff(c.dropped, dropped); diff != "" {
			t.Error(diff)
		}
	} else if !errors.Is(err, errUnordered) {
		t.Fatal(err)
	}
	return sorted.Bytes(), err == nil
}

func TestLayerRules(t *testing.T) {
	for _, test := range []struct {
		name   string
		in     []string
		want   []string
		stream bool // already in order
	}{
		{"in order", []string{"./", "a/", "a/x=1", "a-b=2", "b -> a"}, []string{"./", "a/", "a/x=1", "a-b=2", "b -> a"}, true},
		{"parents are not made up", []string{"a/b/c=1"}, []string{"a/b/c=1"}, true},
		{"out of order", []string{"b=1", "a=2"}, []string{"a=2", "b=1"}, false},
		{"root last", []string{"a=1", "./"}, []string{"./", "a=1"}, false},
		{"root twice", []string{"./", "./", "a=1"}, []string{"./", "a=1"}, false},
		{"last of a path wins", []string{"f=1", "g=2", "f=3"}, []string{"f=3", "g=2"}, false},
		{"twice in a row", []string{"f=1", "f=3"}, []string{"f=3"}, false},
		{"directory twice", []string{"d/", "d/f=1", "d/"}, []string{"d/", "d/f=1"}, false},
		{"file replaces directory", []string{"d/", "d/f=1", "d=2"}, []string{"d=2"}, false},
		{"directory replaces file", []string{"d=2", "d/", "d/f=1"}, []string{"d/", "d/.wh..wh..opq=", "d/f=1"}, false},
		{"hard link", []string{"a=1", "b => a", "c => a"}, []string{"a=1", "b => a", "c => a"}, true},
		{"hard link before its file in order", []string{"b=1", "a => b", "c => a"}, []string{"a=1", "b => a", "c => a"}, false},
		{"hard link to a link", []string{"a=1", "b => a", "c => b"}, []string{"a=1", "b => a", "c => a"}, false},
		{"hard link keeps what it named", []string{"a=1", "b => a", "a=2"}, []string{"a=2", "b=1"}, false},
		{"hard link to a symbolic link", []string{"a -> x", "b => a"}, []string{"a -> x", "b => a"}, false},
		{"hard link to a lower layer", []string{"b => a"}, []string{"b => a"}, false},
		{"through a symbolic link", []string{"lib -> usr/lib", "lib/f=1", "usr/lib/g=2"}, []string{"lib -> usr/lib", "usr/lib/f=1", "usr/lib/g=2"}, false},
		{"whiteouts", []string{"d/", "d/.wh..wh..opq", "d/.wh.x", "d/y=1"}, []string{"d/", "d/.wh..wh..opq=", "d/.wh.x=", "d/y=1"}, true},
		{"whiteout of a file of the layer", []string{".wh.f", "f=1"}, []string{"f=1"}, false},
		{"whiteout after what it hides", []string{"f=1", ".wh.f"}, []string{"f=1"}, false},
		{"whiteout of what sorts before", []string{"+f=1", ".wh.+f"}, []string{"+f=1"}, false},
		{"whiteout of a directory of the layer", []string{".wh.d", "d/", "d/f=1"}, []string{"d/", "d/.wh..wh..opq=", "d/f=1"}, false},
		{"whiteout of an unnamed directory", []string{".wh.d", "d/f=1"}, []string{"d/", "d/.wh..wh..opq=", "d/f=1"}, false},
		{"AUFS's files", []string{".wh..wh.aufs=x", ".wh..wh.orph/", ".wh..wh.plnk/", ".wh..wh.plnk/1.2=y", "a/.wh.x => .wh..wh.aufs"}, []string{"a/.wh.x="}, true},
		{"empty", nil, nil, true},
	} {
		got, streamed := rewritten(t, entries(t, test.in...))
		if diff := cmp.Diff(test.want, lines(t, got)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		if streamed != test.stream {
			t.Errorf("%s: streamed %v, want %v", test.name, streamed, test.stream)
		}
		again, streamed := rewritten(t, got)
		if !bytes.Equal(got, again) {
			t.Errorf("%s: rewritten twice: %s", test.name, cmp.Diff(lines(t, got), lines(t, again)))
		}
		if !streamed && test.stream {
			t.Errorf("%s: the canonical form can't be streamed", test.name)
		}
	}
}

func TestHardLinksShareMetadata(t *testing.T) {
	got, _ := rewritten(t, entries(t, "b=1", "a => b"))
	for tr := tar.NewReader(bytes.NewReader(got)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Mode != 0o600 || h.ModTime.Unix() != 0 {
			t.Errorf("%s: mode %o, time %v, want the file's", h.Name, h.Mode, h.ModTime)
		}
	}
}

// gnuSparse is a tar with a sparse file of GNU's old format: 5 bytes at 1000 of 2000.
func gnuSparse(t testing.TB, after ...byte) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "holes", Mode: 0o644, Size: 5, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	io.WriteString(tw, "hello")
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "next", Mode: 0o644, Size: 4, Format: tar.FormatGNU}); err != nil {
		t.Fatal(err)
	}
	io.WriteString(tw, "next")
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	h := b.Bytes()[:512]
	h[156] = tar.TypeGNUSparse
	octal := func(at int, n int64) { copy(h[at:at+12], fmt.Sprintf("%011o\x00", n)) }
	octal(386, 1000) // first piece: offset
	octal(398, 5)    // and length
	octal(410, 2000) // an empty piece at the end
	octal(422, 0)
	octal(483, 2000) // the file's size
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return b.Bytes()
}

func TestSparseFilesAreFilled(t *testing.T) {
	want := []string{"holes=" + strings.Repeat("\x00", 1000) + "hello" + strings.Repeat("\x00", 995), "next=next"}
	got, streamed := rewritten(t, gnuSparse(t))
	if diff := cmp.Diff(want, lines(t, got)); diff != "" {
		t.Error(diff)
	}
	if !streamed {
		t.Error("can't be streamed")
	}
}

func TestLayersThatCannotBe(t *testing.T) {
	for want, in := range map[string][]string{
		"not a directory":                      {"f=1", "f/g=2"},
		"hard link to the director":            {"d/", "a => d"},
		"hard link to the whiteout":            {".wh.a", "b => .wh.a"},
		"a: hard link to b/c of a layer below": {"a => b/c", ".wh.b"},
		"a: hard link to c of a layer below":   {"a => c", "c=1"},
		"a: hard link to d/c of a layer below": {"a => d/c", "d/.wh..wh..opq"},
		"a: hard link to e/c of a layer below": {"a => e/c", "e=1"},
		"too many symbolic links":              {"a -> b", "b -> a", "a/f=1"},
	} {
		b := entries(t, in...)
		_, err := scan(t.Context(), io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), 0, t.TempDir())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
		if _, err := rewriteStream(t.Context(), io.Discard, bytes.NewReader(b), 0); !errors.Is(err, errUnordered) {
			t.Errorf("%q: streamed: %v", in, err)
		}
	}
	b := entries(t, "a=1", "b="+strings.Repeat("x", 2000))
	for _, n := range []int{100, 1100, 1600, 2100} {
		cut := b[:n]
		if _, err := scan(t.Context(), io.NewSectionReader(bytes.NewReader(cut), 0, int64(n)), 0, t.TempDir()); err == nil {
			t.Errorf("cut off after %d bytes, and no error", n)
		}
		if _, err := rewriteStream(t.Context(), io.Discard, bytes.NewReader(cut), 0); err == nil {
			t.Errorf("streamed: cut off after %d bytes, and no error", n)
		}
	}
}

func FuzzRewrite(f *testing.F) {
	mutate.Add(f, entries(f, "./", "a/", "a/x=1", "b => a/x", "l -> a", "l/y=2", ".wh.z"))
	mutate.Add(f, messy(f, true))
	mutate.Add(f, gnuSparse(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		tmp := t.TempDir()
		c, err := scan(t.Context(), io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), epoch, tmp)
		if err != nil {
			return
		}
		defer c.Close()
		var size int64
		for _, e := range c.entries {
			size += e.size
		}
		if size > 16<<20 {
			return
		}
		var first bytes.Buffer
		if err := c.writeTar(t.Context(), &first); err != nil {
			return // a path that is too long once links are followed
		}
		var streamed bytes.Buffer
		if _, err := rewriteStream(t.Context(), &streamed, bytes.NewReader(b), epoch); err == nil {
			if !bytes.Equal(first.Bytes(), streamed.Bytes()) {
				t.Error("streamed and sorted differ")
			}
		} else if !errors.Is(err, errUnordered) {
			t.Errorf("sorted it is good, streamed: %v", err)
		}
		again, _ := rewritten(t, first.Bytes())
		if !bytes.Equal(first.Bytes(), again) {
			t.Error("rewritten twice, it is another")
		}
	})
}
