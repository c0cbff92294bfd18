#!/bin/sh
# Without Dagger, in any other CI: a Linux machine (x86-64) where this runs as
# root, with git and Go, in a clone of the repository to verify. TWICE_COMMIT is
# the commit of Twice to use, 40 hexadecimal digits. TWICE_STORE_FROM and
# TWICE_STORE_TO, a directory that is kept or oci://registry/name, save the next
# run from fetching and composing again.
set -eu
: "${TWICE_COMMIT:?set it to a commit of github.com/craton-co/twice}"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
git clone --quiet https://github.com/craton-co/twice "$dir/twice"
git -C "$dir/twice" checkout --quiet --detach "$TWICE_COMMIT"
"$dir/twice/scripts/twice" verify .
