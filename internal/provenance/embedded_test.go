package provenance

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/craton-co/twice/internal/mutate"
)

func TestFindEmbedded(t *testing.T) {
	e := Embedded{Name: "tool", Commit: strings.Repeat("ab", 20), Epoch: 7, Rustc: "1.95.0", Target: "x86_64-unknown-linux-gnu",
		Profile: "release", OptLevel: "3", Features: []string{"<a>", "b"}, DefaultFeatures: true}
	line, err := e.JSON()
	if err != nil {
		t.Fatal(err)
	}
	const golden = `{"twice-provenance":1,"name":"tool","commit":"abababababababababababababababababababab","epoch":7,"rustc":"1.95.0","target":"x86_64-unknown-linux-gnu","profile":"release","opt_level":"3","features":["<a>","b"],"default_features":true}`
	if line != golden {
		t.Errorf("%s, want %s", line, golden)
	}
	e.Marker = 1
	other := strings.Replace(line, `"epoch":7`, `"epoch":8`, 1)
	pad := func(n int) string { return strings.Repeat("\x00", n) }
	for name, c := range map[string]struct {
		file string
		err  string
	}{
		"alone":             {file: line},
		"in the middle":     {file: pad(100) + line + pad(100)},
		"over a boundary":   {file: pad(1<<20-50) + line + pad(3<<20)},
		"at a boundary":     {file: pad(1<<20) + line},
		"cut marker":        {file: pad(1<<20-5) + line + "x"},
		"at the end":        {file: pad(3<<20-len(line)) + line},
		"after a false one": {file: embeddedMarker + "nothing" + pad(10) + line + embeddedMarker},
		"twice the same":    {file: line + pad(2<<20) + line},
		"two":               {file: line + pad(2<<20) + other, err: "of 2 programs"},
		"none":              {file: pad(2 << 20), err: ErrNotEmbedded.Error()},
		"empty":             {file: "", err: ErrNotEmbedded.Error()},
		"cut":               {file: line[:len(line)-1], err: ErrNotEmbedded.Error()},
		"another order":     {file: strings.Replace(line, `"epoch":7,"rustc":"1.95.0"`, `"rustc":"1.95.0","epoch":7`, 1), err: ErrNotEmbedded.Error()},
	} {
		for _, r := range []io.Reader{strings.NewReader(c.file), iotest.HalfReader(strings.NewReader(c.file))} {
			got, err := FindEmbedded(t.Context(), r)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%s: %v, %v", name, got, err)
				}
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if d := cmp.Diff(&e, got); d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
	}
}

func FuzzFindEmbedded(f *testing.F) {
	mutate.Add(f, []byte(embeddedMarker+`"name":"x","epoch":0,"rustc":"","target":"t","profile":"","opt_level":"","features":[],"default_features":false}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := FindEmbedded(t.Context(), bytes.NewReader(data))
		if err != nil {
			return
		}
		line, err := e.JSON()
		if err != nil || !bytes.Contains(data, []byte(line)) {
			t.Errorf("%s, %v", line, err)
		}
		if _, err := FindEmbedded(t.Context(), strings.NewReader("")); !errors.Is(err, ErrNotEmbedded) {
			t.Error(err)
		}
	})
}
