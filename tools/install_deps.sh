#!/bin/sh
# install_deps.sh GROUP...: see that what the groups need is there.
#
#   build     compile the library and the examples
#   run       Python with numpy, for run_example.py and tilegraph run; where it cannot be installed, only a message
#   test      the tests: cmocka, hwloc, numpy, pytest, gdb
#   full      sanitizers, clang, valgrind
#   aarch64   cross-compiler, emulator and cmocka for aarch64
#   lint      clang-format, clang-tidy
#   coverage  gcovr
#   package   Debian packages and wheels: dpkg-dev, debhelper, venv
#   reference Doxygen
#   peers     other runtimes, for the benchmarks beside them: libomp, oneTBB, StarPU; ONNX Runtime, which is a Python
#             package, into build/peers-python
#
# Does nothing when nothing lacks. As root on Debian or Ubuntu it installs what lacks; elsewhere it prints the command
# to run and exits with 2.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
packages=
is_optional= # not an error if they cannot be installed: what was asked for works without
python_packages=
foreign= # an architecture whose packages are needed beside the own ones
peers_python=$root/build/peers-python/bin/python

lacks() { packages="$packages $*"; }
has() { command -v "$1" >/dev/null 2>&1; }
includes() { echo "#include <$2>" | "$1" -E - >/dev/null 2>&1; } # COMPILER HEADER
links() { echo 'int main(void) { return 0; }' | "$@" -x c -o /dev/null - >/dev/null 2>&1; } # COMPILER FLAG...

need_build() {
    { has cc || has gcc || has clang; } && links "${CC:-cc}" || lacks gcc libc6-dev
    has cmake || lacks cmake
    has make || lacks make
}

need_run() {
    "$root/tools/find_python.sh" numpy >/dev/null 2>&1 || lacks python3 python3-numpy
    is_optional=yes
}

need_test() {
    includes "${CC:-cc}" cmocka.h || lacks libcmocka-dev
    includes "${CC:-cc}" hwloc.h || lacks libhwloc-dev
    "$root/tools/find_python.sh" numpy pytest >/dev/null 2>&1 || lacks python3 python3-numpy python3-pytest
    has c++ || lacks g++
    has gdb || lacks gdb
}

need_browser() {
    has chromium || lacks chromium
    has chromedriver || lacks chromium-driver
    /usr/bin/python3 -c 'import selenium' 2>/dev/null || lacks python3-selenium
}

need_full() {
    need_browser
    has zsh || lacks zsh
    has valgrind || lacks valgrind
    has clang || lacks clang
    # The sanitizer runtimes of clang are a package of their own, named after clang's version.
    if has clang && ! links clang -fsanitize=address; then
        lacks "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
    elif ! has clang; then
        lacks libclang-rt-dev
    fi
}

need_aarch64() {
    has aarch64-linux-gnu-gcc || lacks gcc-aarch64-linux-gnu libc6-dev-arm64-cross
    has qemu-aarch64 || lacks qemu-user
    if ! links aarch64-linux-gnu-gcc -lcmocka || ! includes aarch64-linux-gnu-gcc cmocka.h; then
        foreign=arm64
        lacks libcmocka-dev:arm64
    fi
}

need_lint() {
    has clang-format || lacks clang-format
    has clang-tidy || lacks clang-tidy
}

need_peers() {
    has clang || lacks clang
    links clang -fopenmp || lacks libomp-dev
    has c++ || lacks g++
    has pkg-config || lacks pkg-config
    echo '#include <oneapi/tbb/flow_graph.h>' | c++ -x c++ -E - >/dev/null 2>&1 || lacks libtbb-dev
    pkg-config --exists starpu-1.3 2>/dev/null || lacks libstarpu-dev
    python3 -c 'import ensurepip, venv' 2>/dev/null || lacks python3 python3-venv
    "$peers_python" -c 'import numpy, onnx, onnxruntime' 2>/dev/null || python_packages="numpy onnx onnxruntime"
}

need_reference() { has doxygen || lacks doxygen; }

need_package() {
    has dpkg-buildpackage || lacks dpkg-dev
    has dh || lacks debhelper
    has dh_python3 || lacks dh-python
    python3 -c 'import ensurepip, venv' 2>/dev/null || lacks python3 python3-venv
}

need_coverage() { has gcovr || lacks gcovr; }

for group in "$@"; do
    case $group in
        build | run | test | browser | full | aarch64 | lint | coverage | package | reference | peers)
            "need_$group"
            ;;
        *)
            echo "install_deps: unknown group '$group': choose build, run, test, browser, full, aarch64, lint," \
                "coverage, package, reference or peers" >&2
            exit 2
            ;;
    esac
done
install_packages() {
    command="apt-get update && apt-get install -y$packages"
    [ -z "$foreign" ] || command="dpkg --add-architecture $foreign && $command"

    if [ -n "$is_optional" ] && { ! has apt-get || [ "$(id -u)" -ne 0 ]; }; then
        echo "install_deps: the Python commands need$packages, which are not installed" >&2
        return
    elif ! has apt-get; then
        echo "install_deps: lacking; install what your system calls these Debian packages:$packages" >&2
        exit 2
    elif [ "$(id -u)" -ne 0 ]; then
        echo "install_deps: lacking:$packages. Run: sudo sh -c '$command'" >&2
        exit 2
    fi

    echo "install_deps: installing$packages"
    export DEBIAN_FRONTEND=noninteractive
    [ -z "$foreign" ] || dpkg --add-architecture "$foreign"
    if ! { apt-get -q update && apt-get -q install -y --no-install-recommends $packages; } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        echo "install_deps: could not install$packages" >&2
        [ -n "$is_optional" ] || exit 2
    fi
}

# No failure: there are systems that these packages are not made for, and the benchmark names what it leaves out.
install_python_packages() {
    echo "install_deps: installing $python_packages into ${peers_python%/bin/python}"
    if ! { python3 -m venv "${peers_python%/bin/python}" && "$peers_python" -m pip install -q $python_packages; } \
        >"$log" 2>&1; then
        tail -n 3 "$log" >&2
        echo "install_deps: could not install $python_packages: the benchmark leaves them out" >&2
    fi
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
[ -z "$packages" ] || install_packages
[ -z "$python_packages" ] || install_python_packages
