#!/usr/bin/env bash
# wheel.sh: build a wheel out of the source tree with pip, install it into a clean virtual environment, and run the
# flagship, a program of one's own and the Python API from there. Needs the package index. Exit code 77: it cannot be
# reached.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset TILEGRAPH_LIB PYTHONPATH
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

python3 -m venv "$work/venv" 2>/dev/null || { echo "skipped: python3 -m venv fails: install python3-venv"; exit 77; }
"$work/venv/bin/pip" install -q numpy scikit-build-core >"$work/log" 2>&1 || {
    tail -n 3 "$work/log"
    echo "skipped: the package index cannot be reached"
    exit 77
}
mkdir "$work/source"
git -C "$root" ls-files -z --cached --others --exclude-standard |
    (cd "$root" && xargs -0 cp --parents -t "$work/source")
"$work/venv/bin/pip" wheel -q --no-build-isolation --no-deps -w "$work" "$work/source"
"$work/venv/bin/pip" install -q "$work"/tilegraph-*.whl
rm -rf "$work/source"

export XDG_CACHE_HOME=$work/cache
cd "$work"
tilegraph=$work/venv/bin/tilegraph
"$tilegraph" info
examples=$("$tilegraph" info --json |
    "$work/venv/bin/python" -c 'import json, sys; print(json.load(sys.stdin)["examples"])')
PA_CASE=Case2 "$tilegraph" run "$examples/aicpu_build_graph/paged_attention"
"$tilegraph" new mine && "$tilegraph" run mine -q && "$work/venv/bin/python" -m tilegraph run mine -p cpu -q
"$work/venv/bin/python" - "$examples" <<'END'
import sys
import numpy as np
import tilegraph

a = np.arange(10000, dtype=np.float32)
out = np.empty_like(a)
with tilegraph.open("a2a3sim") as device, device.load(f"{sys.argv[1]}/aicpu_build_graph/vector_example") as program:
    with program.run({"a": a, "b": a, "out": out}, check=True) as run:
        assert run.findings == [] and np.array_equal(out, a * 4), out
print("the Python API works out of the wheel", tilegraph.__version__)
END
echo "the wheel is as it should be"
