package layer

import (
	"archive/tar"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// build returns a tree of entries, which must all be valid.
func build(t testing.TB, entries ...Entry) *Tree {
	t.Helper()
	tree := NewTree()
	for _, e := range entries {
		if err := tree.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func text(path, content string) Entry { return File(path, 0o644, 1, []byte(content)) }

// list shows a tree in canonical order, content included.
func list(t testing.TB, tree *Tree) []string {
	t.Helper()
	var got []string
	for _, e := range tree.Entries() {
		switch e.Type {
		case tar.TypeDir:
			got = append(got, e.Path+"/")
		case tar.TypeSymlink:
			got = append(got, e.Path+" -> "+e.Linkname)
		case tar.TypeLink:
			got = append(got, e.Path+" = "+e.Linkname)
		default:
			got = append(got, e.Path+": "+read(t, e))
		}
	}
	return got
}

func read(t testing.TB, e Entry) string {
	t.Helper()
	r, err := e.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEntriesAreInCanonicalOrder(t *testing.T) {
	tree := build(t,
		text("a-b", "1"), text("a/x/y", "2"), text("a.b", "3"), text("a0", "4"), text("Z", "5"), text("a/-", "6"), text("a!", "7"))
	want := []string{"Z: 5", "a/", "a/-: 6", "a/x/", "a/x/y: 2", "a!: 7", "a-b: 1", "a.b: 3", "a0: 4"}
	if diff := cmp.Diff(want, list(t, tree)); diff != "" {
		t.Error(diff)
	}
	if tree.Len() != 7 {
		t.Errorf("Len = %d, want 7: supplied directories don't count", tree.Len())
	}
}

func TestSuppliedParent(t *testing.T) {
	tree := build(t, text("d/f", ""))
	got := tree.Entries()[0]
	got.Open = nil
	if diff := cmp.Diff(Entry{Path: "d", Type: tar.TypeDir, Mode: 0o755}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAddReplaces(t *testing.T) {
	for _, test := range []struct {
		name    string
		entries []Entry
		want    []string
	}{
		{"file by file", []Entry{text("f", "old"), text("f", "new")}, []string{"f: new"}},
		{"file by directory", []Entry{text("f", "old"), Dir("f", 0o755, 0)}, []string{"f/"}},
		{"file by link", []Entry{text("f", "old"), Symlink("f", "/x", 0)}, []string{"f -> /x"}},
		{"empty directory by file", []Entry{Dir("f", 0o755, 0), text("f", "new")}, []string{"f: new"}},
		{"directory keeps what it holds", []Entry{text("d/f", "x"), Dir("d", 0o700, 0)}, []string{"d/", "d/f: x"}},
		{"linked file: links keep the content",
			[]Entry{text("b", "old"), Link("c", "b"), Link("a", "b"), text("b", "new")}, []string{"a: old", "b: new", "c = a"}},
		{"link by a link to another", []Entry{text("a", "1"), text("b", "2"), Link("c", "a"), Link("c", "b")}, []string{"a: 1", "b: 2", "c = b"}},
		{"file by a link to its own link", []Entry{text("b", "1"), Link("c", "b"), Link("b", "c")}, []string{"b: 1", "c = b"}},
		{"link to itself", []Entry{text("a", "1"), Link("a", "a")}, []string{"a: 1"}},
	} {
		if diff := cmp.Diff(test.want, list(t, build(t, test.entries...))); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
	d, _ := build(t, text("d/f", ""), Dir("d", 0o700, 7)).Get("d")
	if d.Mode != 0o700 || d.ModTime != 7 {
		t.Errorf("directory over directory: %+v, want the later metadata", d)
	}
}

func TestHardLinks(t *testing.T) {
	f := File("m", 0o755, 9, []byte("x"))
	f.UID, f.GID = 3, 4
	tree := build(t, f, Link("z", "m"), Link("b", "z"))
	if diff := cmp.Diff([]string{"b: x", "m = b", "z = b"}, list(t, tree)); diff != "" {
		t.Error("the first path is the file:", diff)
	}
	for _, e := range tree.Entries() {
		if e.Mode != 0o755 || e.UID != 3 || e.GID != 4 || e.ModTime != 9 {
			t.Errorf("%s: %+v, want its file's metadata", e.Path, e)
		}
	}
	tree.Remove("m")
	if diff := cmp.Diff([]string{"b: x", "z = b"}, list(t, tree)); diff != "" {
		t.Error("without the path that was added first:", diff)
	}
	tree.Remove("b")
	tree.Remove("none")
	if diff := cmp.Diff([]string{"z: x"}, list(t, tree)); diff != "" {
		t.Error("with one path left:", diff)
	}
}

func TestRemoveTakesWhatIsBelow(t *testing.T) {
	tree := build(t, text("a/b/c", "1"), text("a/b/d/e", "2"), text("a/bc", "3"), Link("k", "a/b/c"))
	tree.Remove("a/b")
	if diff := cmp.Diff([]string{"a/", "a/bc: 3", "k: 1"}, list(t, tree)); diff != "" {
		t.Error(diff)
	}
	tree.Remove("a")
	if diff := cmp.Diff([]string{"k: 1"}, list(t, tree)); diff != "" {
		t.Error(diff)
	}
	if err := tree.Add(text("a", "a file now")); err != nil {
		t.Error(err)
	}
}

func TestAddRefuses(t *testing.T) {
	open := func() (io.ReadCloser, error) { return nil, nil }
	for _, test := range []struct {
		entry Entry
		want  string
	}{
		{text("", ""), "empty path"},
		{text("/etc/passwd", ""), "absolute"},
		{text("../x", ""), "not below the root"},
		{text("..", ""), "not below the root"},
		{text(".", ""), "not below the root"},
		{text("a/../../b", ""), "not clean"},
		{text("a/../b", ""), "not clean"},
		{text("./a", ""), "not clean"},
		{text("a//b", ""), "not clean"},
		{text("a/", ""), "not clean"},
		{text("a\x00b", ""), "NUL"},
		{text(strings.Repeat("n", 256), ""), "longer than 255"},
		{text(strings.Repeat("n/", 3000)+"x", ""), "longer than 4096"},
		{text("file/below", ""), "not a directory"},
		{text("link/below", ""), "not a directory"},
		{text("file/b/c", ""), "not a directory"},
		{text("dir", ""), "isn't empty"},
		{Symlink("dir", "x", 0), "isn't empty"},
		{Symlink("s", "", 0), "symbolic link"},
		{Symlink("s", "a\x00b", 0), "symbolic link"},
		{Link("l", "none"), "not a file in the tree"},
		{Link("l", "dir"), "not a file in the tree"},
		{Link("l", "link"), "not a file in the tree"},
		{Link("l", "/file"), "absolute"},
		{Entry{Path: "n", Type: tar.TypeChar}, "can't be in a tree"},
		{Entry{Path: "n", Type: tar.TypeFifo}, "can't be in a tree"},
		{Entry{Path: "n", Type: tar.TypeReg, Mode: 0o10000}, "permission bits"},
		{Entry{Path: "n", Type: tar.TypeReg, Mode: -1}, "permission bits"},
		{Entry{Path: "n", Type: tar.TypeReg, UID: -1}, "out of range"},
		{Entry{Path: "n", Type: tar.TypeReg, GID: 1 << 40}, "out of range"},
		{Entry{Path: "n", Type: tar.TypeReg, ModTime: -1}, "out of range"},
		{Entry{Path: "n", Type: tar.TypeReg, ModTime: 1 << 33}, "out of range"},
		{Entry{Path: "n", Type: tar.TypeReg, Size: -1}, "negative"},
		{Entry{Path: "n", Type: tar.TypeReg, Size: 1}, "no content"},
		{Entry{Path: "n", Type: tar.TypeReg, Linkname: "x"}, "no link"},
		{Entry{Path: "n", Type: tar.TypeDir, Size: 1}, "only a regular file"},
		{Entry{Path: "n", Type: tar.TypeDir, Open: open}, "only a regular file"},
	} {
		tree := build(t, text("file", ""), text("dir/f", ""), Symlink("link", "dir", 0))
		before := list(t, tree)
		err := tree.Add(test.entry)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%.40q (%c): %v, want %q", test.entry.Path, test.entry.Type, err, test.want)
		}
		if diff := cmp.Diff(before, list(t, tree)); diff != "" {
			t.Errorf("%.40q: refused, but the tree changed: %s", test.entry.Path, diff)
		}
	}
}

func TestSymlinkMode(t *testing.T) {
	e := Symlink("s", "x", 0)
	e.Mode = 0o644
	if got := build(t, e).Entries()[0].Mode; got != 0o777 {
		t.Errorf("mode %#o, want 0777", got)
	}
}
