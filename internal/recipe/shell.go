package recipe

import (
	"fmt"
	"path"
	"strings"

	"github.com/craton-co/twice/internal/plan"
)

// shell is the POSIX script.
func (r *Recipe) shell() string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("#!/bin/sh")
	r.shellHead(line)
	line("set -eu")
	line("umask 022")
	line("work=${1:-$(mktemp -d)} from=${2:-%s}", quote(r.Source.From))
	line(`mkdir -p "$work"; work=$(cd "$work" && pwd -P)`)
	line(`die() { echo "$@" >&2; exit 2; }`)
	line(`case $work in *[!A-Za-z0-9/._-]*) die "$work: only letters, digits, dot, dash and underscore" ;; esac`)
	line(`[ -z "$(ls -A "$work")" ] || die "$work is not empty"`)
	line("# cargo and git read what lies above a workspace.")
	line(`up=$work`)
	line(`until [ "$up" = / ]; do`)
	line(`    up=$(dirname "$up")`)
	line(`    for f in .git Cargo.toml .cargo/config .cargo/config.toml; do [ ! -e "$up/$f" ] || die "cargo or git would read $up/$f"; done`)
	line(`done`)
	r.packageNotes(line)
	line("")
	r.shellSource(line)
	line("")
	r.shellVendor(line)
	line("")
	r.shellBuild(line)
	return b.String()
}

func (r *Recipe) shellHead(line func(string, ...any)) {
	line("# %s, without a container: the binaries", r.title())
	line("# and rlibs of `twice build`, bit for bit, on a machine that has in its PATH")
	line("#   rustc %s, with cargo", r.Rustc)
	for _, p := range r.Packages {
		line("#   %s %s", p.Name, p.Version)
	}
	if r.CUDA != "" {
		line("#   %s, at the paths that the variables below name: `twice image builder` has it", r.CUDA)
	}
	if !strings.Contains(r.Plan.Triple, "-linux-") {
		line("# Best effort: no hermetic build for this target was ever compared with it.")
	}
	what := "repository"
	if r.Source.Crate != "" {
		what = ".crate file"
	}
	line("# Usage: sh recipe.sh [DIRECTORY [FROM]]: an empty directory, default: a new one;")
	line("# where the %s may be had, default: %s", what, r.Source.From)
}

// packageNotes says which versions differ here.
func (r *Recipe) packageNotes(line func(string, ...any)) {
	var want []string
	for _, p := range r.Packages {
		want = append(want, p.Name+"="+p.Version)
	}
	if len(want) == 0 {
		return
	}
	line("for p in %s; do", strings.Join(want, " "))
	line(`    have=$(dpkg-query -W -f '${Version}' "${p%%%%=*}" 2>/dev/null) || have='not a Debian package'`)
	line(`    [ "$have" = "${p#*=}" ] || echo "note: ${p%%%%=*} is $have here, not ${p#*=}: the bits may differ" >&2`)
	line("done")
}

// shellSource sets src, the folder that is /build/<name>, and epoch.
func (r *Recipe) shellSource(line func(string, ...any)) {
	s := r.Source
	if s.Crate != "" {
		file := `"$work/` + s.Crate + `.crate"`
		line("src=$work/source epoch=%d", r.Plan.Epoch)
		line(`if [ -f "$from" ]; then cp "$from" %s; else curl -fsSL -o %s "$from"; fi`, file, file)
		line(`echo "%s  $work/%s.crate" | sha256sum -c --quiet`, s.Checksum, s.Crate)
		line(`mkdir "$src"`)
		line(`tar -xzf %s -C "$src" --strip-components=1`, file)
		return
	}
	if r.Plan.AsksGit {
		line("# The files of the commit, byte for byte, in a repository of it and its tags alone.")
	} else {
		line("# The files of the commit, byte for byte, with no repository around them.")
	}
	line("commit=%s", s.Commit)
	line("src=%s", shellPath("$work/source", s.Prefix))
	line(`mkdir "$work/source"`)
	if r.Plan.AsksGit {
		line(`git=$work/source/.git`)
		line(`git init -q "$work/source"`)
	} else {
		line(`git=$work/git`)
		line(`git init -q --bare "$git"`)
	}
	line(`echo '* -text -ident -filter -working-tree-encoding' > "$git/info/attributes"`)
	line(`at() { git -C "$work/source" --git-dir="$git" --work-tree="$work/source" "$@"; }`)
	line(`at fetch -q --depth 1 --no-tags "$from" $commit`)
	if r.Plan.AsksGit {
		for _, t := range s.Tags {
			line(`at fetch -q --depth 1 --no-tags "$from" %s`, quote("refs/tags/"+t+":refs/tags/"+t))
		}
		line(`at -c core.autocrlf=false checkout -q --detach $commit`)
	} else {
		paths := quoteIf(s.Prefix, ".")
		if s.Submodules && s.Prefix != "" {
			paths = ".gitmodules " + paths
		}
		line(`at -c core.autocrlf=false checkout -q $commit -- %s`, paths)
	}
	if s.Submodules {
		line(`at submodule --quiet update --init --recursive -- %s`, quoteIf(s.Prefix, "."))
		line(`find "$work/source" -mindepth 2 -name .git -prune -exec rm -rf {} +`)
	}
	if s.EpochOfCommit {
		line("epoch=$(at log -1 --format=%%ct $commit)")
	} else {
		line("epoch=%d", r.Plan.Epoch)
	}
}

func (r *Recipe) shellVendor(line func(string, ...any)) {
	line("# The crates, in Cargo's own layout, under one name of the registry's folder.")
	line("cd %s", shellPath("$src", r.Plan.Dir))
	line(`PATH=$(rustc --print sysroot)/bin:$PATH`)
	line(`[ "$(rustc --version)" = %s ] || die "this is $(rustc --version), not %s"`, quote("rustc "+r.Rustc), r.Rustc)
	line(`cargo_home=$work/cargo`)
	line(`mkdir "$cargo_home" "$work/home"`)
	line(`cargo vendor --locked --versioned-dirs --respect-source-config \`)
	line(`    "$cargo_home/registry/src/%s" > "$cargo_home/config.toml" 2> "$work/vendor.log" ||`, plan.IndexDir)
	line(`    { cat "$work/vendor.log" >&2; exit 1; }`)
}

func (r *Recipe) shellBuild(line func(string, ...any)) {
	line("# Paths, in every call of rustc and of the C compiler.")
	line(`cat > "$cargo_home/rustc" <<SH`)
	line(`#!/bin/sh`)
	args := r.Plan.RustcArgs("$src", "$cargo_home", "$(rustc --print sysroot)/lib/rustlib/src/rust", "$(rustc -vV | sed -n 's/^commit-hash: //p')")
	line(`exec "\$@" %s`, strings.Join(args, " \\\\\n    "))
	line("SH")
	line(`chmod 755 "$cargo_home/rustc"`)
	line(`map="%s"`, strings.Join(r.Plan.CArgs("$src", "$cargo_home"), " "))
	line(`env -i PATH="$PATH" HOME="$work/home" LANG=C.UTF-8 LC_ALL=C.UTF-8 TZ=UTC \`)
	line(`    CARGO_HOME="$cargo_home" CARGO_TARGET_DIR="$PWD/target" RUSTC_WRAPPER="$cargo_home/rustc" \`)
	line(`    CARGO_INCREMENTAL=0 SOURCE_DATE_EPOCH="$epoch" \`)
	for _, e := range r.Plan.BuildEnv() {
		line(`    %s \`, e)
	}
	first := ""
	if r.Plan.Replaced {
		first = `--config "$cargo_home/config.toml" `
	}
	line("    cargo %sbuild --frozen %s", first, strings.Join(r.Plan.CargoArgs(), " "))
	line(`cd "target/%s"`, r.Plan.Triple)
	if r.Plan.Rlibs {
		line(`echo "rlibs: $PWD/%s/deps"`, r.Plan.ProfileDir())
	}
	if r.Plan.SplitDebug {
		line(`mkdir -p "$work/out/bin"`)
		line(`cp %s "$work/out/bin/"`, strings.Join(r.outputs(), " "))
		b := r.Plan.SplitScript("$work/out", r.Plan.ProfileDir())
		line("%s", strings.TrimSuffix(b, "\n"))
		line(`cd "$work/out"`)
		line(`sha256sum bin/* debug/*`)
		return
	}
	if out := r.outputs(); len(out) > 0 {
		line("sha256sum %s", strings.Join(out, " "))
	}
}

// quote makes a word of a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func quoteIf(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return quote(s)
}

// shellPath is a folder below the one in a variable.
func shellPath(variable, below string) string {
	if path.Clean("/"+below) == "/" {
		return `"` + variable + `"`
	}
	return `"` + variable + `"/` + quote(below)
}
