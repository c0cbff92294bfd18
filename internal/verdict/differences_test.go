package verdict

import (
	"bytes"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/compare"
)

// What an archive holds of a binary that was shown is not shown again, nor what
// differs elsewhere for the same cause by the same crate; the
// same bytes for another cause, or for an unknown one at another place, are.
func TestSaidOnce(t *testing.T) {
	at := func(path string, offset int64, rule string) Artefact {
		return Artefact{
			Name: strings.SplitN(path, ":", 2)[0], A: "sha256:a", B: "sha256:b",
			Difference: &compare.Difference{Path: path, Offset: offset, Length: 2, A: compare.Bytes("aa"), B: compare.Bytes("bb"), Section: ".rodata"},
			Causes:     []cause.Cause{{Rule: rule, Title: "cause of " + rule}},
		}
	}
	v := &Verdict{Artefacts: []Artefact{
		at("bin/x:.rodata+0x9", 9, "time"), at("x.tar.gz/x:.rodata+0x9", 9, "time"), at("image/layer[1]/x:.rodata+0x9", 9, "time"),
		at("bin/y:.rodata+0x9", 9, "path"), at("bin/z:.rodata+0xa", 10, "time"), at("bin/v:.rodata+0x1", 1, "user"), at("bin/w:.rodata+0x2", 2, "user"),
	}}
	for i := range v.Artefacts[5:] {
		c := &v.Artefacts[5+i].Causes[0]
		c.Known, c.Where = true, "crate x, build.rs:1"
	}
	for verbose, want := range map[bool]int{false: 4, true: 7} {
		p := &page{o: TextOptions{Verbose: verbose}}
		p.differences(v)
		text := p.out.String()
		if n := strings.Count(text, "cause of"); n != want {
			t.Errorf("verbose %v: %d causes, want %d:\n%s", verbose, n, want, text)
		}
		if !verbose && !bytes.Contains(p.out.Bytes(), []byte("  image/layer[1]/x:.rodata+0x9   as in bin/x\n")) {
			t.Error(text)
		}
	}
}
