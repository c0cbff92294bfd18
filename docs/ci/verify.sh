#!/bin/sh
# Any other CI: a machine with Docker, curl and git, in a clone of the repository
# to verify. TWICE_COMMIT is the commit of Twice to use, 40 hexadecimal digits.
set -eu
: "${TWICE_COMMIT:?set it to a commit of github.com/craton-co/twice}"
version=v0.21.8
sha256=53e226c7da8fb75171e58c35759d736d961ce8b3a12db0baa7b7107954fccc5a
file=dagger_${version}_linux_amd64.tar.gz
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
curl -fsSL --retry 3 -o "$dir/$file" "https://github.com/dagger/dagger/releases/download/$version/$file"
echo "$sha256  $dir/$file" | sha256sum -c
tar -xzf "$dir/$file" -C "$dir" dagger
"$dir/dagger" -m "github.com/craton-co/twice@$TWICE_COMMIT" call verify
