package rebuild

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/mutate"
	"github.com/craton-co/twice/internal/provenance"
	"github.com/craton-co/twice/internal/trust"
	"github.com/craton-co/twice/internal/verdict"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

func statement(t testing.TB) []byte {
	t.Helper()
	lock := []byte("version = 1\n")
	s := &provenance.Statement{
		Type: provenance.StatementType, PredicateType: provenance.SLSA,
		Subject: []provenance.Resource{{Name: "bin/app", Digest: provenance.Sum(digest.FromString("app"))}},
	}
	s.Predicate.BuildDefinition.BuildType = provenance.BuildType
	s.Predicate.BuildDefinition.ExternalParameters = provenance.External{Config: &config.File{Name: "app"},
		Source: provenance.Source{Commit: strings.Repeat("ab", 20), Repository: "https://git.example.org/app"}}
	s.Predicate.RunDetails.Byproducts = []provenance.Resource{{Name: "twice.lock", Digest: provenance.Sum(digest.FromBytes(lock)), Content: lock}}
	data, err := s.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func sealed(t testing.TB, payload []byte) []byte {
	t.Helper()
	data, err := json.Marshal(map[string]any{"dsseEnvelope": map[string]any{"payload": payload, "payloadType": payloadType}})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRead(t *testing.T) {
	text := statement(t)
	changed := []byte(strings.Replace(string(text), `"bin/app"`, `"bin/app" `, 1))
	newer := []byte(strings.Replace(string(text), `"commit"`, `"commitment"`, 1))
	for name, c := range map[string]struct {
		data      []byte
		unchecked string
		err       string
		incident  bool
	}{
		"bare":      {data: text, unchecked: "it has no signature"},
		"signed":    {data: sealed(t, text), unchecked: "nothing says who may sign"},
		"changed":   {data: changed, incident: true},
		"in bundle": {data: sealed(t, changed), incident: true},
		"newer":     {data: newer, err: "unknown field"},
		"other":     {data: []byte(`{"predicateType": "x"}`), err: "neither a provenance statement"},
		"no JSON":   {data: []byte("hello"), err: "neither a provenance statement"},
		"payload":   {data: []byte(`{"payloadType": "x", "payload": "eA=="}`), err: "its payload is"},
	} {
		got, err := Read(c.data, trust.Policy{})
		var bad *verdict.Incident
		switch {
		case c.incident && !errors.As(err, &bad):
			t.Errorf("%s: %v, want an incident", name, err)
		case !c.incident && c.err == "" && (err != nil || got.Unchecked != c.unchecked || string(got.Bytes) != string(text)):
			t.Errorf("%s: %v, %v", name, got, err)
		case c.err != "" && (err == nil || errors.As(err, &bad) || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: %v, want %q", name, err, c.err)
		}
	}
}

func TestSource(t *testing.T) {
	dirty := func(s *provenance.Source) { s.Dirty = true }
	for name, c := range map[string]struct {
		change     func(*provenance.Source)
		from, spec string
		err        string
	}{
		"repository":    {spec: "git+https://git.example.org/app#" + strings.Repeat("ab", 20)},
		"elsewhere":     {from: "git+https://mirror.example.org/app#main", spec: "git+https://mirror.example.org/app#" + strings.Repeat("ab", 20)},
		"no repository": {change: func(s *provenance.Source) { s.Repository = "" }, err: "names no repository"},
		"no URL":        {change: func(s *provenance.Source) { s.Repository = "file:///etc" }, err: "not the URL"},
		"dirty":         {change: dirty, err: "no commit holds"},
		"dirty, given":  {change: dirty, from: "here", spec: "here"},
		"crate":         {change: func(s *provenance.Source) { *s = provenance.Source{Crate: "app@1.0.0", SHA256: "ab"} }, spec: "crate:app@1.0.0"},
		"crate, given":  {change: func(s *provenance.Source) { s.Crate = "app@1.0.0" }, from: "here", err: "fetched by its hash"},
		"archive":       {change: func(s *provenance.Source) { *s = provenance.Source{Archive: true, SHA256: "ab"} }, err: "an archive of sources"},
	} {
		claim, err := Parse(statement(t))
		if err != nil {
			t.Fatal(err)
		}
		claim.Statement.Predicate.BuildDefinition.ExternalParameters.Config = &config.File{Builds: []config.Build{{Name: "app"}}}
		if c.change != nil {
			c.change(&claim.Statement.Predicate.BuildDefinition.ExternalParameters.Source)
		}
		spec, opt, err := claim.Source(t.Context(), c.from)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", name, err, c.err)
			}
			continue
		}
		if err != nil || spec != c.spec {
			t.Errorf("%s: %q, %v, want %q", name, spec, err, c.spec)
		} else if d := cmp.Diff("version = 1\n", string(opt.Given.Lock)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func FuzzRead(f *testing.F) {
	mutate.Add(f, statement(f))
	mutate.Add(f, sealed(f, statement(f)))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Read(data, trust.Policy{})
		if err == nil && c.Statement == nil {
			t.Error("neither a statement nor an error")
		}
	})
}
