package plan

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/cargo"
)

// Dockerfile renders the plan for one side, for engines that know the inputs
// by name (BuildKit's and buildx's named contexts), and after it the images.
func (p *Plan) Dockerfile(s Side, images ...Image) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s, side %s. Written by twice; plan %s\n", p.Name, s.Name, p.Digest())
	for _, c := range slices.Sorted(maps.Keys(p.Contexts())) {
		fmt.Fprintf(&b, "#   %-10s %s\n", c, p.Contexts()[c])
	}
	b.WriteByte('\n')
	b.WriteString(p.body(sideOf(p, s), contextNames()))
	for _, im := range images {
		p.imageStage(&b, im, contextNames())
	}
	return b.String()
}

// ContextDockerfile renders the plan for engines that know no named contexts:
// Dagger's Directory.DockerBuild, docker build. layers are the tar files of
// each input in the build context, lowest first; they are unpacked in stages of
// the inputs' names, and what runs after that is the same text. What an image is
// made on is an input as well.
func (p *Plan) ContextDockerfile(s Side, layers map[string][]string, images ...Image) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s, side %s. Written by twice; plan %s\n\n", p.Name, s.Name, p.Digest())
	contexts := p.Contexts()
	for _, im := range images {
		if _, ok := layers[im.Base]; ok {
			contexts[im.Base] = ""
		}
	}
	for _, c := range slices.Sorted(maps.Keys(contexts)) {
		what := contexts[c].String()
		if what == "" {
			what = "what the image is made on; as a named context its layers stay as they are"
		}
		fmt.Fprintf(&b, "# %s\nFROM scratch AS %s\n", what, c)
		for _, l := range layers[c] {
			fmt.Fprintf(&b, "ADD %s /\n", l)
		}
		b.WriteByte('\n')
	}
	b.WriteString(p.body(sideOf(p, s), contextNames()))
	for _, im := range images {
		p.imageStage(&b, im, contextNames())
	}
	return b.String()
}

// body is everything that runs.
func (p *Plan) body(s sideText, n names) string {
	var b strings.Builder
	vendor := mount(n.vendor, "", "/in/vendor")
	if len(p.GitRepos) > 0 {
		of, in := s, n
		if p.Skeleton != "" {
			of.Run, in.source = "", "skeleton" // the manifests are all that vendoring reads
		}
		p.gitStage(&b, of, in)
		vendor = mount("gitvendor", "/vendor", "/in/vendor")
	}
	from := n.builder
	if p.Skeleton != "" {
		p.keptStage(&b, s, n, vendor)
		from = "kept"
	}
	repository := ""
	if p.AsksGit {
		repository = "    " + mount(n.repository, "", "/in/repository") + " \\\n"
	}
	if p.Deny != nil {
		tool, db := "deny", "advisories"
		if n.builder != contextNames().builder { // to identify the plan
			tool, db = p.Deny.Tool.String(), p.Deny.DB.String()
		}
		repository += "    " + mount(tool, "", "/in/deny") + " \\\n    " + mount(db, "", "/in/advisories") + " \\\n"
	}
	fmt.Fprintf(&b, "FROM %s AS build\n%s", from, n.args())
	fmt.Fprintf(&b, "RUN --network=none \\\n    %s \\\n    %s \\\n%s    %s /bin/sh -eu <<'END'\n",
		mount(n.source, "", "/in/source"), vendor, repository, n.env())
	p.sideScript(&b, s, n)
	p.buildScript(&b, n)
	b.WriteString("END\n\n")
	b.WriteString("FROM scratch AS out\nCOPY --from=build /out /\n")
	return b.String()
}

func mount(from, source, target string) string {
	m := "--mount=type=bind,from=" + from
	if source != "" {
		m += ",source=" + source
	}
	return m + ",target=" + target
}

// gitStage vendors the crates of git repositories: cargo resolves workspace
// inheritance and path dependencies as it does anywhere else, offline.
func (p *Plan) gitStage(b *strings.Builder, s sideText, n names) {
	fmt.Fprintf(b, "FROM %s AS gitvendor\n%s", n.gitBuilder, n.args())
	fmt.Fprintf(b, "RUN --network=none \\\n    %s \\\n    %s \\\n    %s \\\n    %s /bin/sh -eu <<'END'\n",
		mount(n.source, "", "/in/source"), mount(n.vendor, "", "/in/vendor"), mount(n.git, "", "/in/git"), n.env())
	if s.Run != "" || p.Skeleton != "" { // each side vendors for itself
		fmt.Fprintf(b, "# Side %s%s\n", s.Name, runComment(s.Run))
	}
	b.WriteString("export PATH=" + standardPath + " HOME=/root CARGO_HOME=/cargo LC_ALL=C.UTF-8 TZ=UTC0\n")
	b.WriteString("umask 022\nmkdir -p /cargo /vendor /source\ncp -R /in/source/. /source\n")
	b.WriteString("git config --system --add safe.directory '*'\n")
	for _, r := range p.GitRepos {
		fmt.Fprintf(b, "git config --system --add 'url.file:///in/git/%s.insteadOf' '%s'\n", r.Folder, r.URL)
	}
	b.WriteString(`cat > /cargo/config.toml <<'TOML'
[source.crates-io]
replace-with = "twice"
[source.twice]
directory = "/in/vendor/` + IndexDir + `"
` + p.registries("/in/vendor") + `[net]
git-fetch-with-cli = true
TOML
`)
	if len(p.GitSources) > 0 {
		p.splitVendor(b)
		return
	}
	fmt.Fprintf(b, "cd /source/%s\n", p.Dir)
	b.WriteString("cargo " + p.configFirst("/cargo") + "vendor --locked --versioned-dirs --respect-source-config /vendor/" + IndexDir + " > /tmp/sources.toml\n")
	p.takeRegistries(b, "/vendor")
	// cargo names the git sources it replaced; their replacement is ours.
	b.WriteString("sed -n '/^\\[source\\.\"git+/,/^$/p' /tmp/sources.toml | sed 's/^replace-with = .*/replace-with = \"twice\"/' > /vendor/git-sources.toml\n")
	fmt.Fprintf(b, "find /vendor -exec touch -h -d @%s {} +\n", n.time(p.Epoch))
	b.WriteString("END\n\n")
}

// IndexDir is the folder under registry/src in which cargo keeps crates.io's
// crates.
var IndexDir = cargo.IndexDir("")

// sideScript sets what may not matter.
func (p *Plan) sideScript(b *strings.Builder, s sideText, n names) {
	fmt.Fprintf(b, "# What may not matter, on side %s%s\n", s.Name, runComment(s.Run))
	fmt.Fprintf(b, "src=%s cargo_home=%s home=%s user=%s uid=%d\n", s.Source, s.CargoHome, s.Home, s.User, s.UID)
	fmt.Fprintf(b, "lang=%s lc_all=%s tz='%s' umask=%s jobs=%s mtime=%s\n", s.Lang, s.LCAll, s.TZ, s.Umask, n.jobs(s.Settings.Jobs), n.time(s.Mtime))
	fmt.Fprintf(b, "path=%s extra=%s prefix='%s'\n", s.Path, s.Extra, kernelPrefix(s.Kernel26))
	if s.FewerCPUs {
		b.WriteString(fewerCPUs)
	}
	if s.Reversed {
		b.WriteString(reverseOrder)
	}
	b.WriteByte('\n')
}

// fewerCPUs takes the first processor of those that the step may use from the
// build, if there is another: "0-3,8" becomes "1-3,8". What asks how many there
// are gets one fewer.
const fewerCPUs = `cpus=$(taskset -cp $$ | sed 's/.*: //')
first=${cpus%%[-,]*}
case ${cpus#"$first"} in
,*) prefix="taskset -c ${cpus#*,} $prefix" ;;
-*) prefix="taskset -c $((first + 1))${cpus#"$first"} $prefix" ;;
esac
`

func kernelPrefix(k bool) string {
	if k {
		return "setarch --uname-2.6"
	}
	return ""
}

func runComment(run string) string {
	if run == "" {
		return ""
	}
	return ", run " + run
}

// buildScript is the plan itself, the same text on every side.
func (p *Plan) buildScript(b *strings.Builder, n names) {
	if p.Skeleton != "" {
		p.onKept(b)
	} else {
		p.setUp(b)
		if p.Watch {
			b.WriteString(watch("/out/audit"))
		}
		p.writeWrapper(b, "")
		p.takeOver(b, "\"$src\" \"$cargo_home\"")
	}
	p.enter(b)
	if p.AsksGit {
		// The index is made of the files as they are now, by whom they belong to.
		b.WriteString("setpriv --reuid=\"$uid\" --regid=\"$uid\" --clear-groups git -C \"$src\" read-tree HEAD\n")
		b.WriteString("setpriv --reuid=\"$uid\" --regid=\"$uid\" --clear-groups git -C \"$src\" update-index -q --refresh || :\n")
	}
	if p.Tree {
		p.askTree(b, n)
		return
	}
	if p.Deny != nil {
		p.askDeny(b, n)
		return
	}
	if p.Auditable {
		p.auditable(b, n)
	}
	p.runCargo(b, n, "build --frozen --jobs \"$jobs\" "+strings.Join(p.CargoArgs(), " "))
	p.takeLicences(b, n)
	b.WriteString(countNetwork("/out/network"))
	p.collect(b)
	b.WriteString(refuseHoles)
}

// setUp copies the inputs to the side's own paths, and has Cargo take crates from there.
func (p *Plan) setUp(b *strings.Builder) {
	fmt.Fprintf(b, "# The plan\n")
	b.WriteString(`export PATH=` + standardPath + `
umask 022
mkdir -p "$src" "$home" "$cargo_home/registry/src" /out/bin /out/rlib
cp -R /in/source/. "$src"
cp -R /in/vendor/` + IndexDir + ` "$cargo_home/registry/src/"
`)
	p.takeRegistries(b, `"$cargo_home/registry/src/"`)
	b.WriteString(`cat > "$cargo_home/config.toml" <<TOML
` + p.cargoConfig("$cargo_home") + `TOML
`)
	if p.AsksGit {
		b.WriteString("cp -R /in/repository \"$src/.git\"\ngit config --system --add safe.directory '*'\n")
	}
	if len(p.GitRepos) > 0 {
		p.takeGit(b)
	}
	if p.RustSrc {
		commit := "//p"
		if p.Sysroot != "" { // a distribution's has more on the line
			commit = "\\([0-9a-f]*\\).*/\\1/p"
		}
		b.WriteString("rustc_commit=$(rustc -vV | sed -n 's/^commit-hash: " + commit + "')\n")
	}
}

// writeWrapper writes RUSTC_WRAPPER, whose first lines are given.
func (p *Plan) writeWrapper(b *strings.Builder, first string) {
	b.WriteString(`cat > "$cargo_home/rustc" <<SH
#!/bin/sh
` + first + p.wrapper() + `
SH
chmod 755 "$cargo_home/rustc"
`)
}

// takeOver gives all that lies there the side's times, and its user.
func (p *Plan) takeOver(b *strings.Builder, what string) {
	b.WriteString("find \"$src\" \"$cargo_home\" -exec touch -h -d \"@$mtime\" {} +\n")
	b.WriteString("[ \"$uid\" = 0 ] || chown -R \"$uid:$uid\" " + what + " \"$home\" /out\n")
}

// enter goes to the workspace.
func (p *Plan) enter(b *strings.Builder) {
	fmt.Fprintf(b, "map=\"%s\"\n", strings.Join(p.CArgs("$src", "$cargo_home"), " "))
	fmt.Fprintf(b, "cd \"$src%s\"\numask \"$umask\"\n", slashed(p.Dir))
}

// askTree is cargo tree in the place of the build.
func (p *Plan) askTree(b *strings.Builder, n names) {
	b.WriteString("mkdir /out/tree\n")
	args := strings.Join(p.selection(), " ") + " --prefix depth --format '" + cargo.TreeFormat + "' > /out/tree/"
	p.runCargo(b, n, "tree --frozen --edges normal "+args+"normal")
	p.runCargo(b, n, "tree --frozen --edges normal,build "+args+"all")
	b.WriteString("find /out -exec touch -h -d @0 {} +\ncd /\nrm -rf \"$src\" \"$cargo_home\"\n")
}

// runCargo runs cargo in the environment of the build.
func (p *Plan) runCargo(b *strings.Builder, n names, args string) {
	watched := ""
	if p.Watch {
		watched = watchProgram + " /out/audit/log "
	}
	p.run(b, n, watched+"cargo", p.configFirst("\"$cargo_home\"")+args)
}

func (p *Plan) run(b *strings.Builder, n names, program, args string) {
	b.WriteString("setpriv --reuid=\"$uid\" --regid=\"$uid\" --clear-groups --no-new-privs $prefix env -i $extra \\\n")
	b.WriteString("    PATH=\"$path\" HOME=\"$home\" USER=\"$user\" LOGNAME=\"$user\" LANG=\"$lang\" LC_ALL=\"$lc_all\" TZ=\"$tz\" \\\n")
	b.WriteString("    CARGO_HOME=\"$cargo_home\" CARGO_TARGET_DIR=\"$src" + slashed(p.Dir) + "/target\" RUSTC_WRAPPER=\"$cargo_home/rustc\" \\\n")
	fmt.Fprintf(b, "    CARGO_INCREMENTAL=0 CARGO_NET_OFFLINE=true SOURCE_DATE_EPOCH=%s \\\n", n.time(p.Epoch))
	for _, e := range p.BuildEnv() {
		fmt.Fprintf(b, "    %s \\\n", e)
	}
	fmt.Fprintf(b, "    %s %s\n", program, args)
}

// toolVariables name the target's tools to Cargo and to the cc crate.
func (p *Plan) toolVariables() []string {
	target := strings.ReplaceAll(p.Triple, "-", "_")
	var out []string
	for _, v := range [][2]string{
		{"CARGO_TARGET_" + strings.ToUpper(target) + "_LINKER", p.Tools.Linker},
		{"CC_" + target, p.Tools.CC}, {"CXX_" + target, p.Tools.CXX}, {"AR_" + target, p.Tools.AR},
	} {
		if v[1] != "" {
			out = append(out, v[0]+"="+v[1])
		}
	}
	return out
}

// CargoConfig is Cargo's configuration on a side: crates come from the vendor
// input alone. A project with git dependencies has more, from its vendoring.
func (p *Plan) CargoConfig(s Settings) string { return p.cargoConfig(s.CargoHome) }

func (p *Plan) cargoConfig(cargoHome string) string {
	return `[source.crates-io]
replace-with = "twice"
[source.twice]
directory = "` + cargoHome + `/registry/src/` + IndexDir + `"
` + p.registries(cargoHome+"/registry/src")
}

// registries are the tables of Cargo's configuration that have the crates of
// other registries in folders below a directory.
func (p *Plan) registries(dir string) string {
	var b strings.Builder
	for _, r := range p.Registries {
		fmt.Fprintf(&b, "[source.\"%s\"]\nregistry = \"%s\"\nreplace-with = \"twice-%s\"\n", r.Name, r.Index, r.Folder)
		fmt.Fprintf(&b, "[source.\"twice-%s\"]\ndirectory = \"%s/%s\"\n", r.Folder, dir, r.Folder)
	}
	return b.String()
}

// takeRegistries copies their crates.
func (p *Plan) takeRegistries(b *strings.Builder, to string) {
	for _, r := range p.Registries {
		fmt.Fprintf(b, "cp -R /in/vendor/%s %s\n", r.Folder, to)
	}
}

// configFirst has Cargo read the plan's configuration before the project's.
func (p *Plan) configFirst(cargoHome string) string {
	if !p.Replaced {
		return ""
	}
	return "--config " + cargoHome + "/config.toml "
}

// wrapper is the text of RUSTC_WRAPPER. It stands in an unquoted here-document.
func (p *Plan) wrapper() string {
	rustSrc := ""
	if p.RustSrc {
		rustSrc = cmp.Or(p.Sysroot, "/usr/local") + "/lib/rustlib/src/rust"
	}
	return p.linkList() + `exec "\$@" ` + strings.Join(p.RustcArgs("$src", "$cargo_home", rustSrc, "$rustc_commit"), " ")
}

// RustcArgs are the arguments that every call of rustc gets beside its own, for
// sources and Cargo home in these folders. rustSrc is the folder of rust-src,
// or "" where there is none, and commit rustc's own.
func (p *Plan) RustcArgs(src, cargoHome, rustSrc, commit string) []string {
	a := []string{"--remap-path-prefix=" + src + "=" + p.CanonicalSource(), "--remap-path-prefix=" + cargoHome + "=" + CanonicalCargoHome}
	if rustSrc != "" {
		a = append(a, "--remap-path-prefix="+rustSrc+"=/rustc/"+commit)
	}
	if strings.Contains(p.Triple, "-linux-") {
		a = append(a, "-C link-arg=-Wl,--build-id=sha1")
	}
	return a
}

// CArgs are the arguments that every call of a C or C++ compiler gets.
func (p *Plan) CArgs(src, cargoHome string) []string {
	return []string{"-ffile-prefix-map=" + src + "=" + p.CanonicalSource(), "-ffile-prefix-map=" + cargoHome + "=" + CanonicalCargoHome}
}

// BuildEnv are the variables of the C compilers, those that name the target's
// tools and those of the project, as
// words of a shell in which $map has CArgs.
func (p *Plan) BuildEnv() []string {
	var out []string
	for _, k := range p.cflagNames() {
		out = append(out, k+"="+quoteWithSpace(p.CFlags[k])+`"$map"`)
	}
	out = append(out, p.toolVariables()...)
	for _, k := range slices.Sorted(maps.Keys(p.Env)) {
		out = append(out, k+"="+quote(p.Env[k]))
	}
	return out
}

// CargoArgs are cargo build's arguments but for --frozen and --jobs.
func (p *Plan) CargoArgs() []string {
	var a []string
	if p.Profile == "release" {
		a = append(a, "--release")
	} else {
		a = append(a, "--profile", p.Profile)
	}
	return append(a, p.selection()...)
}

// selection says what is built: the arguments that cargo tree takes as well.
func (p *Plan) selection() []string {
	a := []string{"--target", p.Triple}
	for _, x := range p.Packages {
		a = append(a, "--package", x)
	}
	if len(p.Features) > 0 {
		a = append(a, "--features", strings.Join(p.Features, ","))
	}
	if p.NoDefaultFeatures {
		a = append(a, "--no-default-features")
	}
	return a
}

// collect hands over binaries and rlibs.
func (p *Plan) collect(b *strings.Builder) {
	fmt.Fprintf(b, "umask 022\nt=target/%s/%s\n", p.Triple, p.ProfileDir())
	for _, bin := range p.Bins {
		fmt.Fprintf(b, "install -m 755 \"$t/%s\" /out/bin/\n", bin)
	}
	if p.SplitDebug {
		b.WriteString(p.SplitScript("/out", "$t"))
	}
	if p.Rlibs {
		b.WriteString("find \"$t/deps\" -name '*.rlib' -exec install -m 644 -t /out/rlib {} +\n")
	}
	for _, f := range p.OutDir {
		fmt.Fprintf(b, "set -- \"$t\"/build/*/out/%s\n", f)
		fmt.Fprintf(b, "[ $# = 1 ] && [ -f \"$1\" ] || { echo 'twice: no build script wrote %s to its OUT_DIR, or several did' >&2; exit 1; }\n", f)
		fmt.Fprintf(b, "install -D -m 644 \"$1\" /out/made/%s\n", f)
	}
	b.WriteString("find /out -exec touch -h -d @0 {} +\n")
	if p.Skeleton != "" {
		b.WriteString(leaveKept)
		return
	}
	// What the step leaves behind is kept by the engine: just the output.
	b.WriteString("cd /\nrm -rf \"$src\" \"$cargo_home\"\n")
}

// refuseHoles ends a build whose output is a file of a terabyte that takes no
// room, or of more than anybody hands over: engines copy what is in /out byte by
// byte, holes as well, for minutes and until a disk is full.
const refuseHoles = `find /out -type f -printf '%s %b\n' | awk '{ size += $1; stored += $2 * 512 }
END { if (size > 2^36 || size > 2^33 && size > 16 * stored) { printf "` + holesText + `\n", size / 2^30, stored / 2^30; exit 1 } }' >&2
`

const holesText = "twice: the output is %.1f GiB, of which %.1f are stored"

var holesRE = regexp.MustCompile(`^twice: the output is (\d+\.\d) GiB, of which (\d+\.\d) are stored$`)

// TooLarge says of a build's last lines that it was ended because of the size of
// its output; "" where it wasn't.
func TooLarge(lines []string) string {
	for _, l := range lines {
		if m := holesRE.FindStringSubmatch(l); m != nil {
			return fmt.Sprintf("the build's output is %s GiB, of which %s GiB are stored", m[1], m[2])
		}
	}
	return ""
}

// cflagNames: CFLAGS and CXXFLAGS always, and every other of their kind that
// the project sets, because the C toolchain crates take the most specific.
func (p *Plan) cflagNames() []string {
	n := slices.Collect(maps.Keys(p.CFlags))
	n = append(n, "CFLAGS", "CXXFLAGS")
	slices.Sort(n)
	return slices.Compact(n)
}

func slashed(dir string) string {
	if dir == "" {
		return ""
	}
	return "/" + dir
}

// quote makes a word of a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func quoteWithSpace(s string) string {
	if s == "" {
		return ""
	}
	return quote(s + " ")
}
