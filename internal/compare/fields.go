package compare

import (
	"fmt"
	"strings"
)

// differ adds a field if its values differ.
func differ(list []Field, name string, a, b any) []Field {
	if x, y := fmt.Sprint(a), fmt.Sprint(b); x != y {
		list = append(list, Field{name, x, y})
	}
	return list
}

// text spells fields in words.
func text(fields []Field) string {
	var out []string
	for _, f := range fields {
		out = append(out, fmt.Sprintf("%s is %s in A, %s in B", f.Name, f.A, f.B))
	}
	return strings.Join(out, "; ")
}

// join is the path of an entry of a directory, an archive or an image.
func join(path, name string) string {
	return path + "/" + strings.TrimPrefix(strings.TrimPrefix(name, "./"), "/")
}
