#!/bin/sh
# status_table.sh [--check]: write the table of docs/errors.md from TG_STATUSES of tilegraph.h, between the two markers
# there. With --check only compare: exit code 1 if the page is not up to date.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
page=$root/docs/errors.md
case ${1-} in
    '' | --check) ;;
    *)
        echo "status_table: unknown argument '$1': give nothing or --check" >&2
        exit 2
        ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The compiler reads the list, so that the page cannot differ from it in a detail of how it is written.
cat >"$work/table.c" <<'END'
#include <stdio.h>
#include <tilegraph/tilegraph.h>
#define ROW(name, value, exit_code, sentence, hint) printf("| `TG_%s` | %d | %d | %s | %s |\n", #name, value, exit_code, sentence, hint);
int main(void)
{
    puts("| status | value | exit code | sentence | hint |\n|---|---:|---:|---|---|");
    TG_STATUSES(ROW)
    return 0;
}
END
${CC:-cc} -std=c11 -I"$root/include" -o "$work/table" "$work/table.c"
"$work/table" >"$work/rows"

awk -v rows="$work/rows" '
    /<!-- status table: / { print; while ((getline line < rows) > 0) print line; skip = 1; found++ }
    /<!-- end of status table -->/ { skip = 0; found++ }
    !skip
    END { exit found != 2 }
' "$page" >"$work/page" || {
    echo "status_table: $page lacks the markers '<!-- status table: ... -->' and '<!-- end of status table -->'" >&2
    exit 1
}

if [ "${1-}" = --check ]; then
    diff -u "$page" "$work/page" >&2 || {
        echo "status_table: docs/errors.md is not up to date: run tools/status_table.sh" >&2
        exit 1
    }
    echo "docs/errors.md has all $(($(wc -l <"$work/rows") - 2)) statuses"
else
    cmp -s "$page" "$work/page" || cp "$work/page" "$page"
fi
