#!/bin/sh
# find_python.sh MODULE...: print the first Python interpreter at hand that can import all of the modules.
# Exit code 1 and a message when none can.
set -u

root=$(cd "$(dirname "$0")/.." && pwd)
imports=$(printf 'import %s\n' "$@")

for python in "$root/.venv/bin/python" python3 python /usr/bin/python3 /usr/local/bin/python3; do
    path=$(command -v "$python") || continue
    if "$path" -c "$imports" >/dev/null 2>&1; then
        printf '%s\n' "$path"
        exit 0
    fi
done
echo "find_python: no interpreter has $*: run tools/install_deps.sh test" >&2
exit 1
