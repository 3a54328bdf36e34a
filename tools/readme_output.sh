#!/bin/sh
# readme_output.sh BUILD_DIR [--check]: write into README.md, between the two markers there, what
# `build/bin/paged_attention --case Case2` prints. With --check only compare: exit code 1 if the
# page is not up to date. Host times and the last digits of errors, which other computers have other ones of, are not
# compared.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
page=$root/README.md
build=${1-}
[ -x "$build/bin/paged_attention" ] || {
    echo "readme_output: '$build' is no build folder: run make build, then tools/readme_output.sh build" >&2
    exit 2
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{
    echo '```'
    echo 'build/bin/paged_attention --case Case2'
    "$build/bin/paged_attention" --case Case2
    echo '```'
} >"$work/block"
"$root/tools/between_markers.sh" output "$work/block" "$page" >"$work/page"

if [ "${2-}" = --check ]; then
    for file in "$page" "$work/page"; do
        grep -vE '^  (host time|largest error) ' "$file" >"$work/$(basename "$file").cut"
    done
    diff -u "$work/README.md.cut" "$work/page.cut" >&2 || {
        echo "readme_output: README.md is not up to date: run tools/readme_output.sh build" >&2
        exit 1
    }
    echo "README.md shows what the program prints"
else
    cmp -s "$page" "$work/page" || cp "$work/page" "$page"
fi
