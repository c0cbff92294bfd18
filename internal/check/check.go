package check

import (
	"fmt"
	"strings"
)

// Check is one point of the checklist.
type Check struct {
	Name  string
	Title string
	Why   string // the reason to have it
	Fix   string
	Blind string // what it can't see, "" if nothing is known
	run   func(*subject) outcome
}

// outcome is what a check found out.
type outcome struct {
	status   Status
	evidence []Finding
	fix      string // in the place of the check's own
}

func pass(evidence ...Finding) outcome { return outcome{status: Pass, evidence: evidence} }

func skip(format string, a ...any) outcome {
	return outcome{status: NotApplicable, evidence: []Finding{{Text: fmt.Sprintf(format, a...)}}}
}

// judge fails if there is anything bad, else passes with what is good.
func judge(bad, good []Finding) outcome {
	if len(bad) > 0 {
		return outcome{status: Fail, evidence: bad}
	}
	return outcome{status: Pass, evidence: good}
}

func at(file string, line int, format string, a ...any) Finding {
	return Finding{File: file, Line: line, Text: fmt.Sprintf(format, a...)}
}

// Checks is the checklist, in order.
var Checks = []Check{
	{Name: "toolchain-pinned", Title: "the toolchain is pinned by release or date", run: toolchainPinned,
		Why: "\"stable\" is another compiler every six weeks, and another compiler writes other bits; it stands in every binary's .comment.",
		Fix: "name a release (\"1.95.0\") or a dated channel (\"nightly-2026-04-03\") in rust-toolchain.toml; `twice init --patch` writes one"},
	{Name: "lock-used", Title: "Cargo.lock is committed and used", run: lockUsed,
		Why:   "without Cargo.lock, or with a cargo that may change it, each build takes the newest crates of its day.",
		Fix:   "commit Cargo.lock, and add --locked (or --frozen) to each cargo command that builds or installs",
		Blind: "commands in programs other than shell, and cargo's aliases"},
	{Name: "incremental-off", Title: "incremental compilation is off", run: incrementalOff,
		Why: "what an incremental build writes depends on the builds before it, not on the sources alone.",
		Fix: "remove the setting, or set CARGO_INCREMENTAL=0"},
	{Name: "source-date-epoch", Title: "SOURCE_DATE_EPOCH is set and used", run: sourceDateEpoch,
		Why:   "a date that is embedded must be the sources', not the clock's; the variable is how every tool is told.",
		Fix:   "export SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) where release builds run, and read it where code reads the clock",
		Blind: "clocks behind the functions of other crates"},
	{Name: "paths-remapped", Title: "source paths are remapped", run: pathsRemapped,
		Why:   "rustc writes absolute paths into panic messages and debug information, so that another checkout directory gives other bits.",
		Fix:   "build with twice, which remaps; or pass --remap-path-prefix for the sources, Cargo's home and the sysroot, and -ffile-prefix-map in CFLAGS",
		Blind: "flags that a script gets from outside"},
	{Name: "build-scripts-reviewed", Title: "code that runs at build time was reviewed", run: buildScriptsReviewed,
		Why:   "build scripts and procedural macros of dependencies run with the builder's rights, and decide what is built; cargo asks nobody.",
		Fix:   "read it with `twice check --review NAME`, then record it with `twice check --accept NAME`",
		Blind: "what the code does when it runs (build-scripts-watched), and the libraries that it links"},
	{Name: "build-scripts-watched", Title: "what code does at build time was recorded", run: buildScriptsWatched,
		Why:   "code can read well and still behave otherwise; what it was seen to do is short, and a change of it is a line in a diff.",
		Fix:   "run `twice audit`, look at what is new, and record it with `twice audit --accept NAME` (or all)",
		Blind: "what an audit can't see; `twice audit --help` lists it. Without --audit FILE: what the code does today"},
	{Name: "ordered-codegen", Title: "no unordered map in code generation", run: orderedCodegen,
		Why:   "a HashMap lists its entries in another order in each process; what a build script or a procedural macro writes from one differs in each build.",
		Fix:   "use BTreeMap or BTreeSet, or sort before writing",
		Blind: "types across functions of other crates, generic parameters, macros; see the package's documentation"},
	{Name: "builder-pinned", Title: "the builder's image is pinned by digest", run: builderPinned,
		Why:   "a tag is moved whenever its owner likes, and the C compiler, linker and libraries of the builder are in the result.",
		Fix:   "name images as name@sha256:…; or build with twice, whose builder is composed from the packages of twice.lock",
		Blind: "images that come from variables of the CI"},
	{Name: "two-builds", Title: "two builds are compared", run: twoBuilds,
		Why: "reproducibility that nobody tests is lost with the next dependency.",
		Fix: "run `twice verify` (or `dagger call verify`) in CI, or give a verdict with --verdict FILE"},
	{Name: "provenance", Title: "what is published has a provenance statement", run: provenance,
		Why:   "whoever downloads the result must be able to find out from which sources and by whom it was built.",
		Fix:   "publish the statement that `twice verify -o DIR` writes; or attest what the job publishes, for instance with actions/attest-build-provenance",
		Blind: "whether the statement is signed, and whether it is published with the rest"},
	{Name: "git-commit", Title: "git dependencies name a full commit", run: gitCommit,
		Why: "branches and tags move, and a short hash can be made to mean two commits.",
		Fix: `write rev = "<40 hexadecimal digits>", and no branch or tag`},
	{Name: "git-reason", Title: "git dependencies say why, and until when", run: gitReason,
		Why: "a pin outside of the registry is a decision with an end; without its reason next to it nobody dares to remove it.",
		Fix: "write a comment above it that links its RFC and says when the pin goes away: \"# RFC: <link>\" and \"# Remove when <condition>.\""},
	{Name: "git-allowed", Title: "git dependencies are allowed in deny.toml", run: gitAllowed,
		Why: "cargo-deny refuses sources that nobody listed; the row is the second pair of eyes, and its comment must not tell another story.",
		Fix: "list the repository in [sources] allow-git of deny.toml, with the comment that Cargo.toml has; `twice init --patch` writes the rows"},
	{Name: "git-sbom", Title: "git dependencies are in the SBOM, by commit", run: gitSBOM,
		Why: "a version number says nothing about a commit: who looks for an affected component needs the repository and the commit.",
		Fix: "write it with `twice sbom -o .` and commit it: CycloneDX, with purls that have vcs_url=git+<repository>@<commit>"},
	{Name: "advisories", Title: "no crate has a known advisory", run: denied("advisories"),
		Why:   "what a build repeats faithfully may be a hole that everybody but its users knows of.",
		Fix:   "update the crate, or ignore the advisory in deny.toml, with the reason",
		Blind: "what was published after the commit of the database that twice.toml pins; and whether a release was yanked: that is in the registry's index"},
	{Name: "licences", Title: "licences are those that deny.toml allows", run: denied("licenses"),
		Why: "who hands out a binary hands out its crates, under their terms.",
		Fix: "allow the licence in [licenses] of deny.toml, or replace the crate"},
	{Name: "bans", Title: "no crate is banned, or there twice where deny.toml minds", run: denied("bans"),
		Why: "two releases of one crate are twice the code to review, and a fix may reach just one of them.",
		Fix: "`cargo update` to one release, or say in [bans] of deny.toml that it is known"},
	{Name: "sources", Title: "crates come from where deny.toml allows", run: denied("sources"),
		Why: "one crate from an unknown registry or repository is enough to decide what is built.",
		Fix: "take it from an allowed place, or add the place to [sources] of deny.toml"},
	{Name: "environment", Title: "the workspace reads nothing of the machine", run: environmentOwn,
		Why:   "user, host, home, time zone and processor are another on every machine, and end up in the result.",
		Fix:   "drop the use, or take the value from the sources",
		Blind: "names that are computed"},
	{Name: "environment-graph", Title: "the crates read nothing of the machine", run: environmentGraph,
		Why:   "a dependency can embed the machine as well as the workspace can.",
		Fix:   "look at it with `twice check --review NAME`; if it is harmless record that with `twice check --accept NAME`",
		Blind: "names that are computed"},
}

// Named returns the check of that name.
func Named(name string) (Check, bool) {
	for _, c := range append(append([]Check{}, Checks...), diffChecks...) {
		if c.Name == name {
			return c, true
		}
	}
	return Check{}, false
}

// Explain is a check for people.
func (c Check) Explain() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\nwhy  %s\nfix  %s\n", c.Name, c.Title, c.Why, c.Fix)
	if c.Blind != "" {
		fmt.Fprintf(&b, "not seen: %s\n", c.Blind)
	}
	return b.String()
}

// List is the checks with their reasons, for help texts.
func List() string {
	var b strings.Builder
	for _, c := range append(append([]Check{}, Checks...), diffChecks...) {
		fmt.Fprintf(&b, "  %-24s%s\n", c.Name, c.Title)
	}
	return b.String()
}

func (c Check) result(o outcome) Result {
	r := Result{Check: c.Name, Title: c.Title, Status: o.status, Evidence: o.evidence}
	if o.status == Fail || o.status == NotChecked {
		r.Fix = c.Fix
		if o.fix != "" {
			r.Fix = o.fix
		}
	}
	return r
}
