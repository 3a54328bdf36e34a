#!/usr/bin/env bash
# gdb_backtrace.sh BUILD_DIR: does a debugger see through coroutines?
#
# A backtrace from a kernel has to go through the core's loop to the coroutine's entry and end there; one from the
# plugin, through the builder thread's. Exit 77: there is no debugger, or it may not trace here.
set -euo pipefail

build=$1
command -v gdb >/dev/null || { echo "skipped: no gdb"; exit 77; }
gdb -nx -batch -ex 'run' --args true 2>&1 | grep -q 'exited normally' ||
    { echo "skipped: gdb cannot trace here"; exit 77; }

# What may stand behind the entry: the trampoline, or what libc has in its place in a build with the portable switch.
outermost=' tg_coro_trampoline \('
[[ $(nm "$build/bin/paged_attention") == *" tg_coro_trampoline"* ]] || outermost=' in (__start_context|\?\?) \(\)'

# see FUNCTION FRAME...: stop in FUNCTION; these frames are on its stack in this order, and the last is the outermost.
see() {
    local function=$1 trace frame rest
    shift
    trace=$(gdb -nx -batch -ex 'set breakpoint pending on' -ex 'handle SIGURG nostop noprint nopass' \
        -ex "break $function" -ex run -ex backtrace \
        --args "$build/bin/paged_attention" --case Case1 2>&1)
    rest=$(grep '^#' <<<"$trace" || true)
    for frame in "$@"; do
        if ! grep -qF " $frame (" <<<"$rest"; then
            echo "FAILED: no frame $frame in order behind $function:" >&2
            echo "$trace" >&2
            exit 1
        fi
        rest=$(awk -v frame=" $frame (" 'found; index($0, frame) { found = 1 }' <<<"$rest")
    done
    rest=$(grep -vE "$outermost" <<<"$rest" || true)
    if [ -n "$rest" ] || grep -q 'Backtrace stopped' <<<"$trace"; then
        echo "FAILED: the backtrace of $function does not end at the coroutine's entry:" >&2
        echo "$trace" >&2
        exit 1
    fi
    # A reader of the backtrace should see the whole way: 8 frames behind the function at most.
    if [ "$(grep -c '^#' <<<"$trace")" -gt 9 ]; then
        echo "FAILED: more than 8 frames behind $function:" >&2
        echo "$trace" >&2
        exit 1
    fi
    echo "passed: $function"
}

see kernel_entry kernel_entry tg_core_main core_main enter
see orchestration orchestration tg_builder_run thread_main enter
