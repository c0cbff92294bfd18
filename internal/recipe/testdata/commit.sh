#!/bin/sh
# demo 1.2.3 for x86_64-unknown-linux-gnu, without a container: the binaries
# and rlibs of `twice build`, bit for bit, on a machine that has in its PATH
#   rustc 1.95.0 (59807616e 2026-04-14), with cargo
#   binutils 2.40-2
#   gcc-12 12.2.0-14+deb12u1
# Usage: sh recipe.sh [DIRECTORY [FROM]]: an empty directory, default: a new one;
# where the repository may be had, default: https://git.example.org/demo.git
set -eu
umask 022
work=${1:-$(mktemp -d)} from=${2:-'https://git.example.org/demo.git'}
mkdir -p "$work"; work=$(cd "$work" && pwd -P)
die() { echo "$@" >&2; exit 2; }
case $work in *[!A-Za-z0-9/._-]*) die "$work: only letters, digits, dot, dash and underscore" ;; esac
[ -z "$(ls -A "$work")" ] || die "$work is not empty"
# cargo and git read what lies above a workspace.
up=$work
until [ "$up" = / ]; do
    up=$(dirname "$up")
    for f in .git Cargo.toml .cargo/config .cargo/config.toml; do [ ! -e "$up/$f" ] || die "cargo or git would read $up/$f"; done
done
for p in binutils=2.40-2 gcc-12=12.2.0-14+deb12u1; do
    have=$(dpkg-query -W -f '${Version}' "${p%%=*}" 2>/dev/null) || have='not a Debian package'
    [ "$have" = "${p#*=}" ] || echo "note: ${p%%=*} is $have here, not ${p#*=}: the bits may differ" >&2
done

# The files of the commit, byte for byte, with no repository around them.
commit=0123456789012345678901234567890123456789
src="$work/source"/'rust'
mkdir "$work/source"
git=$work/git
git init -q --bare "$git"
echo '* -text -ident -filter -working-tree-encoding' > "$git/info/attributes"
at() { git -C "$work/source" --git-dir="$git" --work-tree="$work/source" "$@"; }
at fetch -q --depth 1 --no-tags "$from" $commit
at -c core.autocrlf=false checkout -q $commit -- .gitmodules 'rust'
at submodule --quiet update --init --recursive -- 'rust'
find "$work/source" -mindepth 2 -name .git -prune -exec rm -rf {} +
epoch=$(at log -1 --format=%ct $commit)

# The crates, in Cargo's own layout, under one name of the registry's folder.
cd "$src"
PATH=$(rustc --print sysroot)/bin:$PATH
[ "$(rustc --version)" = 'rustc 1.95.0 (59807616e 2026-04-14)' ] || die "this is $(rustc --version), not 1.95.0 (59807616e 2026-04-14)"
cargo_home=$work/cargo
mkdir "$cargo_home" "$work/home"
cargo vendor --locked --versioned-dirs --respect-source-config \
    "$cargo_home/registry/src/index.crates.io-1949cf8c6b5b557f" > "$cargo_home/config.toml" 2> "$work/vendor.log" ||
    { cat "$work/vendor.log" >&2; exit 1; }

# Paths, in every call of rustc and of the C compiler.
cat > "$cargo_home/rustc" <<SH
#!/bin/sh
exec "\$@" --remap-path-prefix=$src=/build/demo \\
    --remap-path-prefix=$cargo_home=/cargo \\
    --remap-path-prefix=$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$(rustc -vV | sed -n 's/^commit-hash: //p') \\
    -C link-arg=-Wl,--build-id=sha1
SH
chmod 755 "$cargo_home/rustc"
map="-ffile-prefix-map=$src=/build/demo -ffile-prefix-map=$cargo_home=/cargo"
env -i PATH="$PATH" HOME="$work/home" LANG=C.UTF-8 LC_ALL=C.UTF-8 TZ=UTC \
    CARGO_HOME="$cargo_home" CARGO_TARGET_DIR="$PWD/target" RUSTC_WRAPPER="$cargo_home/rustc" \
    CARGO_INCREMENTAL=0 SOURCE_DATE_EPOCH="$epoch" \
    CFLAGS='-O3 '"$map" \
    CXXFLAGS="$map" \
    DEMO='it'\''s' \
    cargo build --frozen --release --target x86_64-unknown-linux-gnu --features x,y
cd "target/x86_64-unknown-linux-gnu"
echo "rlibs: $PWD/release/deps"
sha256sum release/demo release/tool
