package check

import (
	"errors"
	"strings"
	"testing"

	"github.com/craton-co/twice/internal/audit"
	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/config"
	"github.com/craton-co/twice/internal/deny"
	"github.com/craton-co/twice/internal/lock"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"
)

// Each check has a name of its own, a reason and a fix, as sentences go here.
func TestChecksExplain(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range append(append([]Check{}, Checks...), diffChecks...) {
		if c.Name == "" || seen[c.Name] || c.Title == "" {
			t.Errorf("%q: no name or title of its own", c.Name)
		}
		seen[c.Name] = true
		if !strings.HasSuffix(c.Why, ".") || len(c.Why) < 40 {
			t.Errorf("%s: no reason: %q", c.Name, c.Why)
		}
		if c.Fix == "" || strings.HasSuffix(c.Fix, ".") {
			t.Errorf("%s: no fix: %q", c.Name, c.Fix)
		}
		if text := c.Explain(); !strings.Contains(text, c.Why) || !strings.Contains(text, c.Fix) {
			t.Errorf("%s: explained as %q", c.Name, text)
		}
	}
}

func TestDenied(t *testing.T) {
	pinned := &config.File{Check: &config.Check{}}
	report := func(r deny.Result) *deny.Report {
		return &deny.Report{Version: "0.20.2", DB: "0123456789abcdef", Results: map[string]deny.Result{"advisories": r}}
	}
	for name, c := range map[string]struct {
		s      subject
		status Status
		text   string
		fix    string
	}{
		"no pins":     {subject{config: &config.File{}}, NotApplicable, "no [check] in twice.toml: cargo-deny isn't asked", ""},
		"no engine":   {subject{config: pinned, denyErr: errors.New("no engine")}, NotChecked, "no engine", ""},
		"not made":    {subject{config: pinned, denied: report(deny.Result{Err: errors.New("no database")})}, NotChecked, "no database", ""},
		"passed":      {subject{config: pinned, denied: report(deny.Result{})}, Pass, "by cargo-deny 0.20.2, advisories of 0123456789ab", ""},
		"only warned": {subject{config: pinned, denied: report(deny.Result{Findings: []deny.Finding{{Text: "old"}}})}, Pass, "warning: old", ""},
		"no index":    {subject{config: pinned, denied: report(deny.Result{Findings: []deny.Finding{{Code: "index-failure", Text: "x"}}})}, Pass, "by cargo-deny 0.20.2, advisories of 0123456789ab; whether a release was yanked isn't known without an index", ""},
		"found":       {subject{config: pinned, denied: report(deny.Result{Failed: true, Findings: []deny.Finding{{Text: "old"}, {Error: true, Package: "x 1.0.0", Text: "hole", Fix: "update"}}})}, Fail, "hole", "update"},
		"unsaid":      {subject{config: pinned, denied: report(deny.Result{Failed: true})}, Fail, "failed, and says not why", ""},
	} {
		o := denied("advisories")(&c.s)
		if o.status != c.status || len(o.evidence) == 0 || o.evidence[0].Text != c.text || o.fix != c.fix {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestWatched(t *testing.T) {
	code := digest.FromString("code")
	crate := &Crate{LockPackage: cargo.LockPackage{Name: "x", Version: "1.0.0"}, BuildTime: cargo.BuildTime{Scripts: []string{"build.rs"}}, Code: code}
	row := func(code digest.Digest, did ...string) *lock.Lock {
		return &lock.Lock{Reviewed: []lock.Reviewed{{Name: "x", Version: "1.0.0", Code: code, Did: did}}}
	}
	ran := func(did ...string) *audit.Report {
		return &audit.Report{Crates: []audit.Crate{{Name: "x", Version: "1.0.0", Kind: audit.Script, Did: did}}}
	}
	for name, c := range map[string]struct {
		s      subject
		status Status
		texts  []string
	}{
		"never":               {subject{twiceLock: &lock.Lock{}}, Fail, []string{"nobody recorded what it does"}},
		"of other code":       {subject{twiceLock: row(digest.FromString("other"), "env CC")}, Fail, []string{"nobody recorded what it does"}},
		"recorded":            {subject{twiceLock: row(code, "runs gcc", "env A", "env B")}, Pass, []string{"runs 1, env 2"}},
		"did that":            {subject{twiceLock: row(code, "env CC"), audit: ran("env CC")}, Pass, []string{"did what is recorded: env 1"}},
		"did something else":  {subject{twiceLock: row(code, "env CC"), audit: ran("runs sh")}, Fail, []string{"not recorded: runs sh", "recorded, and not done any more: env CC"}},
		"not of this build":   {subject{twiceLock: row(code, audit.NotRun), audit: &audit.Report{}}, Pass, []string{"did what is recorded: not run"}},
		"runs after all":      {subject{twiceLock: row(code, audit.NotRun), audit: ran("env CC")}, Fail, []string{"not recorded: env CC", "recorded, and not done any more: not run"}},
		"own, on the network": {subject{twiceLock: row(code, audit.NotRun), audit: &audit.Report{Crates: []audit.Crate{{Name: "app", Version: "1", Own: true, Kind: audit.Script, Did: []string{"network looks up a"}}}}}, Fail, []string{"build script: tried the network: looks up a"}},
	} {
		c.s.graph = []*Crate{crate}
		o := buildScriptsWatched(&c.s)
		var texts []string
		for _, f := range o.evidence {
			texts = append(texts, f.Text)
		}
		if d := cmp.Diff(c.texts, texts); o.status != c.status || d != "" {
			t.Errorf("%s: %s %s", name, o.status, d)
		}
	}
}
