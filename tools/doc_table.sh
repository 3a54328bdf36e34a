#!/bin/sh
# doc_table.sh TABLE [--check]: write a table of a document out of the header or source that has it, between the two
# markers there. With --check only compare: exit code 1 if the page is not up to date. The compiler reads the rows, so
# that the page cannot differ from them in a detail of how they are written.
#
#   status        docs/errors.md   TG_STATUSES of tilegraph.h
#   instruction   docs/kernels.md  TG_INSTRUCTIONS of instructions.h
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
table=${1-}
case ${2-} in
    '' | --check) ;;
    *)
        echo "doc_table: unknown argument '$2': give nothing or --check" >&2
        exit 2
        ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source=

case $table in
    status)
        page=docs/errors.md
        cat >"$work/table.c" <<'END'
#include <stdio.h>
#include <tilegraph/tilegraph.h>
#define ROW(name, value, exit_code, sentence, hint)                                                                    \
    printf("| `TG_%s` | %d | %d | %s | %s |\n", #name, value, exit_code, sentence, hint);
int main(void)
{
    puts("| status | value | exit code | sentence | hint |\n|---|---:|---:|---|---|");
    TG_STATUSES(ROW)
    return 0;
}
END
        ;;
    instruction)
        page=docs/kernels.md
        source=$root/src/tile/table.c
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
    puts("| instruction | pipe | result | element types | dst may be | result is | time is |");
    puts("|---|---|---|---|---|---|---|");
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
        ;;
    *)
        echo "doc_table: unknown table '$table': choose status or instruction" >&2
        exit 2
        ;;
esac
${CC:-cc} -std=c11 -I"$root/include" -I"$root/src" -o "$work/table" "$work/table.c" ${source:+"$source"}
"$work/table" >"$work/rows"
"$root/tools/between_markers.sh" "$table table" "$work/rows" "$root/$page" >"$work/page"

if [ "${2-}" = --check ]; then
    diff -u "$root/$page" "$work/page" >&2 || {
        echo "doc_table: $page is not up to date: run tools/doc_table.sh $table" >&2
        exit 1
    }
    echo "$page has all $(($(wc -l <"$work/rows") - 2)) rows of the $table table"
else
    cmp -s "$root/$page" "$work/page" || cp "$work/page" "$root/$page"
fi
