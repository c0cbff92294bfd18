# demo 1.2.3 for x86_64-pc-windows-msvc, without a container. BEST EFFORT:
#  - nothing was ever built twice for this target by Twice: what follows is what is known;
#  - the same bits need the same rustc (1.95.0 (59807616e 2026-04-14)), the same MSVC tools
#    and the same Windows SDK, which nothing pins here;
#  - /Brepro makes the linker's time stamp and the debug GUID a hash of the content: run
#    `twice normalize FILE.exe` on both sides before you compare, .pdb files do differ;
#  - build scripts and proc macros get no remaps, so rlibs are not promised.
# Usage: powershell -File recipe.ps1 [-Work DIRECTORY] [-From ADDRESS]
param(
    [string]$Work = (Join-Path ([IO.Path]::GetTempPath()) ([IO.Path]::GetRandomFileName())),
    [string]$From = 'https://git.example.org/demo.git'
)
$ErrorActionPreference = 'Stop'
function Check { if ($LASTEXITCODE -ne 0) { throw "exit status $LASTEXITCODE" } }
$Work = (New-Item -ItemType Directory -Force $Work).FullName
if (Get-ChildItem -Force $Work) { throw "$Work is not empty" }

$src = Join-Path $Work 'source'
New-Item -ItemType Directory $src | Out-Null
# The files of the commit, byte for byte, with no repository around them.
$git = @('-C', $src, "--git-dir=$Work\git", "--work-tree=$src", '-c', 'core.autocrlf=false')
git init -q --bare "$Work\git"; Check
Set-Content "$Work\git\info\attributes" '* -text -ident -filter -working-tree-encoding'
git @git fetch -q --depth 1 $From 0123456789012345678901234567890123456789; Check
git @git checkout -q 0123456789012345678901234567890123456789 -- .gitmodules 'rust'; Check
git @git submodule --quiet update --init --recursive -- 'rust'; Check
Get-ChildItem -Recurse -Force -Filter .git $src | Remove-Item -Recurse -Force
$epoch = git @git log -1 --format=%ct 0123456789012345678901234567890123456789; Check
$src = Join-Path $src 'rust'

# The crates, in Cargo's own layout, under one name of the registry's folder.
Set-Location (Join-Path $src '.')
$rustc = rustc --version; Check
if ($rustc -ne 'rustc 1.95.0 (59807616e 2026-04-14)') { throw "this is $rustc" }
$cargoHome = Join-Path $Work 'cargo'
New-Item -ItemType Directory $cargoHome | Out-Null
$config = cargo vendor --locked --versioned-dirs --respect-source-config "$cargoHome\registry\src\index.crates.io-1949cf8c6b5b557f"; Check
[IO.File]::WriteAllLines("$cargoHome\config.toml", [string[]]@($config))

# Paths, in rustc's and the C compiler's output.
$flags = @(
    '--cfg'
    'it''s="quoted"'
    "--remap-path-prefix=$src=/build/demo"
    "--remap-path-prefix=$cargoHome=/cargo"
    "--remap-path-prefix=$(rustc --print sysroot)\lib\rustlib\src\rust=/rustc/$((rustc -vV | Select-String '^commit-hash: (.*)').Matches[0].Groups[1].Value)"
    '-Clink-arg=/Brepro'
    '-Clink-arg=/PDBALTPATH:%_PDB%'
)
foreach ($name in 'RUSTFLAGS', 'RUSTC_WRAPPER', 'RUSTC', 'CARGO_TARGET_DIR') { Remove-Item -ErrorAction SilentlyContinue "Env:$name" }
$env:CARGO_ENCODED_RUSTFLAGS = $flags -join [char]0x1f
$env:CARGO_HOME = $cargoHome
$env:CARGO_INCREMENTAL = '0'
$env:SOURCE_DATE_EPOCH = $epoch
$map = "/Brepro /experimental:deterministic /pathmap:$src=/build/demo /pathmap:$cargoHome=/cargo"
$env:CFLAGS = '-O3 ' + $map
$env:CXXFLAGS = $map
${env:DEMO} = 'it''s'
cargo build --frozen --release --target x86_64-pc-windows-msvc --features x,y; Check
Get-FileHash -Algorithm SHA256 'target/x86_64-pc-windows-msvc/release/demo.exe'
Get-FileHash -Algorithm SHA256 'target/x86_64-pc-windows-msvc/release/tool.exe'
