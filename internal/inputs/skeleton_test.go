package inputs

import (
	"io"
	"testing"

	"github.com/craton-co/twice/internal/layer"
	"github.com/google/go-cmp/cmp"
)

// Of the sources stay all names, modes and links, and the content that Cargo plans by.
func TestSkeleton(t *testing.T) {
	in := layer.NewTree()
	for _, e := range []layer.Entry{
		layer.File("Cargo.toml", 0o644, 5, []byte("[package]")),
		layer.File("Cargo.lock", 0o644, 5, []byte("version = 4")),
		layer.File(".cargo/config.toml", 0o644, 5, []byte("[build]")),
		layer.File("config.toml", 0o644, 5, []byte("secret")),
		layer.File("src/main.rs", 0o644, 5, []byte("fn main() {}")),
		layer.File("tools/ld", 0o755, 5, []byte("#!/bin/sh")),
		layer.Link("tools/link", "tools/ld"),
		layer.Symlink("here", "src", 5),
		layer.Dir("empty", 0o755, 5),
	} {
		if err := in.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	got, err := skeleton(in)
	if err != nil {
		t.Fatal(err)
	}
	content := map[string]string{}
	for _, e := range got.Entries() {
		was, ok := in.Get(e.Path)
		if ok && (e.Mode != was.Mode && was.Mode != 0 || e.Type != was.Type || e.Linkname != was.Linkname) || e.ModTime != 0 {
			t.Errorf("%s became %+v", e.Path, e)
		}
		content[e.Path] = ""
		if e.Open != nil {
			f, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(f)
			f.Close()
			content[e.Path] = string(b)
		}
	}
	want := map[string]string{".cargo": "", ".cargo/config.toml": "[build]", "Cargo.lock": "version = 4", "Cargo.toml": "[package]", "config.toml": "",
		"empty": "", "here": "", "src": "", "src/main.rs": "", "tools": "", "tools/ld": "", "tools/link": ""}
	if d := cmp.Diff(want, content); d != "" {
		t.Error(d)
	}
}
