#!/bin/sh
# Moves one pin of twice.lock to what upstream has now, on a branch of its own,
# with the verdict before and after:
#   sh pins.sh WHAT TEXT     WHAT: toolchain, builder, base, cuda, engine, git
# TEXT is a file that gets the text of a pull request. In a clean clone, with
# twice in the PATH, as root. Exit status: 0 the pin moved, 1 it moved and the
# builds differ now (TEXT says so), 2 it failed, 3 there is nothing to move.
set -eu
what=$1 text=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
verdict() { # NAME: the verdict into $dir/NAME
    status=0
    twice --quiet verify . > "$dir/$1" || status=$?
    [ "$status" -le 1 ] || exit 2
}
verdict before
twice lock --update "$what" . > "$dir/moved" || exit 2
if git diff --quiet -- twice.lock; then
    echo "nothing to move: $what" >&2
    exit 3
fi
git checkout -q -b "pins/$what"
git commit -q -m "Move the pin of $what" -- twice.lock
verdict after
after=$status
{
    printf 'Moves the pin of %s, and nothing else.\n\n```\n' "$what"
    grep -- ' → ' "$dir/moved" || true
    printf '```\n\nBefore:\n\n```\n'
    cat "$dir/before"
    printf '```\n\nAfter:\n\n```\n'
    cat "$dir/after"
    printf '```\n'
} > "$text"
exit "$after"
