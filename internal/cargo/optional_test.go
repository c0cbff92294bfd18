package cargo

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// Optional dependencies of every kind but those of tests.
func TestOptional(t *testing.T) {
	w, err := Inspect(fstest.MapFS{"Cargo.toml": {Data: []byte(`[package]
name = "a"
version = "0.1.0"
[dependencies]
b = { version = "1", optional = true }
c = "1"
d = { version = "1", optional = false }
[build-dependencies]
e = { version = "1", optional = true }
[dev-dependencies]
f = { version = "1" }
[target.'cfg(unix)'.dependencies]
g = { version = "1", optional = true }
b = { version = "1", optional = true }
`)}, "src/main.rs": {}}, ".")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"b", "e", "g"}, w.Members[0].Optional); d != "" {
		t.Error(d)
	}
}
