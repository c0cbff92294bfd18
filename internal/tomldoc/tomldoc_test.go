package tomldoc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

const example = `# head

# above a
# twice
a = 1 # after a
b.c = "x"

[t.u] # header
# above k
k = { x = "1", y = [ 2 ] } # after k
text = """
# not a comment
"""

[[r]]
n = "one"
[[r]]
n = "two"
list = [
  # first
  # of two
  "p", # after p
  "q",
]
`

func TestPlacesAndComments(t *testing.T) {
	d, err := Parse("f.toml", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	line := func(path ...string) int { return d.Root.Get(path...).Line }
	for want, got := range map[int]int{5: line("a"), 6: line("b", "c"), 8: line("t", "u"), 10: line("t", "u", "k"), 11: line("t", "u", "text")} {
		if got != want {
			t.Errorf("line %d, not %d", got, want)
		}
	}
	r := d.Root.Get("r").Array
	if len(r) != 2 || r[1].Str("n") != "two" || r[1].Line != 17 {
		t.Errorf("r = %+v", r)
	}
	list := r[1].Get("list").Array
	if len(list) != 2 || list[0].Line != 22 || list[1].String != "q" {
		t.Fatalf("list = %+v", list)
	}
	for n, want := range map[int][]string{5: {"above a", "twice", "after a"}, 6: nil, 8: {"header"}, 10: {"above k", "after k"}, 22: {"first", "of two", "after p"}, 23: nil, 13: nil} {
		if diff := cmp.Diff(want, d.Comment(n)); diff != "" {
			t.Errorf("comment of line %d\n%s", n, diff)
		}
	}
	if got := d.Root.Get("t", "u", "k").Str("x"); got != "1" {
		t.Errorf("x = %q", got)
	}
	if keys := d.Root.Keys(); !cmp.Equal(keys, []string{"a", "b", "t", "r"}) {
		t.Errorf("keys = %v", keys)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for text, want := range map[string]string{
		"a = 1\nb = ": "f:2: ", "a = 1\na = 2": "f:2: ", "\n[a\n": "f:2: ", "x = " + strings.Repeat("[", 100) + strings.Repeat("]", 100): "f:1: more than 64",
	} {
		if _, err := Parse("f", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	mutate.Add(f, example)
	mutate.Add(f, "a.b = { c.d = 1 }\n[x.y]\nz = [[1], {a = 2}] # c\n")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse("f", []byte(s))
		if err != nil {
			return
		}
		for n := range len(d.lines) + 2 {
			d.Comment(n)
			d.Blank(n)
		}
		var walk func(v *Value)
		walk = func(v *Value) {
			if v.Line < 1 || v.Line > len(d.lines)+1 {
				t.Errorf("line %d of %d", v.Line, len(d.lines))
			}
			for _, k := range v.Keys() {
				walk(v.Table[k])
			}
			for _, a := range v.Array {
				walk(a)
			}
		}
		walk(d.Root)
	})
}
