#!/bin/sh
# Usage: make.sh NEW-DIRECTORY [URL]
#
# Makes NEW-DIRECTORY/repo (a git repository with the files of repo/) and
# NEW-DIRECTORY/project (the files of project/, placeholders filled in), checks
# that cargo itself would write the same Cargo.lock, and prints the commit.
# URL is what the project says; nothing is ever asked at that address.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
mkdir "$1"
out=$(cd "$1" && pwd)
url=${2:-file://$out/repo}

# Nobody's git settings, and always the same commits.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=Lumen GIT_AUTHOR_EMAIL=lumen@example.org
export GIT_COMMITTER_NAME=Lumen GIT_COMMITTER_EMAIL=lumen@example.org
commit() {
    git -C "$out/repo" add -A
    GIT_AUTHOR_DATE="$1 +0000" GIT_COMMITTER_DATE="$1 +0000" \
        git -C "$out/repo" commit -q -m "$2"
}

cp -R "$here/repo" "$here/project" "$out"
find "$out/repo" -type f -exec chmod 644 {} +
git init -q -b main "$out/repo"
commit 1750000000 "Add the two crates"
commit=$(git -C "$out/repo" rev-parse HEAD)

# The pin is not the tip, and whoever takes the tip gets no build.
echo 'compile_error!("this is not the pinned commit");' >"$out/repo/crates/lumen-core/src/lib.rs"
commit 1760000000 "Break the build"

cd "$out/project"
sed -i "s|@URL@|$url|g; s|@COMMIT@|$commit|g" Cargo.toml Cargo.lock

# Cargo, with a home of its own, fetches through git, and git is told that the
# URL is the repository on disk.
cp Cargo.lock "$out/expected.lock"
CARGO_HOME=$out/cargo-home CARGO_NET_GIT_FETCH_WITH_CLI=true \
    GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0="url.file://$out/repo.insteadOf" GIT_CONFIG_VALUE_0="$url" \
    cargo generate-lockfile -q
cmp Cargo.lock "$out/expected.lock"
rm -rf "$out/expected.lock" "$out/cargo-home"
echo "$commit"
