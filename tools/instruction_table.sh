#!/bin/sh
# instruction_table.sh [--check]: write the table of docs/kernels.md from TG_INSTRUCTIONS of instructions.h, between the
# two markers there. With --check only compare: exit code 1 if the page is not up to date.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
page=$root/docs/kernels.md
case ${1-} in
    '' | --check) ;;
    *)
        echo "instruction_table: unknown argument '$1': give nothing or --check" >&2
        exit 2
        ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The compiler reads the rows, so that the page cannot differ from them in a detail of how they are written.
cat >"$work/table.c" <<'END'
#define TG_TILE_TYPES_ONLY
#include <stdio.h>
#include "tile/table.h"
static void types(unsigned set)
{
    static const char *const names[TG_DTYPES] = {"fp32", "fp16",  "bf16",   "int32", "int8",
                                                 "uint8", "int16", "uint16", "uint32"};
    if (set == TG_TYPES_ANY) { printf("any"); return; }
    for (unsigned i = 0, n = 0; i < TG_DTYPES; i++)
        if (set >> i & 1u) printf("%s%s", n++ ? " " : "", names[i]);
}
int main(void)
{
    static const char *const pipes[] = {"S", "V", "M", "MTE1", "MTE2", "MTE3", "FIX"};
    static const char *const meanings[] = {"published", "specified", "assumed"};
    puts("| instruction | pipe | result | element types | dst may be | result is | time is |\n|---|---|---|---|---|---|---|");
    for (unsigned op = 0; op < TG_OP_COUNT; op++) {
        const struct tg_op_info *row = tg_op_info(op);
        printf("| `%s` | %s | %s | ", row->name, pipes[row->pipe], row->text);
        types(row->form == TG_FORM_FLAG || row->form == TG_FORM_BARRIER || row->form == TG_FORM_NO_OPERANDS ||
              row->form == TG_FORM_CACHE ? 0 : row->types);
        printf(" | %s%s%s | %s | %s |\n", row->in_place & TG_IN_PLACE_A ? "a" : "",
               row->in_place == TG_IN_PLACE_AB ? ", " : "", row->in_place & TG_IN_PLACE_B ? "b" : "",
               meanings[row->meaning],
               row->confidence == 'H' ? "measured" : row->confidence == 'M' ? "fitted" : "derived");
    }
    return 0;
}
END
${CC:-cc} -std=c11 -I"$root/include" -I"$root/src" -o "$work/table" "$work/table.c" "$root/src/tile/table.c"
"$work/table" >"$work/rows"

awk -v rows="$work/rows" '
    /<!-- instruction table: / { print; while ((getline line < rows) > 0) print line; skip = 1; found++ }
    /<!-- end of instruction table -->/ { skip = 0; found++ }
    !skip
    END { exit found != 2 }
' "$page" >"$work/page" || {
    echo "instruction_table: $page lacks the markers '<!-- instruction table: ... -->' and '<!-- end of instruction table -->'" >&2
    exit 1
}

if [ "${1-}" = --check ]; then
    diff -u "$page" "$work/page" >&2 || {
        echo "instruction_table: docs/kernels.md is not up to date: run tools/instruction_table.sh" >&2
        exit 1
    }
    echo "docs/kernels.md has all $(($(wc -l <"$work/rows") - 2)) instructions"
else
    cmp -s "$page" "$work/page" || cp "$work/page" "$page"
fi
