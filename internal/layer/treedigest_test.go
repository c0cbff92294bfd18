package layer

import (
	"io"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

func treeDigest(t *testing.T, tree *Tree) digest.Digest {
	t.Helper()
	d, err := TreeDigest(tree)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTreeDigestEncoding(t *testing.T) {
	tree := build(t, File("b/x", 0o755, 5, []byte("hi")), text("b/f", ""), Symlink("a", "b/x", 5), Link("c", "b/x"), Dir("e", 0o700, 1))
	hi := digest.FromString("hi").Encoded()
	want := digest.FromString(strings.ReplaceAll("twice tree 1\n"+
		"l|a|b/x|"+
		"d|b|"+
		"f|b/f|0|"+digest.FromString("").Encoded()+"|"+
		"x|b/x|2|"+hi+"|"+
		"x|c|2|"+hi+"|"+
		"d|e|", "|", "\x00"))
	if got := treeDigest(t, tree); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestTreeDigestCovers(t *testing.T) {
	base := func() []Entry { return []Entry{text("d/f", "content"), Symlink("l", "d", 0), Dir("e", 0o755, 0)} }
	want := treeDigest(t, build(t, base()...))
	same := map[string]func(e []Entry) []Entry{
		"time":             func(e []Entry) []Entry { e[0].ModTime = 99; return e },
		"owner":            func(e []Entry) []Entry { e[0].UID, e[0].GID = 1, 2; return e },
		"other modes":      func(e []Entry) []Entry { e[0].Mode, e[2].Mode = 0o4666, 0o700; return e },
		"named directory":  func(e []Entry) []Entry { return append(e, Dir("d", 0o700, 5)) },
		"order of adding":  func(e []Entry) []Entry { return []Entry{e[2], e[1], e[0]} },
		"link time":        func(e []Entry) []Entry { e[1].ModTime = 4; return e },
		"group executable": func(e []Entry) []Entry { e[0].Mode = 0o654; return e },
	}
	for name, change := range same {
		if got := treeDigest(t, build(t, change(base())...)); got != want {
			t.Errorf("%s counts", name)
		}
	}
	other := map[string]func(e []Entry) []Entry{
		"content":    func(e []Entry) []Entry { e[0] = text("d/f", "Content"); return e },
		"path":       func(e []Entry) []Entry { e[0].Path = "d/g"; return e },
		"executable": func(e []Entry) []Entry { e[0].Mode = 0o744; return e },
		"target":     func(e []Entry) []Entry { e[1].Linkname = "e"; return e },
		"type":       func(e []Entry) []Entry { e[1] = text("l", "d"); return e },
		"directory":  func(e []Entry) []Entry { return e[:2] },
	}
	for name, change := range other {
		if got := treeDigest(t, build(t, change(base())...)); got == want {
			t.Errorf("%s doesn't count", name)
		}
	}
}

func TestTreeDigestReportsUnreadable(t *testing.T) {
	e := text("f", "abc")
	e.Open = func() (io.ReadCloser, error) { return nil, io.ErrClosedPipe }
	if _, err := TreeDigest(build(t, e)); err == nil || !strings.Contains(err.Error(), "f: ") {
		t.Errorf("%v, want an error that names the file", err)
	}
	e = text("f", "abc")
	e.Size = 4
	if _, err := TreeDigest(build(t, e)); err == nil {
		t.Error("3 bytes pass for 4")
	}
}
