package check

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

// outline is a recipe as text: its calls of cargo, images and variables.
func outline(r *recipe) string {
	if r == nil {
		return "none"
	}
	var b strings.Builder
	for _, c := range r.cargoCalls() {
		fmt.Fprintf(&b, "%d %s", c.Line, c.text())
		if c.Toolchain != "" {
			fmt.Fprintf(&b, " +%s", c.Toolchain)
		}
		if !c.locked() && c.builds() {
			b.WriteString(" unlocked")
		}
		if c.releases() {
			b.WriteString(" releases")
		}
		for _, v := range c.Env {
			fmt.Fprintf(&b, " %s=%s", v.Name, v.Value)
		}
		b.WriteByte('\n')
	}
	for _, im := range r.Images {
		fmt.Fprintf(&b, "%d image %s\n", im.Line, im.Ref)
	}
	for _, v := range r.Env {
		fmt.Fprintf(&b, "%d %s=%s\n", v.Line, v.Name, v.Value)
	}
	if n, ok := r.verifies(); ok {
		fmt.Fprintf(&b, "%d verifies\n", n)
	}
	for _, u := range r.Unread {
		fmt.Fprintf(&b, "unread %s\n", u.Place())
	}
	return b.String()
}

func TestRecipes(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"script", "build.sh", "#!/bin/sh\nset -e\nFLAGS=\"--release --locked\"\nexport A=1\nif true; then\n  B=2 cargo +nightly build $FLAGS\nfi\nx=$(cargo test)\n",
			"6 cargo build --release --locked +nightly releases B=2\n8 cargo test\n3 FLAGS=--release --locked\n4 A=1\n8 x=$(cargo test)\n"},
		{"wrapped", "x.sh", "env A=b cargo install --path .\nsudo -E cargo rustc -r\n\"$CARGO\" -Z x build --frozen\nrustup run stable cargo b\ncargo run -- --locked\n",
			"1 cargo install --path . unlocked releases A=b\n2 cargo rustc -r unlocked releases\n3 cargo -Z x build --frozen\n4 cargo b +stable unlocked\n5 cargo run unlocked\n"},
		{"by its first line", "tools/build", "#!/usr/bin/env bash\ncargo build\n", "2 cargo build unlocked\n"},
		{"no recipe", "notes.txt", "cargo build\n", "none"},
		{"no shell", "x.sh", "echo )\ncargo build\n", "2 cargo build unlocked\nunread x.sh:1\n"},
		{"Makefile", "Makefile", "CARGO ?= cargo\nall: x\n\t@$(CARGO) build --release \\\n\t  --locked\n\t$(CARGO) install x\n",
			"3 cargo build --release --locked releases\n5 cargo install x unlocked releases\n1 CARGO=cargo\n"},
		{"justfile", "justfile", "flags := \"--locked\"\nbuild:\n    cargo build {{flags}} --release\n", "3 cargo build --locked --release releases\n1 flags=--locked\n"},
		{"Dockerfile", "Dockerfile", `# syntax
ARG BASE=rust:1
FROM --platform=linux/amd64 ${BASE} AS Build
ENV A=1 B="2 3"
ENV C 4
RUN --mount=type=cache,target=/x \
    # a comment
    cargo build \
      --release
RUN ["cargo", "install", "--locked", "x"]
RUN <<EOF
set -e
cargo b
EOF
FROM build AS next
FROM scratch
FROM alpine@sha256:x
`, "8 cargo build --release unlocked releases\n10 cargo install --locked x releases\n13 cargo b unlocked\n3 image rust:1\n17 image alpine@sha256:x\n2 BASE=rust:1\n4 A=1\n4 B=2 3\n5 C=4\n"},
		{"here-documents without an end", "Dockerfile", "FROM scratch\nRUN <<A <<B\ncargo b\n", "3 cargo b unlocked\n"},
		{"GitHub", ".github/workflows/a.yml", `on: push
env:
  CARGO_INCREMENTAL: 1
jobs:
  a:
    container: rust:1
    services:
      db:
        image: postgres
    steps:
      - uses: docker://alpine:3
      - run: cargo build --target ${{ matrix.target }} --locked
      - name: x
        env: { SOURCE_DATE_EPOCH: "0" }
        run: |
          echo
          cargo build --release
      - uses: actions-rs/cargo@v1
        with:
          command: build
          args: --release
      - run: dagger -m x call verify
`, "12 cargo build --target ${{ matrix.target }} --locked\n17 cargo build --release unlocked releases\n20 cargo build --release unlocked releases\n6 image rust:1\n11 image alpine:3\n3 CARGO_INCREMENTAL=1\n14 SOURCE_DATE_EPOCH=0\n22 verifies\n"},
		{"GitLab", ".gitlab-ci.yml", "image:\n  name: rust:1\nvariables:\n  F: --locked\na:\n  image: x@sha256:1\n  before_script: [\"cargo fetch\"]\n  script:\n    - cargo build $F\n    - >\n      cargo install\n      x\n",
			"7 cargo fetch\n9 cargo build --locked\n11 cargo install x unlocked releases\n2 image rust:1\n6 image x@sha256:1\n4 F=--locked\n"},
		{"no YAML", ".github/workflows/b.yml", "a: [\n", "unread .github/workflows/b.yml\n"},
	} {
		if d := cmp.Diff(c.want, outline(readRecipe(c.file, []byte(c.text)))); d != "" {
			t.Errorf("%s\n%s", c.name, d)
		}
	}
}

func FuzzRecipe(f *testing.F) {
	mutate.Add(f, "Dockerfile", "ARG A=b\nFROM ${A} AS x\nRUN --mount=a \\\n # c\n cargo build\nRUN <<E\ncargo b\nE\n")
	mutate.Add(f, ".gitlab-ci.yml", "image: a\nx:\n  script: [cargo build, a]\n")
	mutate.Add(f, "Makefile", "A ?= b\nx:\n\t$(A) $$x \\\n\ty\n")
	mutate.Add(f, "x.sh", "A=b cargo build $A \"${{ x }}\" $(cargo b)")
	f.Fuzz(func(t *testing.T, name, text string) {
		outline(readRecipe(name, []byte(text)))
	})
}
