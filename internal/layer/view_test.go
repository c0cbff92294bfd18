package layer

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// view applies lines: "path/" sets a directory, "path -> target" a symbolic
// link, "path = other" a hard link, "path" a file, "- path" removes, "! path" clears.
func view(lines ...string) (*View, error) {
	v := &View{}
	for i, l := range lines {
		if p, ok := strings.CutPrefix(l, "- "); ok {
			v.Remove(p)
			continue
		}
		if p, ok := strings.CutPrefix(l, "! "); ok {
			v.Clear(p)
			continue
		}
		ino := &Inode{Item: i}
		p := l
		if name, target, ok := strings.Cut(l, " -> "); ok {
			p, ino.Symlink = name, target
		} else if name, other, ok := strings.Cut(l, " = "); ok {
			p, ino = name, v.Lookup(other)
			if ino == nil {
				return v, errors.New("no " + other)
			}
		} else if strings.HasSuffix(l, "/") {
			p, ino.Dir = strings.TrimSuffix(l, "/"), true
		}
		if err := v.Set(p, ino); err != nil {
			return v, err
		}
	}
	return v, nil
}

func TestView(t *testing.T) {
	for _, test := range []struct {
		name  string
		lines []string
		want  string // "path:line" …, or an error
	}{
		{"order", []string{"b", "a/x", "a-b", "a/", "./"}, ".:4 a:3 a/x:1 a-b:2 b:0"},
		{"last wins", []string{"f", "g", "f"}, "f:2 g:1"},
		{"directory over directory", []string{"d/", "d/f", "d/"}, "d:2 d/f:1"},
		{"file over directory", []string{"d/", "d/f", "d"}, "d:2"},
		{"directory over file", []string{"d", "d/", "d/f"}, "d:1 d/f:2"},
		{"below a file", []string{"d", "d/f"}, "not a directory"},
		{"through a link", []string{"lib -> usr/lib", "lib/f"}, "lib:0 usr/lib/f:1"},
		{"through an absolute link", []string{"usr/lib/", "usr/x -> /lib", "usr/x/f"}, "lib/f:2 usr/lib:0 usr/x:1"},
		{"up through a link", []string{"a/b -> ../c", "a/b/f"}, "a/b:0 c/f:1"},
		{"a link can't leave", []string{"x -> ../../../../etc", "x/f"}, "etc/f:1 x:0"},
		{"a loop", []string{"a -> b", "b -> a", "a/f"}, "too many symbolic links"},
		{"a link itself is replaced, not followed", []string{"l -> d", "d/", "l"}, "d:1 l:2"},
		{"hard link", []string{"b", "a = b", "c = a"}, "a:0 b:0 c:0"},
		{"hard link keeps what it was", []string{"b", "a = b", "b"}, "a:0 b:2"},
		{"hard link to a link", []string{"b -> x", "a = b"}, "a:0 b:0"},
		{"hard link to nothing", []string{"a = b"}, "no b"},
		{"remove", []string{"d/", "d/e/f", "df", "- d"}, "df:2"},
		{"remove through a link", []string{"l -> d", "d/f", "d/g", "- l/f"}, "d/g:2 l:0"},
		{"remove nothing", []string{"f", "- g", "- x/y/z"}, "f:0"},
		{"clear", []string{"d/", "d/e/f", "! d"}, "d:0"},
		{"clear a link", []string{"l -> d", "d/f", "! l"}, "d/f:1 l:0"},
		{"deep", []string{strings.Repeat("d/", 2100) + "f"}, "too deep"},
	} {
		v, err := view(test.lines...)
		if err != nil {
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %q", test.name, err, test.want)
			}
			continue
		}
		var got []string
		for _, n := range v.Names() {
			got = append(got, fmt.Sprintf("%s:%d", n.Path, n.Inode.Item))
		}
		if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestViewHas(t *testing.T) {
	v, err := view("a/b/c", "d/")
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string][2]bool{"a": {true, false}, "a/b/c": {true, true}, "d": {true, true}, "e": {false, false}, "a/x": {false, false}} {
		ino, ok := v.Has(p)
		if ok != want[0] || (ino != nil) != want[1] {
			t.Errorf("Has(%s) = %v, %v", p, ino, ok)
		}
	}
}
