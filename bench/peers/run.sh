#!/bin/sh
# run.sh OUT [TEXT]: the flagship's graph, and decode attention, in other runtimes; a JSON object a line goes to the
# file OUT. TEXT: attention only where the row's name contains it. What is not installed is left out and named.
# `tools/install_deps.sh peers` installs all of them but PyTorch. The variable RUN may hold a command that starts the
# programs, say "chrt -f 10".
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=$1
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
: >"$out"

run=${RUN:-}
peer() { # NAME COMMAND...: compile with COMMAND -o PROGRAM, run
    name=$1
    shift
    if "$@" -O2 -w -pthread -D_GNU_SOURCE -I"$here" -o "$built/program" 2>"$built/log"; then
        echo "$name" >&2
        $run "$built/program" "$name" >>"$out" || echo "$name stopped with $?" >&2
    else
        echo "$name is left out: $(head -n 1 "$built/log")" >&2
    fi
}

export STARPU_SILENT=1 STARPU_CALIBRATE=0 OMP_PROC_BIND=true
peer "OpenMP, libgomp" gcc -fopenmp "$here/openmp.c"
peer "OpenMP, libomp" clang -fopenmp "$here/openmp.c"
peer "oneTBB, flow graph" c++ -std=c++17 "$here/tbb.cpp" -ltbb

python=$here/../../build/peers-python/bin/python
[ -x "$python" ] || python=python3
echo "attention" >&2
$run "$python" "$here/attention.py" "${2:-}" >>"$out" || echo "attention.py stopped with $?" >&2

run= # its threads never sleep: what lets them starve others is not for it
# shellcheck disable=SC2046
peer "StarPU" cc "$here/starpu.c" $(pkg-config --cflags --libs starpu-1.3 2>/dev/null || echo -lstarpu-1.3)
