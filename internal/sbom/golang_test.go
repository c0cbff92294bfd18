package sbom

import (
	"bytes"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

func TestWriteGo(t *testing.T) {
	in := GoInput{Name: "tool", Program: digest.FromString("program"), Commit: strings.Repeat("a", 40), Epoch: 1, Info: &debug.BuildInfo{
		GoVersion: "go1.26.8", Main: debug.Module{Path: "example.org/tool", Version: "v1.0.0"},
		Deps: []*debug.Module{{Path: "example.org/x/y", Version: "v0.1.0", Sum: "h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}},
	}}
	text, err := WriteGo(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"pkg:golang/example.org/x/y@v0.1.0"`, `"pkg:golang/std@1.26.8"`, `"1970-01-01T00:00:01Z"`, strings.Repeat("0", 64), digest.FromString("program").Encoded()} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if again, _ := WriteGo(in); !bytes.Equal(text, again) {
		t.Error("the same input gave other bytes")
	}
	in.Info.Deps[0].Sum = ""
	if _, err := WriteGo(in); err == nil {
		t.Error("a module without a hash was taken")
	}
	in.Info.Deps[0].Replace = &debug.Module{Path: "./y"}
	if _, err := WriteGo(in); err == nil {
		t.Error("a replaced module was taken")
	}
}
