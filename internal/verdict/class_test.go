package verdict

import (
	"bytes"
	"testing"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/compare"
)

// against is a reproducible build that was compared with something.
func against(r Reference) *Verdict {
	v := reproducible()
	r.Path = "release"
	v.Reference = &r
	if r.Incident != nil || r.Input != nil {
		v.Artefacts, v.Builds, v.Varied, v.NotVaried, v.Image = nil, nil, nil, nil, ""
	}
	v.Settle()
	return v
}

func TestClasses(t *testing.T) {
	same := Compared{Name: "bin/rg", Ours: sum("bin/rg"), Theirs: sum("bin/rg"), Same: true}
	packed := Compared{Name: "rg.tar.gz", Ours: sum("a"), Theirs: sum("b"), SameContent: true, OursPacked: "by Twice", TheirsPacked: "gzip by \x1b[1mme"}
	other := Compared{Name: "bin/other", Ours: sum("a"), Theirs: sum("b"), Difference: &compare.Difference{Path: "bin/other:+0x1", Length: 1, Count: 1, A: compare.Bytes("a"), B: compare.Bytes("b")},
		Causes: []cause.Cause{{Rule: "time", Title: "the time", Known: true}}}
	for name, c := range map[string]struct {
		ref  Reference
		word Word
		code int
		c    Class
	}{
		"reproduced": {Reference{Kind: "directory", Artefacts: []Compared{same}, Ignored: []string{"README"}}, Reproducible, 0, ClassReproduced},
		"bug":        {Reference{Kind: "file", Artefacts: []Compared{same, packed, other}}, Mismatch, 1, ClassBug},
		"digest":     {Reference{Kind: "sums", Artefacts: []Compared{{Name: "bin/rg", Ours: sum("a"), Theirs: sum("b")}}}, Mismatch, 1, ClassBug},
		"missing":    {Reference{Kind: "verdict", Artefacts: []Compared{same}, Missing: []string{"bin/gone"}}, Mismatch, 1, ClassBug},
		"incident": {Reference{Kind: "file", Incident: &Incident{What: "rg.tar.gz", By: "SHA256SUMS", Claimed: sum("x"), Found: sum("y")}},
			Alarm, 3, ClassIncident},
		"compressor": {Reference{Kind: "file", Artefacts: []Compared{same, packed}}, SameContent, 4, ClassCompressor},
		"inputs":     {Reference{Kind: "verdict", Input: &Input{Name: "toolchain", Ours: "1.95.0", Theirs: "1.94.0"}}, OtherInputs, 5, ClassInputs},
	} {
		v := against(c.ref)
		if v.Word != c.word || v.Class != c.c || v.ExitCode() != c.code {
			t.Errorf("%s: %s, %s, exit %d", name, v.Word, v.Class, v.ExitCode())
		}
		data, err := v.JSON()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := Parse(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var out bytes.Buffer
		if err := v.Text(&out, TextOptions{}); err != nil {
			t.Fatal(err)
		}
		golden(t, "against-"+name+".txt", out.Bytes())
		if bytes.ContainsRune(out.Bytes(), 0x1b) {
			t.Errorf("%s: an escape sequence got through", name)
		}
		for _, w := range []Word{Reproducible, Mismatch, Alarm, SameContent, OtherInputs} {
			if w != c.word {
				v.Word = w
				if _, err := v.JSON(); err == nil {
					t.Errorf("%s: %s is not refused", name, w)
				}
			}
		}
	}
}

// A build that differs from itself is a bug whatever the reference is.
func TestClassOfMismatch(t *testing.T) {
	v := mismatch()
	v.Reference = &Reference{Artefacts: []Compared{{Name: "x", Ours: sum("x"), Theirs: sum("x"), Same: true}}}
	v.Settle()
	if v.Class != ClassBug || v.ExitCode() != 1 {
		t.Error(v.Class)
	}
}

func TestReferenceCheck(t *testing.T) {
	for name, r := range map[string]Reference{
		"same, and not":    {Artefacts: []Compared{{Name: "x", Ours: sum("x"), Theirs: sum("y"), Same: true}}},
		"no digest":        {Artefacts: []Compared{{Name: "x", Ours: "y", Theirs: sum("y")}}},
		"the same input":   {Input: &Input{Name: "lock", Ours: "a", Theirs: "a"}},
		"compared in vain": {Incident: &Incident{What: "x", Why: "y"}, Artefacts: []Compared{{Name: "x", Ours: sum("x"), Theirs: sum("x"), Same: true}}},
	} {
		if _, err := against(r).JSON(); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}
