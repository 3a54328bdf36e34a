#!/usr/bin/env bash
# check_build.sh BUILD_DIR: what others do with a build of this project. An installed library is linked through
# pkg-config, shared and static; flags that change what arithmetic means are refused; a build folder of another place is
# recognized.
set -euo pipefail

build=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n_failed=0

fail() {
    echo "FAILED: $1" >&2
    n_failed=$((n_failed + 1))
}

# ---- pkg-config ----
cat >"$work/host.c" <<'END'
#include <stdio.h>
#include <tilegraph/tilegraph.h>
int main(void)
{
    struct tg_device_config config;
    struct tg_device *device;
    tg_device_config_init(&config);
    config.platform = "cpu";
    if (tg_device_open(&config, &device) != TG_OK) return 1;
    tg_device_close(device);
    return 0;
}
END
if command -v pkg-config >/dev/null; then
    cmake --install "$build" --prefix "$work/prefix" >/dev/null
    PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name tilegraph.pc)")
    export PKG_CONFIG_PATH
    libdir=$(pkg-config --variable=libdir tilegraph)
    # shellcheck disable=SC2046 # words, not one argument
    ${CC:-cc} "$work/host.c" -o "$work/shared" $(pkg-config --cflags --libs tilegraph) "-Wl,-rpath,$libdir" &&
        "$work/shared" || fail "a program does not link with the shared library through pkg-config"
    rm "$libdir"/libtilegraph.so*
    # shellcheck disable=SC2046
    ${CC:-cc} "$work/host.c" -o "$work/static" $(pkg-config --static --cflags --libs tilegraph) &&
        "$work/static" || fail "a program does not link with the static library through pkg-config --static"
else
    echo "no pkg-config: the installed file is not tried"
fi

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
(cd "$work/moved" && PATH=$work/bin:$PATH tools/configure.sh release -DX=1) >"$work/out" 2>&1 || fail "configure.sh fails"
grep -q 'build was configured in /another/place' "$work/out" || fail "nothing is said of a build folder of another place"
grep -q 'cmake --preset release -DX=1' "$work/out" || fail "CMake is not called with the preset"
if [ -e "$work/moved/build/CMakeCache.txt" ] || [ -e "$work/moved/build/CMakeFiles" ]; then fail "it is left as it was"; fi
echo "CMAKE_HOME_DIRECTORY:INTERNAL=$work/moved" >"$work/moved/build/CMakeCache.txt"
(cd "$work/moved" && PATH=$work/bin:$PATH tools/configure.sh release) >"$work/out" 2>&1 || fail "configure.sh fails"
[ -e "$work/moved/build/CMakeCache.txt" ] || fail "a build folder of this place is configured anew"

[ "$n_failed" -eq 0 ] && echo "builds of others: as they should be"
