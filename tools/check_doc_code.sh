#!/bin/sh
# check_doc_code.sh BUILD_DIR: the code in the documents compiles, the program of docs/host-api.md runs against the
# shared library of the build.
set -eu

build=$1
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
flags="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -I$root/include"
failed=0

# The code blocks of docs/$1.md in language $2 that stand on their own, as $work/$1-1.$2, $work/$1-2.$2, ...
extract() {
    awk -v language="$2" -v name="$work/$1" '
        $0 == "```" language { inside = 1; text = ""; next }
        /^```/ {
            if (inside && text ~ /#include <(tilegraph|pto)/) printf "%s", text > (name "-" ++n "." language)
            inside = 0
        }
        inside { text = text $0 "\n" }
    ' "$root/docs/$1.md"
}

compile() { # COMMAND...
    "$@" && return
    failed=$((failed + 1))
}

for page in kernels orchestration host-api attention pto; do
    extract $page c
    extract $page cpp
done
n=0
for source in "$work"/*.c "$work"/*.cpp; do
    [ -f "$source" ] || continue
    n=$((n + 1))
    case $source in
        *attention*) compile ${CC:-cc} -std=c11 $flags -o "$work/attend" "$source" -L"$build/lib" -ltilegraph \
            -Wl,-rpath,"$build/lib" ;;
        *host-api*) compile ${CC:-cc} -std=c11 $flags -o "$work/program" "$source" -L"$build/lib" -ltilegraph \
            -Wl,-rpath,"$build/lib" ;;
        *.cpp) ! command -v ${CXX:-c++} >/dev/null ||
            compile ${CXX:-c++} -std=c++17 $flags -fsyntax-only "$source" ;;
        *) compile ${CC:-cc} -std=c11 $flags -O2 -fPIC -shared -fvisibility=hidden -o "$work/module.so" "$source" ;;
    esac
done
[ "$n" -ge 5 ] || { echo "check_doc_code: only $n pieces of code found in docs/" >&2; exit 1; }

answer=$("$work/program" "$build/examples/aicpu_build_graph/vector_example" 2>&1) || true
if [ "$answer" != 'out[9999] = 20000, 6 tasks' ]; then
    echo "check_doc_code: the program of docs/host-api.md says '$answer'" >&2
    failed=$((failed + 1))
fi
answer=$("$work/attend" 2>&1) || true
if [ "$answer" != 'head 0: 1, head 3: 2' ]; then
    echo "check_doc_code: the program of docs/attention.md says '$answer'" >&2
    failed=$((failed + 1))
fi
echo "$n pieces of code, $failed failed"
[ "$failed" -eq 0 ]
