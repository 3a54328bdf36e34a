#!/bin/sh
# check_exports.sh NM LIBRARY INCLUDE_DIR: the library exports what the public headers declare with TG_API, no more and
# no less.
set -eu

nm=$1 library=$2 include=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A declaration is one statement, so its name is the last word before the first parenthesis.
sed -n '/^TG_API /,/(/p' "$include"/tilegraph/*.h | tr '\n' ' ' | sed 's/TG_API /\n&/g' |
    sed -n 's/^TG_API [^(]*[ *]\([a-z][a-z0-9_]*\)(.*/\1/p' | sort >"$work/declared"
"$nm" -D --defined-only "$library" | awk '{ print $NF }' | sort >"$work/exported"

if ! [ -s "$work/declared" ]; then
    echo "check_exports: no TG_API declaration found in $include/tilegraph" >&2
    exit 1
fi
missing=$(comm -23 "$work/declared" "$work/exported")
surplus=$(comm -13 "$work/declared" "$work/exported")
[ -z "$missing" ] || printf 'declared with TG_API, not exported: %s\n' $missing >&2
[ -z "$surplus" ] || printf 'exported, not declared with TG_API: %s\n' $surplus >&2
[ -z "$missing$surplus" ] || exit 1
echo "$(wc -l <"$work/declared") exported functions, all declared"
