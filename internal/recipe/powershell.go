package recipe

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/craton-co/twice/internal/plan"
)

// powerShell is the script for MSVC, for Windows PowerShell 5.1 and later.
//
// rustc's remaps go through CARGO_ENCODED_RUSTFLAGS, joined to the project's
// own flags, since a wrapper would have to be a program there.
func (r *Recipe) powerShell() string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("# %s, without a container. BEST EFFORT:", r.title())
	line("#  - nothing was ever built twice for this target by Twice: what follows is what is known;")
	line("#  - the same bits need the same rustc (%s), the same MSVC tools", r.Rustc)
	line("#    and the same Windows SDK, which nothing pins here;")
	line("#  - /Brepro makes the linker's time stamp and the debug GUID a hash of the content: run")
	line("#    `twice normalize FILE.exe` on both sides before you compare, .pdb files do differ;")
	line("#  - build scripts and proc macros get no remaps, so rlibs are not promised.")
	line("# Usage: powershell -File recipe.ps1 [-Work DIRECTORY] [-From ADDRESS]")
	line("param(")
	line("    [string]$Work = (Join-Path ([IO.Path]::GetTempPath()) ([IO.Path]::GetRandomFileName())),")
	line("    [string]$From = %s", psQuote(r.Source.From))
	line(")")
	line("$ErrorActionPreference = 'Stop'")
	line("function Check { if ($LASTEXITCODE -ne 0) { throw \"exit status $LASTEXITCODE\" } }")
	line("$Work = (New-Item -ItemType Directory -Force $Work).FullName")
	line("if (Get-ChildItem -Force $Work) { throw \"$Work is not empty\" }")
	line("")
	r.psSource(line)
	line("")
	line("# The crates, in Cargo's own layout, under one name of the registry's folder.")
	line("Set-Location (Join-Path $src %s)", psQuote(cmp.Or(r.Plan.Dir, ".")))
	line("$rustc = rustc --version; Check")
	line("if ($rustc -ne %s) { throw \"this is $rustc\" }", psQuote("rustc "+r.Rustc))
	line("$cargoHome = Join-Path $Work 'cargo'")
	line("New-Item -ItemType Directory $cargoHome | Out-Null")
	line("$config = cargo vendor --locked --versioned-dirs --respect-source-config \"$cargoHome\\registry\\src\\%s\"; Check", plan.IndexDir)
	line("[IO.File]::WriteAllLines(\"$cargoHome\\config.toml\", [string[]]@($config))")
	line("")
	line("# Paths, in rustc's and the C compiler's output.")
	line("$flags = @(")
	for _, f := range r.RustFlags {
		line("    %s", psQuote(f))
	}
	commit := "$((rustc -vV | Select-String '^commit-hash: (.*)').Matches[0].Groups[1].Value)"
	for _, a := range r.Plan.RustcArgs("$src", "$cargoHome", `$(rustc --print sysroot)\lib\rustlib\src\rust`, commit) {
		line("    \"%s\"", a)
	}
	for _, a := range []string{"/Brepro", "/PDBALTPATH:%_PDB%"} {
		line("    '-Clink-arg=%s'", a)
	}
	line(")")
	line("foreach ($name in 'RUSTFLAGS', 'RUSTC_WRAPPER', 'RUSTC', 'CARGO_TARGET_DIR') { Remove-Item -ErrorAction SilentlyContinue \"Env:$name\" }")
	line("$env:CARGO_ENCODED_RUSTFLAGS = $flags -join [char]0x1f")
	line("$env:CARGO_HOME = $cargoHome")
	line("$env:CARGO_INCREMENTAL = '0'")
	line("$env:SOURCE_DATE_EPOCH = $epoch")
	line("$map = \"/Brepro /experimental:deterministic /pathmap:$src=%s /pathmap:$cargoHome=%s\"", r.Plan.CanonicalSource(), plan.CanonicalCargoHome)
	for _, k := range []string{"CFLAGS", "CXXFLAGS"} {
		own := r.Plan.CFlags[k]
		if own != "" {
			own = psQuote(own+" ") + " + "
		}
		line("$env:%s = %s$map", k, own)
	}
	for _, k := range slices.Sorted(maps.Keys(r.Plan.Env)) {
		line("${env:%s} = %s", k, psQuote(r.Plan.Env[k]))
	}
	line("cargo build --frozen %s; Check", strings.Join(r.Plan.CargoArgs(), " "))
	for _, o := range r.outputs() {
		line("Get-FileHash -Algorithm SHA256 %s", psQuote("target/"+r.Plan.Triple+"/"+o+".exe"))
	}
	return b.String()
}

// psSource sets $src, the folder that is /build/<name>, and $epoch.
func (r *Recipe) psSource(line func(string, ...any)) {
	s := r.Source
	line("$src = Join-Path $Work 'source'")
	line("New-Item -ItemType Directory $src | Out-Null")
	if s.Crate != "" {
		line("$epoch = '%d'", r.Plan.Epoch)
		line("$file = Join-Path $Work %s", psQuote(s.Crate+".crate"))
		line("if (Test-Path $From) { Copy-Item $From $file } else { Invoke-WebRequest -UseBasicParsing -OutFile $file $From }")
		line("if ((Get-FileHash -Algorithm SHA256 $file).Hash -ne '%s') { throw \"$file is another file\" }", s.Checksum)
		line("tar -xzf $file -C $src --strip-components=1; Check")
		return
	}
	if r.Plan.AsksGit {
		line("# The build asks git for its commit, which this script does not give it.")
	}
	line("# The files of the commit, byte for byte, with no repository around them.")
	line("$git = @('-C', $src, \"--git-dir=$Work\\git\", \"--work-tree=$src\", '-c', 'core.autocrlf=false')")
	line("git init -q --bare \"$Work\\git\"; Check")
	line("Set-Content \"$Work\\git\\info\\attributes\" '* -text -ident -filter -working-tree-encoding'")
	line("git @git fetch -q --depth 1 $From %s; Check", s.Commit)
	paths := psQuote(cmp.Or(s.Prefix, "."))
	if s.Submodules && s.Prefix != "" {
		paths = ".gitmodules " + paths
	}
	line("git @git checkout -q %s -- %s; Check", s.Commit, paths)
	if s.Submodules {
		line("git @git submodule --quiet update --init --recursive -- %s; Check", psQuote(cmp.Or(s.Prefix, ".")))
		line("Get-ChildItem -Recurse -Force -Filter .git $src | Remove-Item -Recurse -Force")
	}
	if s.EpochOfCommit {
		line("$epoch = git @git log -1 --format=%%ct %s; Check", s.Commit)
	} else {
		line("$epoch = '%d'", r.Plan.Epoch)
	}
	if s.Prefix != "" {
		line("$src = Join-Path $src %s", psQuote(s.Prefix))
	}
}

// psQuote makes a literal of PowerShell, in which nothing is expanded.
func psQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
