// Package tomldoc reads TOML 1.0 with what decoding loses: the line of every
// value, and the comments.
//
// A comment belongs to the value on whose line it ends, and to the value that
// begins in the line below its last line, with no empty line between. Both count,
// the one above first.
package tomldoc

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

const (
	maxSize  = 8 << 20
	maxDepth = 64 // of tables and arrays in one another
)

// Value is a value with its place.
type Value struct {
	Line   int               // of its key, of its table's header, or of itself in an array
	String string            // a string's content; other scalars as they stand
	Text   bool              // it is a string
	Array  []*Value          // of an array, or of [[name]] tables
	Table  map[string]*Value // nil if it is none
}

// Document is a parsed file.
type Document struct {
	Name string
	Root *Value

	starts   []int          // offsets of the lines
	lines    []string       // without their ends
	comments map[int]string // by line, without "#" and the space after it
}

// Parse reads a document. An error begins with "name:line: ".
func Parse(name string, data []byte) (*Document, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("%s:1: %d bytes: more than %d", name, len(data), maxSize)
	}
	var any map[string]any
	if err := toml.Unmarshal(data, &any); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			row, _ := at.Position()
			return nil, fmt.Errorf("%s:%d: %s", name, row, strings.TrimPrefix(at.Error(), "toml: "))
		}
		return nil, fmt.Errorf("%s:1: %s", name, strings.TrimPrefix(err.Error(), "toml: "))
	}
	d := &Document{Name: name, Root: &Value{Line: 1, Table: map[string]*Value{}}, comments: map[int]string{}}
	at := 0
	for line := range strings.Lines(string(data)) {
		d.starts = append(d.starts, at)
		d.lines = append(d.lines, strings.TrimRight(line, "\r\n"))
		at += len(line)
	}
	return d, d.build(data)
}

func (d *Document) build(data []byte) error {
	p := &unstable.Parser{KeepComments: true}
	p.Reset(data)
	table := d.Root
	for p.NextExpression() {
		e := p.Expression()
		if next := e.Next(); next.Valid() && next.Kind == unstable.Comment {
			d.comment(next)
		}
		switch e.Kind {
		case unstable.Comment:
			d.comment(e)
		case unstable.Table, unstable.ArrayTable:
			path, line := d.key(e.Key())
			table = d.Root.open(path, line, e.Kind == unstable.ArrayTable)
		case unstable.KeyValue:
			if err := d.add(table, e, 0); err != nil {
				return err
			}
		}
	}
	return p.Error()
}

func (d *Document) lineAt(offset uint32) int {
	return max(1, sort.Search(len(d.starts), func(i int) bool { return d.starts[i] > int(offset) }))
}

func (d *Document) comment(n *unstable.Node) {
	text := strings.TrimPrefix(string(n.Data), "#")
	d.comments[d.lineAt(n.Raw.Offset)] = strings.TrimSpace(text)
	for c := n.Children(); c.Next(); {
		d.comment(c.Node())
	}
}

func (d *Document) key(it unstable.Iterator) ([]string, int) {
	var path []string
	line := 1
	for it.Next() {
		if len(path) == 0 {
			line = d.lineAt(it.Node().Raw.Offset)
		}
		path = append(path, string(it.Node().Data))
	}
	return path, line
}

// open returns the table at path, made if it isn't there. Of an array of tables
// it is the last one, or with more set a new one.
func (v *Value) open(path []string, line int, more bool) *Value {
	for i, k := range path {
		next := v.Table[k]
		last := i == len(path)-1
		if next == nil {
			next = &Value{Line: line}
			if !last || !more {
				next.Table = map[string]*Value{}
			}
			if v.Table == nil {
				return &Value{Table: map[string]*Value{}} // cannot be: the document was decoded
			}
			v.Table[k] = next
		}
		if last && more {
			t := &Value{Line: line, Table: map[string]*Value{}}
			next.Array = append(next.Array, t)
			return t
		}
		if last {
			next.Line = line
		}
		if len(next.Array) > 0 {
			next = next.Array[len(next.Array)-1]
		}
		v = next
	}
	return v
}

func (d *Document) add(table *Value, e *unstable.Node, depth int) error {
	path, line := d.key(e.Key())
	v, err := d.value(e.Value(), depth)
	if err != nil {
		return err
	}
	v.Line = line
	t := table.open(path[:len(path)-1], line, false)
	if t.Table != nil {
		t.Table[path[len(path)-1]] = v
	}
	return nil
}

func (d *Document) value(n *unstable.Node, depth int) (*Value, error) {
	v := &Value{Line: d.lineAt(n.Raw.Offset)}
	if depth > maxDepth {
		return nil, fmt.Errorf("%s:%d: more than %d tables and arrays in one another", d.Name, v.Line, maxDepth)
	}
	switch n.Kind {
	case unstable.Array:
		for c := n.Children(); c.Next(); {
			if c.Node().Kind == unstable.Comment {
				d.comment(c.Node())
				continue
			}
			item, err := d.value(c.Node(), depth+1)
			if err != nil {
				return nil, err
			}
			v.Array = append(v.Array, item)
		}
	case unstable.InlineTable:
		v.Table = map[string]*Value{}
		for c := n.Children(); c.Next(); {
			if c.Node().Kind == unstable.Comment {
				d.comment(c.Node())
			} else if err := d.add(v, c.Node(), depth+1); err != nil {
				return nil, err
			}
		}
		if len(v.Table) > 0 { // an inline table has no place of its own
			v.Line = v.Table[v.Keys()[0]].Line
		}
	default:
		v.String, v.Text = string(n.Data), n.Kind == unstable.String
	}
	return v, nil
}

// Get returns what is at a path of keys, nil if there is nothing.
func (v *Value) Get(path ...string) *Value {
	for _, k := range path {
		if v == nil {
			return nil
		}
		v = v.Table[k]
	}
	return v
}

// Str is the string at a path, "" if there is none.
func (v *Value) Str(path ...string) string {
	if x := v.Get(path...); x != nil && x.Text {
		return x.String
	}
	return ""
}

// Keys are the keys of a table in the order of their lines.
func (v *Value) Keys() []string {
	if v == nil {
		return nil
	}
	return slices.SortedFunc(maps.Keys(v.Table), func(a, b string) int {
		if c := v.Table[a].Line - v.Table[b].Line; c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
}

// Above are the lines of the comment that ends right above a line.
func (d *Document) Above(line int) []string {
	var all []string
	for n := line - 1; n > 0 && d.commentOnly(n); n-- {
		all = append(all, d.comments[n])
	}
	slices.Reverse(all)
	return all
}

func (d *Document) commentOnly(line int) bool {
	_, ok := d.comments[line]
	return ok && strings.HasPrefix(strings.TrimLeft(d.lines[line-1], " \t"), "#")
}

// Comment are the lines of comments that belong to what is in a line.
func (d *Document) Comment(line int) []string {
	all := d.Above(line)
	if c, ok := d.comments[line]; ok && !d.commentOnly(line) {
		all = append(all, c)
	}
	return all
}

// Blank says whether a line is empty.
func (d *Document) Blank(line int) bool {
	return line < 1 || line > len(d.lines) || strings.TrimSpace(d.lines[line-1]) == ""
}
