// Package deny reads what cargo-deny says of a workspace: known advisories,
// licences, banned and doubled crates, sources. The rules are those of the
// project's deny.toml, the advisories those of a database in RustSec's form;
// neither is written anew here.
//
// cargo-deny is called once for each of its four checks, with --format json: a
// line of JSON for each diagnostic, and a summary at the end. Without a summary
// the check was not made, and what it logged says why. The form is that of
// cargo-deny 0.14 to 0.20.
package deny

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/pelletier/go-toml/v2"
)

// Checks are cargo-deny's, by its names.
var Checks = []string{"advisories", "licenses", "bans", "sources"}

// Report is what cargo-deny found, by the names of its checks.
type Report struct {
	Version string // of cargo-deny
	DB      string // commit of the advisory database
	Results map[string]Result
}

// Result is that of one check.
type Result struct {
	Failed   bool
	Findings []Finding
	Err      error // the check was not made
}

// Finding is one diagnostic.
type Finding struct {
	Error   bool // else a warning
	Code    string
	Package string // "name version", or ""
	Text    string
	Fix     string // what the advisory says, or ""
}

// maxLine bounds a line of output: an advisory's text, and a graph of crates.
const maxLine = 16 << 20

// Parse reads the output of one check.
func Parse(check string, output []byte) Result {
	var r Result
	var logged []string
	done := false
	s := bufio.NewScanner(bytes.NewReader(output))
	s.Buffer(nil, maxLine)
	for s.Scan() {
		var line struct {
			Type   string          `json:"type"`
			Fields json.RawMessage `json:"fields"`
		}
		if json.Unmarshal(s.Bytes(), &line) != nil {
			logged = append(logged, s.Text()) // a wrong argument, a panic
			continue
		}
		switch line.Type {
		case "log":
			var f struct{ Level, Message string }
			if json.Unmarshal(line.Fields, &f) == nil && f.Level == "ERROR" {
				logged = append(logged, f.Message)
			}
		case "diagnostic":
			if f, ok := finding(line.Fields); ok {
				r.Findings = append(r.Findings, f)
			}
		case "summary":
			var f map[string]struct{ Errors int }
			if err := json.Unmarshal(line.Fields, &f); err != nil {
				return Result{Err: fmt.Errorf("reading cargo-deny's summary: %w", err)}
			}
			if sum, ok := f[check]; ok {
				done, r.Failed = true, sum.Errors > 0
			}
		}
	}
	if err := s.Err(); err != nil {
		return Result{Err: fmt.Errorf("reading cargo-deny's output: %w", err)}
	}
	if !done {
		why := strings.Join(strings.Fields(strings.Join(logged, "; ")), " ")
		if why == "" {
			why = "it said nothing"
		}
		if len(why) > 400 {
			why = strings.ToValidUTF8(why[:400], "") + "…"
		}
		return Result{Err: fmt.Errorf("cargo-deny made no check of %s: %s", check, why)}
	}
	return r
}

var crateRE = regexp.MustCompile(`'([A-Za-z0-9_-]+) = ([0-9][^']*)'|^([A-Za-z0-9_-]+) = ([0-9]\S*)|^([A-Za-z0-9_-]+) ([0-9]\S*) (?:registry|git|path|sparse)\+`)

// finding is a diagnostic; notes and helps are none.
func finding(data []byte) (Finding, bool) {
	var d struct {
		Code, Message, Severity string
		Notes                   []string
		Labels                  []struct{ Span, Message string }
		Advisory                *struct{ ID, Package string }
		Graphs                  []struct {
			Krate struct{ Name, Version string }
		}
	}
	if json.Unmarshal(data, &d) != nil || d.Severity != "error" && d.Severity != "warning" {
		return Finding{}, false
	}
	f := Finding{Error: d.Severity == "error", Code: d.Code, Text: d.Message}
	if d.Advisory != nil && d.Advisory.ID != "" {
		f.Text = d.Advisory.ID + ": " + d.Message
	}
	for _, n := range d.Notes {
		if fix, ok := strings.CutPrefix(n, "Solution: "); ok {
			f.Fix = fix
		}
	}
	if len(d.Graphs) > 0 && d.Graphs[0].Krate.Name != "" {
		f.Package = d.Graphs[0].Krate.Name + " " + d.Graphs[0].Krate.Version
	}
	texts := []string{d.Message}
	for _, l := range d.Labels {
		texts = append(texts, l.Span)
	}
	for _, t := range texts {
		if m := crateRE.FindStringSubmatch(t); f.Package == "" && m != nil {
			f.Package = m[1] + m[3] + m[5] + " " + m[2] + m[4] + m[6]
		}
	}
	// What is rejected says the label, not the message.
	for _, l := range d.Labels {
		if l.Message != "" && l.Span != "" && d.Advisory == nil && len(l.Span) < 100 {
			f.Text += "; " + l.Message + ": " + strings.Join(strings.Fields(l.Span), " ")
		}
	}
	return f, true
}

// DefaultURL is the advisory database that cargo-deny takes unless it is told.
const DefaultURL = "https://github.com/RustSec/advisory-db"

// Database is where cargo-deny looks for its advisories.
type Database struct {
	URL    string // the repository
	Path   string // the folder with databases, as deny.toml says: "" is cargo-deny's own
	Folder string // below Path
}

// ReadDatabase reads that from a deny.toml, nil for none.
func ReadDatabase(config []byte) (Database, error) {
	var c struct {
		Advisories struct {
			Path string   `toml:"db-path"`
			URLs []string `toml:"db-urls"`
		} `toml:"advisories"`
	}
	if err := toml.Unmarshal(config, &c); err != nil {
		return Database{}, fmt.Errorf("deny.toml: %w", err)
	}
	d := Database{URL: DefaultURL, Path: c.Advisories.Path}
	switch len(c.Advisories.URLs) {
	case 0:
	case 1:
		d.URL = c.Advisories.URLs[0]
	default:
		return Database{}, errors.New("deny.toml: names several advisory databases, and twice.toml pins one commit")
	}
	u, err := url.Parse(strings.ToLower(d.URL))
	if err != nil || u.Scheme == "" {
		return Database{}, fmt.Errorf("deny.toml: db-urls: %q is no URL", d.URL)
	}
	// As cargo-deny names it: the last part of the path, and the URL's xxHash64.
	h := xxhash.NewWithSeed(0xca80de71)
	_, _ = h.WriteString(u.String())
	d.Folder = fmt.Sprintf("%s-%016x", path.Base(u.Path), h.Sum64())
	for _, s := range []string{d.Path, d.Folder} {
		if strings.ContainsAny(s, "\x00\n\r'\"\\`; &|<>*?(){}[]#") {
			return Database{}, fmt.Errorf("deny.toml: %q can't be a folder", s)
		}
	}
	return d, nil
}
