package check

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
	"github.com/craton-co/twice/internal/tomldoc"
)

// Pin is a dependency on a git repository, as a Cargo.toml says it.
//
// # Policy
//
// Four conditions, each a check: it names a commit by 40 hexadecimal digits and
// nothing else (git-commit); a comment links its RFC and says when the pin goes
// away (git-reason); deny.toml allows the repository with the same comment
// (git-allowed); an SBOM in the repository names the commit (git-sbom).
//
// The comment is the one above the dependency, or behind it, or above the first
// of several dependencies on one commit that stand in lines one after the
// other. It links an RFC if it has a URL, a path of the source, or a number
// ("RFC 12"), and the word RFC. It says when the pin goes away in a sentence
// with "remove", "drop", "unpin", "goes away" or "until". The rest is why.
type Pin struct {
	Crate   string `json:"crate"`
	File    string `json:"file"`
	Line    int    `json:"line"`
	URL     string `json:"url"`
	Commit  string `json:"commit,omitempty"` // as the manifest says it, which may be less than a commit
	Branch  string `json:"branch,omitempty"`
	Tag     string `json:"tag,omitempty"`
	Dev     bool   `json:"dev,omitempty"`     // for tests only
	Comment string `json:"comment,omitempty"` // in one line
	Why     string `json:"why,omitempty"`
	RFC     string `json:"rfc,omitempty"`
	Removal string `json:"removal,omitempty"`
}

// readPins collects the git dependencies of every manifest.
func (s *subject) readPins() []Pin {
	var all []Pin
	for _, doc := range s.manifests {
		var tables, dev []*tomldoc.Value
		add := func(v *tomldoc.Value) {
			for _, kind := range []string{"dependencies", "dev-dependencies", "dev_dependencies", "build-dependencies", "build_dependencies"} {
				if t := v.Get(kind); t != nil {
					tables = append(tables, t)
					if strings.HasPrefix(kind, "dev") {
						dev = append(dev, t)
					}
				}
			}
		}
		add(doc.Root)
		if t := doc.Root.Get("workspace", "dependencies"); t != nil {
			tables = append(tables, t)
		}
		for _, section := range []string{"target", "patch"} {
			t := doc.Root.Get(section)
			for _, k := range t.Keys() {
				if section == "target" {
					add(t.Get(k))
				} else {
					tables = append(tables, t.Get(k))
				}
			}
		}
		for _, t := range tables {
			for _, p := range s.pinsOf(doc, t) {
				p.Dev = slices.Contains(dev, t)
				all = append(all, p)
			}
		}
	}
	return all
}

func (s *subject) pinsOf(doc *tomldoc.Document, table *tomldoc.Value) []Pin {
	var all []Pin
	for _, name := range table.Keys() {
		v := table.Get(name)
		git := v.Str("git")
		if git == "" {
			continue
		}
		p := Pin{Crate: name, File: doc.Name, Line: v.Line, URL: git, Commit: v.Str("rev"), Branch: v.Str("branch"), Tag: v.Str("tag")}
		if real := v.Str("package"); real != "" {
			p.Crate = real
		}
		comment := doc.Comment(v.Line)
		if len(comment) == 0 {
			comment = doc.Comment(v.Get("git").Line)
		}
		p.Comment = join(comment)
		if n := len(all); p.Comment == "" && n > 0 && all[n-1].URL == git && all[n-1].Commit == p.Commit && !gap(doc, all[n-1].Line, v.Line) {
			p.Comment = all[n-1].Comment
		}
		p.Why, p.RFC, p.Removal = s.reason(p.Comment)
		all = append(all, p)
	}
	return all
}

// gap says whether an empty line is between two lines.
func gap(doc *tomldoc.Document, from, to int) bool {
	for n := from + 1; n < to; n++ {
		if doc.Blank(n) {
			return true
		}
	}
	return false
}

func join(comment []string) string {
	return strings.Join(strings.Fields(strings.Join(comment, " ")), " ")
}

var (
	rfcRE     = regexp.MustCompile(`(?i)\bRFCs?\b`)
	numberRE  = regexp.MustCompile(`(?i)\bRFC[ #-]?\d+\b`)
	linkRE    = regexp.MustCompile(`https?://[^\s)>,]+`)
	pathRE    = regexp.MustCompile(`[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+`)
	removalRE = regexp.MustCompile(`(?i)\b(?:remov(?:e|ed|al)|drop(?:ped)?|unpin(?:ned)?|go(?:es)? away|until)\b`)
	leadRE    = regexp.MustCompile(`(?i)^(?:RFC|why|remove|removal)?\s*:\s*`)
)

// reason takes a comment apart.
func (s *subject) reason(comment string) (why, rfc, removal string) {
	if rfcRE.MatchString(comment) {
		rfc = strings.TrimRight(linkRE.FindString(comment), ".")
		if rfc == "" {
			for _, p := range pathRE.FindAllString(comment, -1) {
				if p = strings.TrimRight(p, "."); isFile(s.fsys, path.Clean(p)) {
					rfc = p
					break
				}
			}
		}
		if rfc == "" {
			rfc = numberRE.FindString(comment)
		}
	}
	var rest []string
	for _, sentence := range sentences(comment) {
		switch {
		case strings.Contains(sentence, "<"): // of a template that nobody filled in
		case removalRE.MatchString(sentence) && len(strings.Fields(sentence)) > 2:
			removal = strings.TrimSpace(removal + " " + sentence)
		default:
			plain := strings.TrimSpace(strings.NewReplacer("("+rfc+")", "", rfc, "").Replace(sentence))
			if rfc == "" {
				plain = sentence
			}
			if plain = leadRE.ReplaceAllString(plain, ""); strings.Trim(plain, " .,:;") != "" && !rfcOnlyRE.MatchString(plain) {
				rest = append(rest, plain)
			}
		}
	}
	if strings.Contains(rfc, "<") {
		rfc = ""
	}
	return strings.Join(rest, " "), rfc, removal
}

var rfcOnlyRE = regexp.MustCompile(`(?i)^[\s.,:;]*(?:see\s+)?RFC[\s.,:;]*$`)

// beginRE is where a sentence begins without a full stop before it: on a line
// of its own, as a rule.
var beginRE = regexp.MustCompile(`\s(?:Remove|Drop|Unpin|Until|RFC:|Why:)`)

// sentences cuts at a full stop and a space, and at beginRE.
func sentences(text string) []string {
	var all []string
	for _, s := range strings.SplitAfter(text, ". ") {
		for {
			m := beginRE.FindStringIndex(s)
			if m == nil {
				break
			}
			all = append(all, strings.TrimSpace(s[:m[0]]))
			s = s[m[0]+1:]
		}
		all = append(all, strings.TrimSpace(s))
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

var (
	commitRE = regexp.MustCompile(`^[0-9a-f]{40}$`)
	shortRE  = regexp.MustCompile(`^[0-9a-f]{4,39}$`)
)

func noPins(s *subject) bool { return len(s.pins) == 0 && len(s.gitPackages()) == 0 }

func noGit() outcome { return skip("no dependency comes from git") }

func gitCommit(s *subject) outcome {
	if noPins(s) {
		return noGit()
	}
	var bad, good []Finding
	for _, p := range s.pins {
		switch {
		case p.Branch != "":
			bad = append(bad, at(p.File, p.Line, "%s: branch %q moves", p.Crate, p.Branch))
		case p.Tag != "":
			bad = append(bad, at(p.File, p.Line, "%s: tag %q can be moved", p.Crate, p.Tag))
		case p.Commit == "":
			bad = append(bad, at(p.File, p.Line, "%s: no rev", p.Crate))
		case shortRE.MatchString(p.Commit):
			bad = append(bad, at(p.File, p.Line, "%s: rev %q has %d of 40 digits", p.Crate, p.Commit, len(p.Commit)))
		case !commitRE.MatchString(p.Commit):
			bad = append(bad, at(p.File, p.Line, "%s: rev %q is no commit", p.Crate, p.Commit))
		default:
			good = append(good, at(p.File, p.Line, "%s at %s", p.Crate, p.Commit))
		}
	}
	return judge(bad, good)
}

func gitReason(s *subject) outcome {
	if len(s.pins) == 0 {
		return noGit()
	}
	var bad, good []Finding
	for _, p := range s.pins {
		var lacks []string
		if p.RFC == "" {
			lacks = append(lacks, "links no RFC")
		}
		if p.Removal == "" {
			lacks = append(lacks, "doesn't say when the pin goes away")
		}
		switch {
		case p.Comment == "":
			bad = append(bad, at(p.File, p.Line, "%s: no comment", p.Crate))
		case len(lacks) > 0:
			bad = append(bad, at(p.File, p.Line, "%s: its comment %s", p.Crate, strings.Join(lacks, ", and ")))
		default:
			good = append(good, at(p.File, p.Line, "%s: %s; %s", p.Crate, p.RFC, p.Removal))
		}
	}
	return judge(bad, good)
}

// sameRepo compares URLs as cargo-deny does: without .git and a slash at the end.
func sameRepo(a, b string) bool { return bareURL(a) == bareURL(b) }

func bareURL(u string) string {
	u, _, _ = strings.Cut(u, "?")
	return strings.ToLower(strings.TrimSuffix(strings.TrimRight(strings.TrimPrefix(u, "git+"), "/"), ".git"))
}

// gitPackages are the packages of Cargo.lock that come from git.
func (s *subject) gitPackages() []cargo.LockPackage {
	if s.cargoLock == nil {
		return nil
	}
	var all []cargo.LockPackage
	for _, p := range s.cargoLock.Packages {
		if _, _, ok := p.Git(); ok {
			all = append(all, p)
		}
	}
	return all
}

func gitAllowed(s *subject) outcome {
	if noPins(s) {
		return noGit()
	}
	if s.deny == nil {
		return outcome{status: Fail, evidence: []Finding{at(s.below("deny.toml"), 0, "isn't there")}}
	}
	var bad, good []Finding
	var rows []*tomldoc.Value
	if v := s.deny.Root.Get("sources", "allow-git"); v != nil {
		rows = v.Array
	}
	for _, g := range s.repositories() {
		i := slices.IndexFunc(rows, func(v *tomldoc.Value) bool { return sameRepo(v.String, g.URL) })
		if i < 0 {
			bad = append(bad, at(s.deny.Name, 0, "allow-git has no %s", g.URL))
			continue
		}
		comment := join(s.deny.Comment(rows[i].Line))
		if len(g.comments) > 0 && !slices.Contains(g.comments, comment) {
			bad = append(bad, at(s.deny.Name, rows[i].Line, "%s: its comment is not that of %s", g.URL, g.where))
			continue
		}
		good = append(good, at(s.deny.Name, rows[i].Line, "%s", g.URL))
	}
	return judge(bad, good)
}

type repository struct {
	URL      string
	comments []string // of its pins
	where    string   // of its first pin
}

// repositories are those that Cargo.toml or Cargo.lock name.
func (s *subject) repositories() []*repository {
	var all []*repository
	find := func(u string) *repository {
		for _, r := range all {
			if sameRepo(r.URL, u) {
				return r
			}
		}
		all = append(all, &repository{URL: u})
		return all[len(all)-1]
	}
	for _, p := range s.pins {
		r := find(p.URL)
		if r.where == "" {
			r.where = fmt.Sprintf("%s:%d", p.File, p.Line)
		}
		if p.Comment != "" && !slices.Contains(r.comments, p.Comment) {
			r.comments = append(r.comments, p.Comment)
		}
	}
	for _, p := range s.gitPackages() {
		u, _, _ := p.Git()
		find(u)
	}
	return all
}

// purlRef is a component of an SBOM.
type purlRef struct {
	File, Purl string
	Line       int
}

// isSBOM says whether a file's name is one of CycloneDX in JSON.
func isSBOM(name string) bool {
	base := strings.ToLower(path.Base(name))
	return strings.HasSuffix(base, ".cdx.json") || strings.HasSuffix(base, ".cyclonedx.json") || base == "bom.json" ||
		strings.HasSuffix(base, ".json") && strings.Contains(base, "sbom")
}

// purls are what the CycloneDX files of the source name.
func (s *subject) purls() (files []string, all []purlRef, broken []Finding) {
	for _, e := range s.files {
		if !isSBOM(e.Path) || strings.HasPrefix(e.Path, "target/") {
			continue
		}
		data, err := s.read(e.Path)
		if err != nil || data == nil {
			continue
		}
		var doc struct {
			Format     string      `json:"bomFormat"`
			Metadata   any         `json:"metadata"`
			Components []component `json:"components"`
		}
		if err := json.Unmarshal(data, &doc); err != nil {
			broken = append(broken, at(e.Path, 0, "is no JSON: %v", err))
			continue
		}
		if doc.Format != "CycloneDX" {
			continue
		}
		files = append(files, e.Path)
		var walk func([]component)
		walk = func(list []component) {
			for _, c := range list {
				if c.Purl != "" {
					all = append(all, purlRef{e.Path, c.Purl, 1 + strings.Count(string(data[:max(0, strings.Index(string(data), c.Purl))]), "\n")})
				}
				walk(c.Components)
			}
		}
		walk(doc.Components)
	}
	return files, all, broken
}

type component struct {
	Purl       string      `json:"purl"`
	Components []component `json:"components"`
}

func gitSBOM(s *subject) outcome {
	wanted := s.gitPackages()
	if len(wanted) == 0 {
		if len(s.pins) > 0 {
			return outcome{status: Fail, evidence: []Finding{at(s.below("Cargo.lock"), 0, "has no package from git: it doesn't fit Cargo.toml")}, fix: "run `cargo generate-lockfile`, then write the SBOM"}
		}
		return noGit()
	}
	files, purls, bad := s.purls()
	if len(files) == 0 {
		return outcome{status: Fail, evidence: append(bad, Finding{Text: "no CycloneDX file in JSON is in the source"})}
	}
	var good []Finding
	for _, p := range wanted {
		repo, commit, _ := p.Git()
		i := slices.IndexFunc(purls, func(x purlRef) bool { return isPurlOf(x.Purl, p, repo, commit) })
		// Of what Cargo.lock has besides, the build may need nothing: their commit counts.
		if i < 0 && !slices.ContainsFunc(s.pins, func(x Pin) bool { return x.Crate == p.Name && !x.Dev }) {
			i = slices.IndexFunc(purls, func(x purlRef) bool { return isPurlOf(x.Purl, cargo.LockPackage{}, repo, commit) })
		}
		if i < 0 {
			bad = append(bad, at(files[0], 0, "no purl of %s %s has vcs_url=git+%s@%s", p.Name, p.Version, repo, commit))
		} else {
			good = append(good, at(purls[i].File, purls[i].Line, "%s %s at %.12s", p.Name, p.Version, commit))
		}
	}
	return judge(bad, good)
}

// isPurlOf compares a package URL with a package: type, name, version, and the
// commit in its qualifier vcs_url. A package without a name is any.
func isPurlOf(purl string, p cargo.LockPackage, repo, commit string) bool {
	rest, ok := strings.CutPrefix(purl, "pkg:cargo/")
	if !ok {
		return false
	}
	rest, _, _ = strings.Cut(rest, "#")
	id, query, _ := strings.Cut(rest, "?")
	name, version, _ := strings.Cut(id, "@")
	version, err := url.PathUnescape(version)
	if err != nil || p.Name != "" && (name != p.Name || version != "" && version != p.Version) {
		return false
	}
	for _, q := range strings.Split(query, "&") {
		key, value, _ := strings.Cut(q, "=")
		value, err := url.PathUnescape(value)
		if err != nil || key != "vcs_url" {
			continue
		}
		at := strings.LastIndex(value, "@")
		if at > 0 && strings.HasPrefix(value, "git+") && sameRepo(value[:at], repo) && value[at+1:] == commit {
			return true
		}
	}
	return false
}

// pinGroup is a row of the table of pins.
type pinGroup struct {
	Pin
	crates []string
}

func groupPins(pins []Pin) []pinGroup {
	var all []pinGroup
	for _, p := range pins {
		i := slices.IndexFunc(all, func(g pinGroup) bool {
			return sameRepo(g.URL, p.URL) && g.Commit == p.Commit && g.Branch == p.Branch && g.Tag == p.Tag && g.Comment == p.Comment
		})
		if i < 0 {
			all = append(all, pinGroup{Pin: p})
			i = len(all) - 1
		}
		if !slices.Contains(all[i].crates, p.Crate) {
			all[i].crates = append(all[i].crates, p.Crate)
		}
	}
	return all
}
