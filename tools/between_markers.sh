#!/bin/sh
# between_markers.sh NAME TEXT PAGE: print the file PAGE with the content of the file TEXT between its markers
# '<!-- NAME: ... -->' and '<!-- end of NAME -->'. Exit code 1: PAGE lacks one of them.
set -eu

awk -v text="$2" -v name="$1" '
    index($0, "<!-- " name ": ") { print; while ((getline line < text) > 0) print line; skip = 1; found++ }
    index($0, "<!-- end of " name " -->") { skip = 0; found++ }
    !skip
    END { exit found != 2 }
' "$3" || {
    echo "between_markers: $3 lacks the markers '<!-- $1: ... -->' and '<!-- end of $1 -->'" >&2
    exit 1
}
