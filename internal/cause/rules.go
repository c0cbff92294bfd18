package cause

// Unknown is the Rule of a cause that no rule gave.
const Unknown = "unknown"

// rule maps a place to causes.
type rule struct {
	Name string
	// Title, Fix and Axis are those of the causes that don't set their own.
	Title, Fix, Axis string
	// follows is set on a rule about what usually follows from something
	// else: it speaks only if no other rule does.
	follows bool
	match   func(x *explainer, p *place) []Cause
}

// rules are in the order in which they are asked; the first one that knows a
// place has it.
var rules []rule

func init() {
	rules = []rule{
		{Name: "build-path", Title: "the path of the sources is in the output", Axis: "build-path",
			Fix:   "remap it: --remap-path-prefix for rustc, -ffile-prefix-map for C and C++; or build in one fixed path",
			match: setting("source directory", func(b Build) string { return b.Path })},
		{Name: "cargo-home", Title: "the path of Cargo's home is in the output", Axis: "cargo-home",
			Fix:   "remap it: --remap-path-prefix=$CARGO_HOME=/cargo; or set CARGO_HOME to one fixed path",
			match: setting("Cargo home", func(b Build) string { return b.CargoHome })},
		{Name: "home", Title: "the home directory is in the output", Axis: "home",
			Fix:   "don't use HOME in the build, or set it to one fixed path",
			match: setting("home directory", func(b Build) string { return b.Home })},
		{Name: "host", Title: "the host's name is in the output", Axis: "host-name",
			Fix:   "don't use the host's name in the build",
			match: setting("host name", func(b Build) string { return b.Host })},
		{Name: "user", Title: "the name of who built it is in the output", Axis: "user",
			Fix:   "don't use USER or LOGNAME in the build",
			match: setting("user name", func(b Build) string { return b.User })},
		{Name: "time-zone", Title: "the time zone is in the output", Axis: "time-zone",
			Fix:   "use UTC in the build",
			match: setting("time zone", func(b Build) string { return b.TZ })},
		{Name: "time", Title: "the time of the build is in the output",
			Fix:   "let what writes it read SOURCE_DATE_EPOCH, or drop it",
			match: (*explainer).timeNumber},
		{Name: "build-id", Title: "the linker's build id is random, or a hash of something that is not in the output",
			Fix: "-C link-arg=-Wl,--build-id=sha1", follows: true,
			match: section(".note.gnu.build-id")},
		{Name: "compiler", Title: "the compilers differ",
			Fix:   "pin the toolchain by date and by hash",
			match: section(".comment")},
		{Name: "compressor", Title: "the content is the same; another compressor, version or level packed it",
			Fix:   "pin the compressor, its version and its level, or compare the contents' digests",
			match: note("the compression differs")},
	}
}
