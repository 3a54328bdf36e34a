#!/usr/bin/env bash
# gdb_tile.sh BUILD_DIR: the gdb command tg-tile shows the tiles of a kernel with their values: in aiv_add, sum = a + b.
# Exit 77: there is no debugger with Python, or it may not trace here.
set -euo pipefail

build=$1
root=$(cd "$(dirname "$0")/.." && pwd)
command -v gdb >/dev/null || { echo "skipped: no gdb"; exit 77; }
gdb -nx -batch -ex 'python print("has python")' 2>&1 | grep -q '^has python' ||
    { echo "skipped: gdb has no Python"; exit 77; }
gdb -nx -batch -ex 'run' --args true 2>&1 | grep -q 'exited normally' ||
    { echo "skipped: gdb cannot trace here"; exit 77; }

source=$root/examples/aicpu_build_graph/vector_example/kernels/aiv/aiv_add.c
line=$(grep -n 'TSTORE' "$source" | tail -n 1 | cut -d: -f1)
said=$(gdb -nx -batch -ex 'set breakpoint pending on' -ex 'handle SIGURG nostop noprint nopass' \
    -ex "source $root/tools/gdb/tilegraph.py" -ex "tg-break aiv_add.c:$line" -ex run \
    -ex 'tg-tile a 1 4' -ex 'tg-tile b 1 4' -ex 'tg-tile sum 1 4' -ex 'tg-tile nothing' \
    --args "$build/bin/vector_example" 2>&1) || true # of the last command

row() { sed -n "/^$1: Vec, fp32/,/\[0\]/s/^ *\[0\] *\(.*\) \.\.\./\1/p" <<<"$said" | head -n 1; }
fail() {
    echo "FAILED: $1" >&2
    echo "$said" >&2
    exit 1
}
[ -n "$(row a)" ] && [ -n "$(row b)" ] && [ -n "$(row sum)" ] || fail "tg-tile shows no values"
paste <(tr -s ' ' '\n' <<<"$(row a)") <(tr -s ' ' '\n' <<<"$(row b)") <(tr -s ' ' '\n' <<<"$(row sum)") |
    awk 'NF == 3 { d = $1 + $2 - $3; if (d < 0) d = -d; n++; if (d > 1e-4) bad++ } END { exit n < 4 || bad }' ||
    fail "sum is not a + b"
grep -q 'No tile "nothing"' <<<"$said" || fail "a name that is not there is not refused"
echo "passed: tg-tile"
