package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// json compares two documents member by member. A place is named as a JSON
// pointer (RFC 6901).
func (c *run) json(f *Finding, path string, a, b blob, depth int) error {
	va, errA := readJSON(a)
	vb, errB := readJSON(b)
	if errA != nil || errB != nil { // it only looked like JSON
		f.Kind = Text
		return c.lines(f, path, a, b, depth)
	}
	count := 0
	walkJSON(va, vb, "", func(at string, x, y any, note string) bool {
		if count++; count <= c.lim.Ranges {
			d := Difference{Path: path + ":" + at, SizeA: a.size, SizeB: b.size, Note: note}
			px, py := encodeJSON(x), encodeJSON(y)
			d.Length = int64(len(px))
			d.A, d.B, d.Before = cutBoth(px, py)
			d.wideText(px, py)
			f.Ranges = append(f.Ranges, d)
		}
		return count < maxCount
	})
	for i := range f.Ranges {
		f.Ranges[i].Count = count
	}
	if count == 0 {
		f.Note = "the values are equal; their order or spacing differs"
	}
	return nil
}

func readJSON(b blob) (v any, err error) {
	d := json.NewDecoder(b.reader())
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one document")
	}
	return v, nil
}

// missing is the value of a member that a side does not have.
type missing struct{}

func encodeJSON(v any) []byte {
	if _, ok := v.(missing); ok {
		return nil
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// walkJSON calls differ for each place where the values differ, until it says
// to stop. Arrays are compared by position.
func walkJSON(a, b any, at string, differ func(at string, a, b any, note string) bool) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok {
			break
		}
		keys := maps.Clone(a)
		maps.Copy(keys, b)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			x, inA := a[k]
			y, inB := b[k]
			sub := at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(k)
			switch {
			case !inA:
				ok = differ(sub, missing{}, y, "only in B")
			case !inB:
				ok = differ(sub, x, missing{}, "only in A")
			default:
				ok = walkJSON(x, y, sub, differ)
			}
			if !ok {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok {
			break
		}
		for i := range max(len(a), len(b)) {
			sub := fmt.Sprintf("%s/%d", at, i)
			switch {
			case i >= len(a):
				ok = differ(sub, missing{}, b[i], "only in B")
			case i >= len(b):
				ok = differ(sub, a[i], missing{}, "only in A")
			default:
				ok = walkJSON(a[i], b[i], sub, differ)
			}
			if !ok {
				return false
			}
		}
		return true
	}
	if reflect.DeepEqual(a, b) {
		return true
	}
	if at == "" {
		at = "/"
	}
	return differ(at, a, b, "")
}
