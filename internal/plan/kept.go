package plan

import (
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// KeepDependencies is the plan with the crates of registries and git repositories
// compiled in a step of its own, "kept", which an engine has again when the next run
// asks for the same. It leaves the bits of the plan itself, and has its digest.
//
// # What the step sees
//
// The same builder, crates, settings and cargo command. skeleton stands in for
// the sources: all of their files by name, empty but for manifests, Cargo.lock and
// Cargo's configuration. Cargo goes on after errors, and a compiler that is called
// for a package which is not below Cargo's home fails: so it compiles what does not need the
// workspace. The text names its side, its settings and no run: neither side's step
// is the other's, and a later run has the step of its own side again as long as
// toolchain, Cargo.lock, manifests, features, flags, environment and
// SOURCE_DATE_EPOCH are the same.
//
// # What is not kept
//
// The step is watched, as package audit does it. Nothing of it is kept, and the
// build compiles all by itself, if a program opened a file of the sources that
// the skeleton has no content of, wrote one or ran one, or did what can't be seen.
// What a build script asks about such a file without opening it
// is answered as by the sources, but for its size.
//
// The build leaves /kept beside the plan's own output: from and until (nanoseconds since 1970),
// end (the same of the build), crates (how many were compiled), network (how often that tried to reach one), why (a line, where nothing was kept).
func (p *Plan) KeepDependencies(skeleton digest.Digest) *Plan {
	t := *p
	t.Skeleton = skeleton
	return &t
}

// CanKeep says whether dependencies may be compiled apart. A build that sees git has
// a repository, with a commit that no skeleton has.
func (p *Plan) CanKeep() bool {
	return !p.AsksGit && !p.Tree && !p.Watch && p.Deny == nil
}

// keptStage compiles the dependencies. vendor is the mount of the crates.
func (p *Plan) keptStage(b *strings.Builder, s sideText, n names, vendor string) {
	s.Run = ""
	fmt.Fprintf(b, "FROM %s AS kept\n%s", n.builder, n.args())
	fmt.Fprintf(b, "RUN --network=none \\\n    %s \\\n    %s \\\n    %s /bin/sh -eu <<'END'\n",
		mount("skeleton", "", "/in/source"), vendor, n.env())
	p.sideScript(b, s, n)
	b.WriteString("mkdir -p /var/lib/twice-kept\ndate +%s%N > /var/lib/twice-kept/from\n")
	p.setUp(b)
	p.writeWrapper(b, refuse)
	b.WriteString(watch("/tmp/kept"))
	p.takeOver(b, "\"$src\" \"$cargo_home\" /tmp/kept")
	p.enter(b)
	p.run(b, n, watchProgram+" /tmp/kept/log cargo", p.configFirst("\"$cargo_home\"")+"build --frozen --keep-going --jobs \"$jobs\" "+
		strings.Join(p.CargoArgs(), " ")+" 2>&1 | tee /tmp/kept/said | sed -un '/ (\\/.*)$/d; /^ *Compiling /p' || :")
	fmt.Fprintf(b, "umask 022\ntarget=\"$src%s/target\"\n", slashed(p.Dir))
	b.WriteString(countNetwork("/var/lib/twice-kept/network"))
	b.WriteString(judgeKept)
	p.writeWrapper(b, "")
	b.WriteString("touch -h -d \"@$mtime\" \"$cargo_home/rustc\"\n[ \"$uid\" = 0 ] || chown \"$uid:$uid\" \"$cargo_home/rustc\"\n")
	b.WriteString("END\n\n")
}

// refuse has the wrapper compile no package of the sources. It stands in an
// unquoted here-document.
const refuse = `case "\${CARGO_MANIFEST_DIR:-$cargo_home/registry/}" in "$cargo_home/registry/"*) ;; *) exit 1 ;; esac
`

// judgeKept decides whether what was compiled is what the build itself would
// compile. Cargo takes a crate for stale whose sources are newer than what was made of
// them: the times of the sources are in the future at times.
// Cargo names the folder of a package of the sources, and the address of one from git.
const judgeKept = `grep '^ *Compiling ' /tmp/kept/said | grep -vc ' (/.*)$' > /var/lib/twice-kept/crates || :
why=$(awk -F'\t' -v src="$src" -v target="$target" '
function ours(f) { return index(f, "/in/source/") == 1 || index(f, src "/") == 1 && f != target && index(f, target "/") != 1 }
$1 == "end" { ended = 1 }
$1 == "P" { exe[$2] = $4 }
$1 == "P" && ours($4) { why = "a program of the sources was run: " $4 }
$1 == "B" { why = exe[$2] " did what could not be seen: " $3 }
# Cargo makes its target directory beside it and renames it.
$1 ~ /^[WD]$/ && exe[$2] ~ /\/cargo$/ && substr($3, 1, length(target)) == target && substr($3, length(target) + 1) ~ /^[0-9A-Za-z]+(\/CACHEDIR.TAG)?$/ { next }
$1 ~ /^[RWDFX]$/ && ours($3) {
	name = $3
	sub(/.*\//, "", name)
	if ($1 != "R" || name != "Cargo.toml" && name != "Cargo.lock" && $3 !~ /\/\.cargo\/config(\.toml)?$/)
		why = exe[$2] " opened a file of the sources: " substr($3, length(src) + 2)
}
why != "" { exit }
END { print why != "" ? why : ended ? "" : "compiling could not be watched" }' /tmp/kept/log || echo 'compiling could not be watched')
if [ "$(cat /var/lib/twice-kept/crates)" = 0 ] && [ -z "$why" ]; then why='nothing was compiled'; fi
if [ -n "$why" ]; then
    rm -rf "$target"
    printf '%s\n' "$why" > /var/lib/twice-kept/why
else
    stamp=$(date +%s)
    [ "$stamp" -gt "$mtime" ] || stamp=$((mtime + 1))
    find "$target" -exec touch -h -d "@$stamp" {} +
fi
rm -f /etc/ld.so.preload
rm -rf ` + watchProgram + ` ` + watchLibrary + ` /usr/lib/order.so /tmp/kept
date +%s%N > /var/lib/twice-kept/until
`

// onKept puts the sources in the place of the skeleton, in the build's own step.
// What was compiled stays as it is: it would be copied if it were touched.
func (p *Plan) onKept(b *strings.Builder) {
	b.WriteString("# The plan, on what was compiled before\nexport PATH=" + standardPath + "\numask 022\n")
	fmt.Fprintf(b, "target=\"$src%s/target\"\n: > /tmp/begin\n", slashed(p.Dir))
	b.WriteString(`find "$src" -mindepth 1 -path "$target" -prune -o ! -type d -exec rm -f {} +
cp -R /in/source/. "$src"
find "$src" -path "$target" -prune -o -exec touch -h -d "@$mtime" {} +
[ "$uid" = 0 ] || find "$src" -path "$target" -prune -o -exec chown -h "$uid:$uid" {} +
mkdir -p /out/kept
cp /var/lib/twice-kept/* /out/kept/
`)
}

// leaveKept removes what the build's own step made.
const leaveKept = `date +%s%N > /out/kept/end
touch -d @0 /out/kept/end
cd /
find "$src" -cnewer /tmp/begin ! -type d -delete
`
