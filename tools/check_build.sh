#!/usr/bin/env bash
# check_build.sh BUILD_DIR: what others do with a build of this project. An installed library is linked through
# pkg-config, shared and static; flags that change what arithmetic means are refused; a build folder of another place is
# recognized.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n_failed=0

fail() {
    echo "FAILED: $1" >&2
    n_failed=$((n_failed + 1))
}

# ---- flags ----
for flags in -ffast-math -Ofast "-O2 -funsafe-math-optimizations"; do
    if CFLAGS=$flags cmake -S "$root" -B "$work/fast" >"$work/out" 2>&1; then fail "CFLAGS=$flags is not refused"; fi
    grep -q 'CFLAGS ask for arithmetic' "$work/out" || fail "CFLAGS=$flags: nothing is said of arithmetic"
    rm -rf "$work/fast"
done

# ---- a build folder of another place ----
mkdir -p "$work/moved/tools" "$work/moved/build/CMakeFiles" "$work/bin"
cp "$root/tools/configure.sh" "$work/moved/tools/"
echo "CMAKE_HOME_DIRECTORY:INTERNAL=/another/place" >"$work/moved/build/CMakeCache.txt"
printf '#!/bin/sh\necho "cmake $*"\n' >"$work/bin/cmake"
chmod +x "$work/bin/cmake"
(cd "$work/moved" && PATH=$work/bin:$PATH tools/configure.sh release -DX=1) >"$work/out" 2>&1 ||
    fail "configure.sh fails"
grep -q 'build was configured in /another/place' "$work/out" ||
    fail "nothing is said of a build folder of another place"
grep -q 'cmake --preset release -DX=1' "$work/out" || fail "CMake is not called with the preset"
if [ -e "$work/moved/build/CMakeCache.txt" ] || [ -e "$work/moved/build/CMakeFiles" ]; then
    fail "it is left as it was"
fi
echo "CMAKE_HOME_DIRECTORY:INTERNAL=$work/moved" >"$work/moved/build/CMakeCache.txt"
(cd "$work/moved" && PATH=$work/bin:$PATH tools/configure.sh release) >"$work/out" 2>&1 || fail "configure.sh fails"
[ -e "$work/moved/build/CMakeCache.txt" ] || fail "a build folder of this place is configured anew"

[ "$n_failed" -eq 0 ] && echo "builds of others: as they should be"
