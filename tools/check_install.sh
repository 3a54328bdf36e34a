#!/usr/bin/env bash
# check_install.sh BUILD_DIR: install into a clean tree, move it, and use it as others do. Programs outside the source
# tree link with both libraries, through pkg-config and CMake. The command and the flagship run. Messages name a missing
# part.
set -euo pipefail

build=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset TILEGRAPH_LIB PYTHONPATH PKG_CONFIG_PATH LD_LIBRARY_PATH
export XDG_CACHE_HOME=$work/cache
n_failed=0

fail() {
    echo "FAILED: $1" >&2
    n_failed=$((n_failed + 1))
}

says() { # TEXT EXIT_CODE COMMAND...: the command ends with that exit code and says the text
    local text=$1 expected=$2 code=0
    shift 2
    "$@" >"$work/said" 2>&1 || code=$?
    if [ "$code" -ne "$expected" ] || ! grep -qF -- "$text" "$work/said"; then
        fail "$* ends with $code, expected $expected and '$text':"
        cat "$work/said" >&2
    fi
}

DESTDIR=$work/root cmake --install "$build" --prefix /opt/tilegraph >/dev/null
[ "$(ls "$work/root")" = opt ] || fail "files outside the prefix: $(ls "$work/root")"
mv "$work/root/opt/tilegraph" "$work/moved"
prefix=$work/moved
libdir=$(dirname "$(find "$prefix" -name libtilegraph.a)")

# ---- programs of others ----
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
    return tg_version() == TG_VERSION_NUMBER ? 0 : 2;
}
END
if command -v pkg-config >/dev/null; then
    export PKG_CONFIG_PATH=$libdir/pkgconfig
    # shellcheck disable=SC2046 # words, not one argument
    ${CC:-cc} "$work/host.c" -o "$work/shared" $(pkg-config --cflags --libs tilegraph) \
        $(pkg-config --variable=rpath tilegraph) && "$work/shared" || fail "pkg-config: the shared library"
    mkdir "$work/hidden" && mv "$libdir"/libtilegraph.so* "$work/hidden"
    # shellcheck disable=SC2046
    ${CC:-cc} "$work/host.c" -o "$work/static" $(pkg-config --static --cflags --libs tilegraph) &&
        "$work/static" || fail "pkg-config --static: the static library"
    mv "$work/hidden"/libtilegraph.so* "$libdir"
else
    echo "no pkg-config: its file is not tried"
fi

cat >"$work/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.22)
project(host LANGUAGES C)
find_package(tilegraph 0.2 REQUIRED)
foreach(kind tg tg_static)
    add_executable(${kind} host.c)
    target_link_libraries(${kind} PRIVATE tg::${kind})
endforeach()
END
cmake -S "$work" -B "$work/build" -DCMAKE_PREFIX_PATH="$prefix" >"$work/out" 2>&1 &&
    cmake --build "$work/build" >>"$work/out" 2>&1 || { cat "$work/out" >&2; fail "find_package(tilegraph)"; }
for kind in tg tg_static; do "$work/build/$kind" || fail "the program that CMake links with tg::$kind"; done
sed -i 's/tilegraph 0.2/tilegraph 0.1/' "$work/CMakeLists.txt"
if cmake -S "$work" -B "$work/old" -DCMAKE_PREFIX_PATH="$prefix" >"$work/out" 2>&1; then
    fail "find_package(tilegraph 0.1) takes another minor version"
fi

# ---- symbols ----
version=$(sed -n 's/^#define TG_VERSION "\(.*\)"/\1/p' "$prefix/include/tilegraph/tilegraph.h")
soname=$(readelf -d "$libdir/libtilegraph.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
[ "$soname" = "libtilegraph.so.${version%.*}" ] || fail "the soname is $soname"
foreign=$(nm -g --defined-only "$libdir/libtilegraph.a" 2>/dev/null |
    awk 'NF == 3 && $3 !~ /^(tg_|__|DW\.)/ { print $3 }')
[ -z "$foreign" ] || fail "symbols of the static library without the prefix: $foreign"

# ---- the command and the flagship ----
says "tilegraph $version" 0 "$prefix/bin/tilegraph" --version
says "$libdir/libtilegraph.so" 0 "$prefix/bin/tilegraph" info
for check in "" --check; do says PASS 0 "$prefix/bin/paged_attention" --case Case2 $check; done
says "TEST PASSED" 0 "$prefix/bin/tilegraph" run "$prefix/share/tilegraph/examples/aicpu_build_graph/paged_attention"
says "next: tilegraph run" 0 "$prefix/bin/tilegraph" new "$work/mine"
says "TEST PASSED" 0 "$prefix/bin/tilegraph" run "$work/mine" -p cpu
ln -s "$prefix/bin/tilegraph" "$work/link"
says "tilegraph $version" 0 "$work/link" --version
for file in man/man1/tilegraph.1 man/man1/tilegraph-run.1 bash-completion/completions/tilegraph \
    zsh/vendor-completions/_tilegraph; do
    [ -s "$prefix/share/$file" ] || fail "share/$file is not installed"
done

# ---- what is missing ----
without() { # PART TEXT EXIT_CODE COMMAND...
    local part=$1
    shift
    mv "$part" "$work/part"
    says "$@"
    mv "$work/part" "$part"
}
without "$prefix/include/tilegraph" "lacks the public headers: $prefix/include/tilegraph/tile.h is not there" 8 \
    "$prefix/bin/tilegraph" info
rm -rf "$work/cache"
without "$prefix/include/tilegraph" "lacks the public headers" 8 "$prefix/bin/tilegraph" run "$work/mine"
library=$(readlink -f "$libdir/libtilegraph.so")
without "$library" "lacks the shared library" 8 "$prefix/bin/tilegraph" info
without "$prefix/share/tilegraph/python/tilegraph" "lacks the Python package" 8 "$prefix/bin/tilegraph" info
without "$prefix/share/tilegraph/python/tilegraph/skeletons" "lacks the skeletons" 8 \
    "$prefix/bin/tilegraph" new "$work/x"
without "$libdir/tilegraph/examples/aicpu_build_graph/paged_attention/aic_qk_matmul.so" "aic_qk_matmul.so" 2 \
    "$prefix/bin/paged_attention"

[ "$n_failed" -eq 0 ] && echo "the installation is as it should be"
