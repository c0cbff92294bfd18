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
	// code are what to look for in the sources of who may be responsible.
	code []string
	// calls is set where a build script leaves the work to a crate that it needs: where
	// its own sources have no such code, those of that crate are searched.
	calls bool
	// match gives known = false for a place that the rule knows nothing of.
	match match
}

type match = func(x *explainer, p *place) (found []Cause, known bool)

// Rules that others speak of.
const (
	buildID         = "build-id"
	targetCPU       = "target-cpu"
	crateIdentifier = "crate-id"
)

// Fixes that several rules share.
const (
	fixRemap = "remap it: --remap-path-prefix for rustc, -ffile-prefix-map for C and C++; or build in one fixed path"
	fixTime  = "let what writes it read SOURCE_DATE_EPOCH, or drop it"
	fixTar   = "tar --sort=name --mtime=@$SOURCE_DATE_EPOCH --owner=0 --group=0 --numeric-owner --pax-option=delete=atime,delete=ctime"
	fixZip   = "zip -X with TZ=UTC and clamped mtimes, files in sorted order; or strip-nondeterminism"
	fixImage = "write image documents canonically: twice normalize"
)

// rules are in the order in which they are asked; the first one that knows a
// place has it. It is set in init because rules call what reads it.
var rules []rule

func init() {
	rules = []rule{
		// Fields of archives and of compressed streams.
		{Name: "compressor", Title: "the content is the same; another compressor, version or level packed it",
			Fix: "pin the compressor, its version and its level; compare the contents' digests (an image's diff IDs)", match: compressor},
		{Name: "gzip-header", Title: "gzip wrote the time or the name of the file into its header",
			Fix: "gzip -n", match: gzipHeader},
		{Name: "ar-header", Title: "the archiver wrote times, owners or modes of the files into the archive",
			Fix: "ar in deterministic mode: ar D, ranlib -D (ARFLAGS=Dcr); rustc's own archiver is", match: arHeader},
		{Name: "ar-order", Title: "the members of the archive are in another order",
			Fix: "give ar its members in sorted order, not in that of the directory or of a parallel build", Axis: "file-order", match: orderOf("ar")},
		{Name: "tar-mtime", Title: "the archive has the times of the files", Fix: fixTar, Axis: "mtime", match: tarField("mtime")},
		{Name: "tar-owner", Title: "the archive has the owners of the files", Fix: fixTar, Axis: "user", match: tarField("owner", "owner's name")},
		{Name: "tar-mode", Title: "the archive has the modes of the files as the umask left them",
			Fix: "set modes explicitly (tar --mode=u+rwX,go+rX,go-w, install -m), or fix the umask", Axis: "umask", match: tarField("mode")},
		{Name: "tar-pax", Title: "the archive has PAX records or another format: access times, change times, long names in another way",
			Fix: fixTar, match: tarField("PAX records", "format")},
		{Name: "hard-link", Title: "a hard link on one side is a copy on the other",
			Fix: "write every file as a file of its own, or links by one rule: twice normalize", match: hardLink},
		{Name: "tar-order", Title: "the entries of the archive are in another order",
			Fix: fixTar, Axis: "file-order", match: orderOf("tar", "gzip", "zstd")},
		{Name: "zip-time", Title: "the archive has the times of the files, or the same times in another time zone",
			Fix: fixZip, Axis: "mtime", match: zipField("mtime", "DOS time")},
		{Name: "zip-extra", Title: "the archive has extra fields: owners, access times", Fix: fixZip, match: zipField("extra fields", "creator version", "comment")},
		{Name: "zip-mode", Title: "the archive has the modes of the files as the umask left them", Fix: fixZip, Axis: "umask", match: zipField("mode", "attributes")},
		{Name: "zip-order", Title: "the entries of the archive are in another order", Fix: fixZip, Axis: "file-order", match: orderOf("zip")},
		{Name: "file-mode", Title: "the files have other modes: the umask", Axis: "umask",
			Fix: "set modes explicitly (install -m), or fix the umask", match: fileMode},

		// Images.
		{Name: "image-created", Title: "the image's configuration has the exporter's clock: created, history",
			Fix: fixImage + "; or set SOURCE_DATE_EPOCH and rewrite-timestamp", match: imagePointer("/created")},
		{Name: "image-history", Title: "the image's history tells how it was built", Fix: fixImage, match: imagePointer("/history")},
		{Name: "image-provenance", Title: "the index has an attestation of the run, with its start and finish times",
			Fix: "keep the statement about the bits apart from the record of the run: --provenance=false, attach it later", match: provenance},
		{Name: "image-manifest", Title: "the same layers under another manifest: media types, annotations",
			Fix: fixImage, match: imageManifest},
		{Name: "image-layers", Title: "an image has another number of layers", Fix: fixImage, match: imageLayers},
		{Name: "layer-entries", Title: "a layer has entries that the other has not: snapshotters differ in the directories that they write",
			Fix: "write layers canonically, with each directory once: twice normalize", match: layerEntries},
		{Name: "json-order", Title: "the values are equal; the order of the members or the spacing differs",
			Fix: "write JSON with sorted members (BTreeMap, sort_keys)", match: note("the values are equal; their order")},

		// What linkers, compilers and interpreters write into headers.
		{Name: "pe-timestamp", Title: "the linker wrote the time into the program (TimeDateStamp)",
			Fix: "-C link-arg=/Brepro with MSVC's linker, -Wl,--no-insert-timestamp with GNU's", match: portable("TimeDateStamp", "export TimeDateStamp", "debug TimeDateStamp", "CheckSum")},
		{Name: "pe-guid", Title: "the linker gave the program's debug information a new identifier (CodeView GUID)",
			Fix: "-C link-arg=/Brepro; with MSVC's linker also /PDBALTPATH:%_PDB% for the path", match: portable("CodeView GUID", "PDB path")},
		{Name: "pyc-mtime", Title: "compiled Python has the time of its source",
			Fix: "compile with SOURCE_DATE_EPOCH set, or --invalidation-mode unchecked-hash", Axis: "mtime", match: pycMtime},
		{Name: "ptxas-mtime", Title: "ptxas -lineinfo wrote the time and the size of the source file into the line table",
			Fix: "clamp the mtimes of the sources (touch -d @$SOURCE_DATE_EPOCH), or write PTX .file with time and size 0", Axis: "mtime", match: ptxasMtime},
		{Name: "ptx-mtime", Title: "PTX names its source file with time and size (.file)",
			Fix: "write .file without them, or clamp the mtimes of the sources", Axis: "mtime", match: ptxFile},
		{Name: "fatbin-compression", Title: "the images in the fatbin are the same; another fatbinary or another mode packed them",
			Fix: "pin the CUDA toolkit, and --compress-mode", match: fatbinHeader},
		{Name: "compiler", Title: "the compilers differ", Fix: "pin the toolchain by date and by hash", match: compiler},
		{Name: "compiler-flags", Title: "the compiler was given other flags", Fix: "give both builds the same flags: CFLAGS, RUSTFLAGS, -march, target-cpu", match: producer},

		// Names that are new in each run.
		{Name: "nvcc-temporary", Title: "the names of nvcc's temporary files are in the output (tmpxft_…)",
			Fix: "nvcc --objdir-as-tempdir or --keep with a fixed --keep-dir, and -Xcompiler -ffile-prefix-map", match: pattern(tmpxft)},
		{Name: "temporary-name", Title: "the name of a temporary file is in the output",
			Fix: "use a fixed name in a directory of the build (OUT_DIR)", code: []string{`tempfile::`, `temp_dir\(`, `mktemp`, `tmpnam`, `TempDir`, `NamedTempFile`}, match: pattern(temporary)},
		{Name: "incremental", Title: "one build was incremental: the crate was cut into pieces that depend on what was built before",
			Fix: "CARGO_INCREMENTAL=0", match: incremental},
		{Name: "cc-object-name", Title: "an object's name has a hash over paths or flags in it, as the cc crate gives it",
			Fix: "build in one fixed path, with equal flags; upgrade cc", Axis: "build-path", match: ccObject},
		{Name: "shared-mem", Title: "a process-global counter numbered the kernel's shared memory (__shared_mem_N)",
			Fix: "pin a cuda-oxide that has NVlabs/cuda-oxide#711", match: pattern(sharedMem)},
		{Name: "gcc-random-seed", Title: "gcc named sections or symbols by a random number",
			Fix: "-frandom-seed=<name of the source file>", match: gccSeed},

		// Settings of the builds, recognised by each side's own value.
		{Name: "vergen-placeholder", Title: "vergen found a value in one build and wrote its placeholder in the other (VERGEN_IDEMPOTENT_OUTPUT)",
			Fix:  "set VERGEN_IDEMPOTENT=1 for both builds, or the VERGEN_* variable itself; leave out what is of the machine or of the user",
			code: []string{`Emitter::`, `vergen`}, match: vergenPlaceholder},
		{Name: "install-prefix", Title: "a library was configured to be installed in a build script's OUT_DIR, and holds that path as a text", Axis: "build-path",
			Fix: "build in one fixed path, as twice build does (to verify so, --vary with all but build-path); " +
				"or link the system's library, a package of [builder], in the place of the vendored one: no flag remaps what configure was told",
			code: []string{`--prefix=`, `CMAKE_INSTALL_PREFIX`}, calls: true, match: installPrefix},
		{Name: "out-dir", Title: "the path of a build script's OUT_DIR is in the output", Axis: "build-path",
			Fix:  "remap it, or keep the target directory inside the remapped sources; include generated files with include!(concat!(env!(\"OUT_DIR\"), …)) only",
			code: []string{`OUT_DIR`, `include!`}, match: outDir},
		{Name: "rust-src", Title: "the path of the standard library's sources is in the output",
			Fix:   "remap $(rustc --print sysroot)/lib/rustlib/src/rust to /rustc/<commit>, or have rust-src in both builds or in none",
			match: rustSrc},
		{Name: "build-path", Title: "the path of the sources is in the output", Axis: "build-path", Fix: fixRemap,
			code: []string{`CARGO_MANIFEST_DIR`, `current_dir\(`, `file!\(`, `__FILE__`, `canonicalize\(`}, match: setting("source directory", func(b Build) string { return b.Path })},
		{Name: "cargo-home", Title: "the path of Cargo's home is in the output", Axis: "cargo-home",
			Fix:  "remap it: --remap-path-prefix=$CARGO_HOME=/cargo; or set CARGO_HOME to one fixed path",
			code: []string{`CARGO_HOME`, `CARGO_MANIFEST_DIR`, `file!\(`, `__FILE__`}, match: cargoHome},
		{Name: "home", Title: "the home directory is in the output", Axis: "home",
			Fix:  "don't use HOME in the build, or set it to one fixed path",
			code: []string{`"HOME"`, `home_dir\(`, `\bdirs::`}, match: setting("home directory", func(b Build) string { return b.Home })},
		{Name: "host", Title: "the host's name is in the output", Axis: "host-name",
			Fix:  "don't use the host's name in the build",
			code: []string{`"HOSTNAME"`, `hostname`, `gethostname`, `whoami`, `/etc/hostname`, `uname`}, match: setting("host name", func(b Build) string { return b.Host })},
		{Name: "user", Title: "the name of who built it is in the output", Axis: "user",
			Fix:  "don't use USER or LOGNAME in the build",
			code: []string{`"USER"`, `"LOGNAME"`, `"USERNAME"`, `whoami`, `username`, `getlogin`}, match: setting("user name", func(b Build) string { return b.User })},
		{Name: "time-zone", Title: "the time zone is in the output", Axis: "time-zone", Fix: "use UTC in the build",
			code: []string{`"TZ"`, `Local::now`, `iana_time_zone`, `localtime`, `now_local`}, match: timeZone},
		{Name: "locale", Title: "the locale is in the output", Axis: "locale", Fix: "set LC_ALL=C where the output is used",
			code: []string{`"LANG"`, `"LC_ALL"`, `locale`}, match: locale},
		{Name: "environment", Title: "variables of the environment are in the output", Axis: "environment",
			Fix:  "take from the environment only what the build defines (cargo:rerun-if-env-changed does not make it fixed)",
			code: []string{`env::vars`, `vars_os\(`, `environ\b`}, match: extraVariable},
		{Name: "search-path", Title: "the variable PATH is in the output", Axis: "path", Fix: "don't use PATH in the build but to find programs",
			code: []string{`"PATH"`}, match: setting("PATH", func(b Build) string { return b.SearchPath })},
		{Name: "kernel", Title: "the kernel's release is in the output", Axis: "kernel", Fix: "don't use the kernel's release in the build",
			code: []string{`uname`, `osrelease`, `/proc/version`, `kernel_version`}, match: kernel},
		{Name: "jobs", Title: "the number of jobs is in the output", Axis: "jobs", Fix: "don't use NUM_JOBS for what gets into the output",
			code: []string{`NUM_JOBS`, `num_jobs`}, match: jobs},
		{Name: "cpu-count", Title: "the number of processors is in the output", Axis: "cpu-count", Fix: "don't use the number of processors for what gets into the output",
			code: []string{`num_cpus`, `available_parallelism`, `nproc`}, match: cpus},
		{Name: "umask", Title: "the umask is in the output", Axis: "umask", Fix: "set modes explicitly",
			code: []string{`umask`, `\.mode\(\)`, `permissions\(\)`}, match: umask},

		// Values.
		{Name: "source-mtime", Title: "the time of a source file is in the output", Axis: "mtime",
			Fix:  "don't use the times of files, or clamp them to SOURCE_DATE_EPOCH",
			code: []string{`\.modified\(\)`, `\.created\(\)`, `mtime`, `last_modified`}, match: sourceMtime},
		{Name: "time", Title: "the time of the build is in the output", Fix: fixTime, code: clockCode, match: buildTime},
		{Name: "process-id", Title: "the number of a process is in the output", Fix: "don't use it: take a fixed name, or one made of the content",
			code: processCode, match: processID},
		{Name: "uuid", Title: "a random UUID is in the output", Fix: "derive it from the content (version 5), or drop it",
			code: []string{`new_v4`, `new_v7`, `Uuid::`, `uuidgen`}, match: uuid},
		{Name: "git", Title: "what git says of the sources is in the output: a commit, a tag, \"dirty\"",
			Fix:  "build both from the same commit, clean; pass the commit in by one variable",
			code: []string{`"git"`, `git2::`, `gix::`, `git_version`, `git_testament`, `vergen`}, match: gitRevision},
		{Name: "address", Title: "an address in memory is in the output", Fix: "don't print or hash pointers, and don't sort by them",
			code: []string{`\{:p\}`, `as \*const`, `%p`, `as usize`}, match: address},
		{Name: "path", Title: "an absolute path is in the output", Fix: fixRemap,
			code: []string{`CARGO_MANIFEST_DIR`, `current_dir\(`, `file!\(`, `__FILE__`}, match: anyPath},

		// Order and chance.
		{Name: "order", Title: "the same things are in another order: a HashMap, the order of a directory, or a parallel run decided it",
			Fix:  "sort before writing: BTreeMap for HashMap, sorted directory listings",
			code: []string{`HashMap`, `HashSet`, `read_dir`, `glob\(`, `WalkDir`, `par_iter`, `readdir`}, match: sameInOrder},
		{Name: "codegen-units", Title: "functions are in another order, or were cut into other units: parallel code generation or LTO",
			Fix: "codegen-units = 1, and the same lto in both builds", match: codegenUnits},
		{Name: "random", Title: "random bytes are in the output", Fix: "seed it: CONST_RANDOM_SEED for const-random and ahash; a fixed seed, or none",
			code: []string{`const_random`, `compile-time-rng`, `thread_rng`, `rand::`, `getrandom`, `OsRng`, `RandomState`, `/dev/u?random`}, match: random},

		// What usually follows from something else.
		{Name: buildID, Title: "the linker's build id is random, or a hash of something that is not in the output",
			Fix: "-C link-arg=-Wl,--build-id=sha1", follows: true, match: section(".note.gnu.build-id", ".note.go.buildid")},
		{Name: crateIdentifier, Title: "the crate's identifier differs, and so do all its symbols (-C metadata)",
			Fix:  "give both builds the same flags, features and compiler; keep path dependencies inside the workspace's root",
			Axis: "build-path", follows: true, match: crateID},
		{Name: "crate-hash", Title: "rustc's hash of the crate differs: of a path, a flag, a macro's output, or of a crate that it needs",
			Fix: "remap paths for every unit, build scripts and macros too (a RUSTC_WRAPPER), in one fixed path", Axis: "build-path", follows: true, match: crateHash},
		{Name: targetCPU, Title: "the same functions have other instructions: another processor (target-cpu=native, run-time detection in a build script) or other optimisation",
			Fix: "fix target-cpu, -march and opt-level; drop detection in build scripts", follows: true,
			code: []string{`target-cpu`, `march=native`, `is_x86_feature_detected`, `cpuid`, `raw_cpuid`, `/proc/cpuinfo`}, match: otherCode},
	}
}

// Rule is a rule as a document lists it.
type Rule struct {
	Name, Title, Fix string
	// Axis is the axis that its causes imply, if they all imply one.
	Axis string
	// Follows is set on a rule that speaks only if no other does.
	Follows bool
}

// Rules are all rules, in the order in which they are asked.
func Rules() []Rule {
	var out []Rule
	for _, r := range rules {
		out = append(out, Rule{r.Name, r.Title, r.Fix, r.Axis, r.follows})
	}
	return out
}
