// Package verdict is the result of building twice, as data: what was built,
// from what, how the two builds differed, and whether their artefacts are the
// same bits. The text on the screen and the JSON on the disk are two renderings of one value.
//
// # The words
//
//   - REPRODUCIBLE: every artefact of A is, bit for bit, that of B. Exit 0.
//   - MISMATCH: at least one is not, or only one side has it. Exit 1.
//   - NO VERDICT: the question was not answered (a build failed, there was
//     nothing to compare, the run was interrupted). Exit 2.
//
// With a reference to compare the builds with (a released artefact, an earlier
// verdict) a REPRODUCIBLE build is also, bit for bit, the reference, a MISMATCH
// is one with itself or the reference, and there are three more words:
//
//   - INCIDENT: the reference is not what is claimed of it. Exit 3.
//   - SAME CONTENT: it differs in its compression only. Exit 4.
//   - OTHER INPUTS: it was built from other inputs. Exit 5.
//
// A warning never changes the word: it says what two builds on one machine and
// one day could not have shown.
//
// # The JSON
//
// One object, UTF-8, indented by two spaces, a line feed at the end; "verdict"
// is its first member and "schema" its second. Members are always in the same order and nothing
// is escaped for HTML, so that equal verdicts are equal bytes. Times are RFC 3339 in UTC, durations seconds,
// digests "sha256:" and 64 hexadecimal digits. Members that are empty and not
// listed as required below are left out. A reader refuses members it does not
// know and any other schema: there is one writer, and a verdict that is half
// understood is worse than none. docs/verdict.schema.json says the same as a JSON Schema.
//
// With several engines there is a build for each: A, B, and with the settings of
// B also C and so on. The artefacts are those of A and of B, where B is the
// first that left something else than A, if any did. "engines" says who built
// which, and "result" of a build is equal for those that left the same.
//
// "class" tells apart what a word does not ([Class]). "bisection" is there when
// a mismatch was built again ([Bisection]): its conclusion, the axes in groups,
// and each build with the axes that it varied, the digest of what it left, and
// its seconds. "reference" is there when the builds were compared with something
// that was there before ([Reference]).
package verdict

import (
	"time"

	digest "github.com/opencontainers/go-digest"

	"github.com/craton-co/twice/internal/cause"
	"github.com/craton-co/twice/internal/compare"
)

// Schema is the version of the JSON form.
const Schema = 1

// Word is the verdict in one word.
type Word string

// The verdicts.
const (
	Reproducible Word = "REPRODUCIBLE"
	Mismatch     Word = "MISMATCH"
	NoVerdict    Word = "NO VERDICT"
	// The others come of a comparison with something that was there before.
	Alarm       Word = "INCIDENT"
	SameContent Word = "SAME CONTENT"
	OtherInputs Word = "OTHER INPUTS"
)

// Verdict is everything that one run found out.
type Verdict struct {
	Word   Word `json:"verdict"`
	Schema int  `json:"schema"`
	// Class tells apart what a word does not; empty without a verdict.
	Class Class `json:"class,omitempty"`
	// Reason is why there is no verdict; empty otherwise.
	Reason string `json:"reason,omitempty"`
	// Reached is when the verdict was reached.
	Reached time.Time `json:"reached"`
	// FromCache is set on a verdict that was stored by an earlier run: when it
	// was reached. It is never in a stored verdict's own bytes.
	FromCache *time.Time `json:"from_cache,omitempty"`

	Subject   Subject    `json:"subject"`
	Inputs    Inputs     `json:"inputs"`
	Artefacts []Artefact `json:"artefacts"`
	// Image is the digest of the image's manifest, or of the index where the
	// images are one; empty without an image, on a
	// mismatch, and for a project with several: the artefacts have those.
	Image    digest.Digest `json:"image,omitempty"`
	Warnings []Warning     `json:"warnings,omitempty"`

	// Reference is what the builds were compared with; nil if with nothing.
	Reference *Reference `json:"reference,omitempty"`

	Builds []Build `json:"builds"`
	// Bisection is what building again found out about a mismatch; nil if that
	// was not done.
	Bisection *Bisection `json:"bisection,omitempty"`
	Varied    []Axis     `json:"varied,omitempty"`
	NotVaried []Axis     `json:"not_varied,omitempty"`
	Steps     []Step     `json:"steps,omitempty"`
	// Engine says in one line what ran the builds: "embedded BuildKit v0.32.2, contained".
	Engine string `json:"engine,omitempty"`
	// Engines are those that ran the builds, where there were several.
	Engines []Engine `json:"engines,omitempty"`
	// Report is the path of the report that was written, as the user would type it.
	// It is never in the report's own copy of the verdict.
	Report string `json:"report,omitempty"`
	// Attachments are what else lies beside the verdict in its report.
	Attachments []Attachment `json:"attachments,omitempty"`
	// Twice is the version of this program.
	Twice string `json:"twice"`
}

// Subject is what was built.
type Subject struct {
	Spec    string `json:"spec"` // as the user named it: "crate:ripgrep@15.1.0", "."
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Commit  string `json:"commit,omitempty"`
	// Epoch is SOURCE_DATE_EPOCH, and EpochFrom where it is from: "the commit",
	// "the newest file in the crate".
	Epoch     int64  `json:"epoch"`
	EpochFrom string `json:"epoch_from,omitempty"`
	// Dirty is true when files were built that no commit holds.
	Dirty      bool     `json:"dirty,omitempty"`
	DirtyFiles []string `json:"dirty_files,omitempty"`
	// Dir is the workspace's folder in the repository or crate; empty for the root.
	Dir string `json:"dir,omitempty"`
	// Packages are those of the workspace, by name.
	Packages []Package `json:"packages,omitempty"`
	Triple   string    `json:"triple,omitempty"` // of several targets all, with a space between them
	Profile  string    `json:"profile,omitempty"`
	Features []string  `json:"features,omitempty"`
	// Builds are the builds that were asked for; none: all.
	Builds []string `json:"builds,omitempty"`
}

// Package is a package of the workspace that was built.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// Dir is its folder in the repository or crate; empty for the root.
	Dir string `json:"dir,omitempty"`
}

// Inputs are the things that both builds share, by digest.
type Inputs struct {
	// Profile is the profile of twice.toml that the inputs are of; empty for its own.
	Profile        string        `json:"profile,omitempty"`
	Crates         int           `json:"crates"`
	GitCrates      int           `json:"git_crates,omitempty"`
	DebianPackages int           `json:"debian_packages,omitempty"`
	DebianSuite    string        `json:"debian_suite,omitempty"`
	Rustc          string        `json:"rustc,omitempty"` // "1.95.0", "nightly-2026-04-03"
	Toolchain      digest.Digest `json:"toolchain,omitempty"`
	CUDA           string        `json:"cuda,omitempty"` // "cuda 12.9 (wheels)"
	// RustcFrom says what pins the toolchain where that is no digest of its
	// files: "by its tarballs", whose hashes are all that the lock has; "debian's",
	// which are among the builder's packages.
	RustcFrom string        `json:"rustc_from,omitempty"`
	Builder   digest.Digest `json:"builder,omitempty"`
	Source    digest.Digest `json:"source,omitempty"`
	Vendor    digest.Digest `json:"vendor,omitempty"`
	Runtime   digest.Digest `json:"runtime,omitempty"`
	Lock      digest.Digest `json:"lock,omitempty"`
	Plan      digest.Digest `json:"plan,omitempty"`
}

// Build is one of the builds, as it was observed to run.
type Build struct {
	Side      string    `json:"side"` // "A" or "B"; with several engines also "C", …
	Path      string    `json:"path,omitempty"`
	UID       int       `json:"uid"`
	GID       int       `json:"gid"`
	User      string    `json:"user,omitempty"`
	Home      string    `json:"home,omitempty"`
	CargoHome string    `json:"cargo_home,omitempty"`
	TZ        string    `json:"tz,omitempty"`
	Locale    string    `json:"locale,omitempty"`
	Umask     string    `json:"umask,omitempty"` // "022"
	Host      string    `json:"host,omitempty"`
	Jobs      int       `json:"jobs,omitempty"`
	Start     time.Time `json:"start"`
	Seconds   float64   `json:"seconds"`
	Cached    bool      `json:"cached,omitempty"` // the engine had this build's result already
	Engine    string    `json:"engine,omitempty"` // where it differs from the verdict's
	// Result is the digest of the list of what it left, where several engines
	// built: a line "<digest> <name>" for each artefact, in the order of the names.
	Result digest.Digest `json:"result,omitempty"`
	// Differs are, where there are more than two builds, the artefacts that are not A's.
	Differs []string `json:"differs,omitempty"`
	// Dependencies are there where they were compiled in a step of their own.
	Dependencies []Dependencies `json:"dependencies,omitempty"`
	// NetworkTries is how often something in it tried to reach a network, by the
	// counters of the kernel: no build has one.
	NetworkTries int64 `json:"network_tries,omitempty"`
	// Log are the last lines of a build that failed.
	Log []string `json:"log,omitempty"`
}

// Dependencies says when the crates of registries and git repositories were compiled
// for one side, if that was a step of its own. The other side's were never used.
type Dependencies struct {
	Build  string `json:"build"` // by its name in twice.toml
	Crates int    `json:"crates,omitempty"`
	// From and Until are by the engine's clock.
	From  time.Time `json:"from,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// Earlier is true if an earlier run compiled them.
	Earlier bool `json:"earlier,omitempty"`
	// Why they were compiled with everything else after all; empty if they weren't.
	Why string `json:"why,omitempty"`
}

// Axis is something that must not matter. One that was varied has its two
// values; one that was not has the reason.
type Axis struct {
	Name string `json:"name"`
	A    string `json:"a,omitempty"`
	B    string `json:"b,omitempty"`
	Why  string `json:"why,omitempty"`
	// With is the axis without which this one can't be varied: the machine
	// goes with the engine.
	With string `json:"with,omitempty"`
}

// LeftOut is the reason of an axis that whoever asked for the verdict left out.
const LeftOut = "left out by --vary"

// Step is a part of the run and how long it took. The text shows the seconds
// of the steps named "inputs" and "builder".
type Step struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Cached  bool    `json:"cached,omitempty"`
}

// Kind is what an artefact is.
type Kind string

// The kinds of artefacts.
const (
	Bin     Kind = "bin"
	Rlib    Kind = "rlib"
	Debug   Kind = "debug" // debug information that was taken out of a binary
	Archive Kind = "archive"
	Image   Kind = "image"
	Sums    Kind = "sums"  // SHA256SUMS
	Index   Kind = "index" // of images, one for each platform
)

// IsImage tells whether it is an image, or an index of some.
func (k Kind) IsImage() bool { return k == Image || k == Index }

// Artefact is one output of the two builds.
type Artefact struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Build is the one of the project's builds that made it; empty if there is one.
	Build string `json:"build,omitempty"`
	// PartOf is the name of the index that the image is part of.
	PartOf string `json:"part_of,omitempty"`
	// A digest is empty, and its size zero, where that side has no such artefact.
	SizeA int64         `json:"size_a"`
	SizeB int64         `json:"size_b"`
	A     digest.Digest `json:"a,omitempty"`
	B     digest.Digest `json:"b,omitempty"`
	// Same is A == B, and not empty.
	Same bool `json:"same"`
	// Difference is the first difference, where there is one.
	Difference *compare.Difference `json:"difference,omitempty"`
	// Causes say why it differs, the most telling first.
	Causes []cause.Cause `json:"causes,omitempty"`
	// Finding is all that differs, cut to what a report shows.
	Finding *compare.Finding `json:"finding,omitempty"`
}

// Attachment is a file that another tool made for the report.
type Attachment struct {
	// Name is the file's, without a folder; empty if there is none.
	Name string `json:"name,omitempty"`
	// Text says what it is, or why it isn't there.
	Text string `json:"text"`
}

// Warning is something that the two builds could not have shown to matter.
type Warning struct {
	// Kind is "date", "cpu", "host", "user", "home", "dirty", …
	Kind string `json:"kind"`
	// Artefact is the artefact that it is about, if it is about one.
	Artefact string `json:"artefact,omitempty"`
	Text     string `json:"text"`
}

// Decide is the word that artefacts deserve.
func Decide(artefacts []Artefact) Word {
	if len(artefacts) == 0 {
		return NoVerdict
	}
	for _, a := range artefacts {
		if a.A == "" || a.A != a.B || a.SizeA != a.SizeB {
			return Mismatch
		}
	}
	return Reproducible
}

// ExitCode is the exit status that goes with the word.
func (v *Verdict) ExitCode() int {
	switch v.Word {
	case Reproducible:
		return 0
	case Mismatch:
		return 1
	case Alarm:
		return 3
	case SameContent:
		return 4
	case OtherInputs:
		return 5
	}
	return 2
}
