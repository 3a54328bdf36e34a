#!/usr/bin/env bash
# check_docs.sh [ROOT]: every relative link of the documents leads somewhere, to a heading too, and every room of src/
# has a README.
set -euo pipefail

root=$(cd "${1:-$(dirname "$0")/..}" && pwd)
cd "$root"

n_links=0
n_wrong=0
wrong() {
    echo "$1" >&2
    n_wrong=$((n_wrong + 1))
}

# The anchors of a document: its headings, small, without punctuation, a dash for each space.
anchors_of() {
    awk '/^```/ { code = !code } !code && /^#+ / { sub(/^#+ /, ""); print tolower($0) }' "$1" |
        sed -e 's/[`*]//g' -e 's/[^a-z0-9 _-]//g' -e 's/ /-/g'
}

check_link() { # DOCUMENT TARGET
    local path=${2%%#*} anchor=
    n_links=$((n_links + 1))
    [[ $2 != *'#'* ]] || anchor=${2#*#}
    path=${path:+$(dirname "$1")/$path}
    path=${path:-$1}
    if [ ! -e "$path" ]; then
        wrong "$1: there is no $2"
    elif [ -n "$anchor" ] && ! anchors_of "$path" | grep -qx -- "$anchor"; then
        wrong "$1: $path has no heading #$anchor"
    fi
}

documents=$(find . -name '*.md' -not -path './build/*' -not -path './.git/*' -not -path './.*/*' | sort)
for document in $documents; do
    while IFS= read -r target; do
        [[ $target =~ ^[a-z]+: ]] || check_link "$document" "$target"
    done < <(awk '/^ *```/ { code = !code } !code' "$document" | sed 's/`[^`]*`//g' | grep -oE '\]\([^) ]+\)' |
        sed -e 's/^](//' -e 's/)$//')
done

while IFS= read -r room; do
    [ -f "$room/README.md" ] || wrong "$room has no README.md"
done < <(find src -name '*.c' -not -path '*/kernels/*' -printf '%h\n' | sort -u)

[ "$n_links" -gt 0 ] || wrong "no link found under $root"
echo "$n_links links, $n_wrong wrong"
[ "$n_wrong" -eq 0 ]
