package provenance

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/mutate"
	"github.com/google/go-cmp/cmp"
	slsa "github.com/in-toto/attestation/go/predicates/provenance/v1"
	intoto "github.com/in-toto/attestation/go/v1"
	"github.com/opencontainers/go-digest"
	"google.golang.org/protobuf/encoding/protojson"
)

func example() *Statement {
	lock := []byte("version = 1\n")
	return &Statement{
		Type: StatementType, PredicateType: SLSA,
		Subject: []Resource{
			{Name: "image", Digest: Sum(digest.FromString("image")), MediaType: "application/vnd.oci.image.manifest.v1+json"},
			{Name: "bin/app", Digest: Sum(digest.FromString("app"))},
		},
		Predicate: Predicate{
			BuildDefinition: BuildDefinition{
				BuildType: BuildType,
				ExternalParameters: External{
					Source: Source{Commit: strings.Repeat("ab", 20), Version: "0.1.0"},
					Config: &config.File{Name: "app", Builds: []config.Build{{Name: "app", Target: "x86_64-unknown-linux-gnu", Profile: "release"}}},
				},
				InternalParameters:   Internal{Epoch: 1763769600, EpochFrom: "time of the commit", Platform: "linux/amd64", Plans: []Plan{{Build: "app", Digest: digest.FromString("plan")}}},
				ResolvedDependencies: []Resource{{Name: "commit", Digest: map[string]string{"gitCommit": strings.Repeat("ab", 20)}}, {Name: "Cargo.lock", Digest: Sum(digest.FromString("lock"))}},
			},
			RunDetails: RunDetails{Builder: Builder{ID: BuilderID}, Byproducts: []Resource{{Name: "twice.lock", Digest: Sum(digest.FromBytes(lock)), Content: lock}}},
		},
	}
}

func TestStatement(t *testing.T) {
	data, err := example().JSON()
	if err != nil {
		t.Fatal(err)
	}
	const golden = "sha256:80f868b2bd995b322b4e22e0349d250d958136e881ebb67518422f2de9d7ca84"
	if got := digest.FromBytes(data).String(); got != golden {
		t.Errorf("the statement's digest is %s, was %s", got, golden)
	}
	s, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again, data) {
		t.Error(cmp.Diff(string(data), string(again)))
	}
	if text, err := s.Lock(); err != nil || string(text) != "version = 1\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// in-toto's own types accept what is written, and know every member of it.
func TestInTotoReads(t *testing.T) {
	data, err := example().JSON()
	if err != nil {
		t.Fatal(err)
	}
	var s intoto.Statement
	if err := protojson.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	predicate, err := protojson.Marshal(s.GetPredicate())
	if err != nil {
		t.Fatal(err)
	}
	var p slsa.Provenance
	if err := protojson.Unmarshal(predicate, &p); err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	if n := len(p.GetBuildDefinition().GetResolvedDependencies()); n != 2 {
		t.Errorf("%d dependencies", n)
	}
	record, err := NewRecord(data, example(), Run{Verdict: "REPRODUCIBLE", Twice: "v0", Origin: "rust"}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	var r intoto.Statement
	if err := protojson.Unmarshal(record, &r); err != nil {
		t.Fatal(err)
	}
	if err := r.Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := example().JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, want string }{
		{StatementType, "https://in-toto.io/Statement/v0.1", "its type is"},
		{SLSA, "https://slsa.dev/provenance/v0.2", "its predicate is"},
		{BuildType, "https://example.org/", "its build type is"},
		{`"name": "bin/app"`, `"name": ""`, "has no SHA-256"},
		{`"sha256": "`, `"sha256": "00`, "has no SHA-256"},
		{`"epoch"`, `"epoc"`, "unknown field"},
		{"\n}\n", "\n}\n{}", "something follows"},
		{"  ", " ", "not in the form"},
	} {
		if _, err := Parse([]byte(strings.Replace(string(good), c.from, c.to, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.to, err, c.want)
		}
	}
	s := example()
	s.Predicate.RunDetails.Byproducts[0].Content = []byte("version = 2\n")
	if _, err := s.Lock(); err == nil {
		t.Error("a lock that isn't what its digest says is taken")
	}
	s.Subject = nil
	if _, err := s.JSON(); err == nil {
		t.Error("a statement about nothing is written")
	}
}

func TestRecord(t *testing.T) {
	data, err := example().JSON()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 26, 1, 2, 3, 4, time.FixedZone("x", 3600))
	r := NewRecord(data, example(), Run{Verdict: "REPRODUCIBLE", Start: at, Finish: at.Add(time.Minute), Twice: "v0", Origin: "rust"})
	text, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"start": "2026-11-26T00:02:03Z"`) {
		t.Error(string(text))
	}
	again, err := ParseRecord(text)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, again); d != "" {
		t.Error(d)
	}
	again.Subject[0].Digest = Sum(digest.FromString("other"))
	if text, err = again.JSON(); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseRecord(text); err == nil {
		t.Error("a record about another statement is taken")
	}
}

func FuzzParse(f *testing.F) {
	data, err := example().JSON()
	if err != nil {
		f.Fatal(err)
	}
	mutate.Add(f, data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := Parse(data); err == nil {
			_, _ = s.Lock()
		}
		_, _ = ParseRecord(data)
	})
}
