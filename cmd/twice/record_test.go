package main

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/verdict"
)

// A record that says "as stated" speaks of what both builds made, and of nothing else
// that the statement says.
func TestRecordSpeaksOfWhatWasMade(t *testing.T) {
	d := digest.FromString
	s := &provenance.Statement{Subject: []provenance.Resource{
		{Name: "image", Digest: provenance.Sum(d("image"))},
		{Name: "tool.tar.gz", Digest: provenance.Sum(d("evil"))},
		{Name: "bin/tool", Digest: provenance.Sum(d("tool"))},
	}}
	v := &verdict.Verdict{Artefacts: []verdict.Artefact{
		{Name: "image", A: d("image"), B: d("image"), Same: true},
		{Name: "tool.tar.gz", A: d("good"), B: d("good"), Same: true},
		{Name: "bin/tool", A: d("tool"), B: d("other")},
	}}
	for word, want := range map[verdict.Word]int{verdict.Reproducible: 1, verdict.SameContent: 3, verdict.Mismatch: 3, verdict.Alarm: 3} {
		v.Word = word
		if got := made(s, v); len(got.Subject) != want || got.Subject[0].Name != "image" || len(s.Subject) != 3 {
			t.Errorf("%s: %+v", word, got.Subject)
		}
	}
}
