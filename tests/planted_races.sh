#!/usr/bin/env bash
# planted_races.sh: does the thread sanitizer find races in this program at all?
#
# The virtual device runs all its threads on one thread of the operating system; a sanitizer that takes their turns for
# an order finds nothing. Here orders of the protocol are weakened in a copy of the sources, one plant after the other,
# and the main job must then be reported as a data race. Without a plant it must be clean. About a minute.
#
# Orders that are not planted:
#   ready of the handshake           nobody reads what a core says hello with
#   loads of successors in the       the builder of this job never waits for a task to read what it computed, and the
#     builder, failing pushes        verdict looks when everything stands still
#   pending, n_left, n_complete,     builder and completers meet at the lock of the ready queue, which orders them, too;
#     retired_pages                  test_graph_orders weakens each of them
#   status of a failure              error.c is not looked at: whoever fails writes there, on any stack
set -euo pipefail

source=$(cd "$(dirname "$0")/.." && pwd)
jobs=${JOBS:-$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)}
work=$(mktemp -d "${TMPDIR:-/tmp}/planted_races.XXXXXX")
trap 'rm -rf "$work"' EXIT
export TSAN_OPTIONS=halt_on_error=1:exitcode=66
# The sanitizer of some compilers cannot place its memory when the system randomizes addresses widely.
fixed=()
if setarch -R true 2>/dev/null; then fixed=(setarch -R); fi
n_passed=0 n_failed=0

passed() { n_passed=$((n_passed + 1)); echo "  passed: $1"; }
failed() { n_failed=$((n_failed + 1)); echo "  FAILED: $1"; }

build() {
    cmake --build "$work/build" --target paged_attention -j "$jobs" >"$work/log" 2>&1 && return
    tail -n 30 "$work/log" >&2
    exit 2
}

# Few tasks behind each other; and more than a window holds, so that pages of the graph are used again.
main_job() {
    "${fixed[@]}" "$work/build/bin/paged_attention" --case Case2 &&
        "${fixed[@]}" "$work/build/bin/paged_attention" --batch 16 --heads 8 --kv-heads 2 --head-dim 16 \
            --block-size 16 --context 96 --window 20 --block-dim 4 --schedule-seed 3
} >"$work/log" 2>&1

# In src/FILE let the one TEXT, which ends in the name of a memory order, end in the relaxed one.
plant() {
    local file=$work/tree/src/$1 text=$2 content
    content=$(<"$file")
    if [[ $content != *"$text"* || ${content#*"$text"} == *"$text"* ]]; then
        echo "'$text' is not in src/$1, or more than once" >"$work/log"
        return 1
    fi
    [ -f "$file.kept" ] || cp -p "$file" "$file.kept"
    printf '%s\n' "${content/"$text"/"${text%memory_order_*}memory_order_relaxed"}" >"$file"
}

restore() {
    local kept
    find "$work/tree/src" -name '*.kept' | while read -r kept; do
        mv "$kept" "${kept%.kept}"
        touch "${kept%.kept}"
    done
}

# weaken TITLE (FILE TEXT)...: build with these plants and look for the report.
weaken() {
    local title=$1 planted=true
    shift
    while [ $# -gt 0 ] && $planted; do
        plant "$1" "$2" || planted=false
        shift 2
    done
    if $planted; then build; fi
    if $planted && main_job; then
        failed "$title: no race is reported"
    elif $planted && grep -q 'WARNING: ThreadSanitizer: data race' "$work/log"; then
        passed "$title: seen in $(grep -m 1 'SUMMARY: ' "$work/log" | sed 's/.* in //')"
    else
        failed "$title: $(tail -n 5 "$work/log")"
    fi
    restore
}

mkdir "$work/tree"
cp -R "$source"/{CMakeLists.txt,cmake,include,src,examples} "$work/tree"
cmake -S "$work/tree" -B "$work/build" -DCMAKE_BUILD_TYPE=Debug -DTG_SANITIZE=thread >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 2; }
cmake --build "$work/build" -j "$jobs" >"$work/log" 2>&1 || { tail -n 30 "$work/log" >&2; exit 2; }

echo "planted races: a clean run, then one for each plant"
if main_job; then passed "without a plant"
else
    failed "without a plant"
    tail -n 40 "$work/log" >&2
fi
weaken "ready queue, lock" aicpu/ready.c 'test_and_set_explicit(&ready->lock, memory_order_acquire'
weaken "ready queue, unlock" aicpu/ready.c 'clear_explicit(&ready->lock, memory_order_release'
weaken "payload, scheduler" aicpu/scheduler.c 'payload_token, s->seq[core], memory_order_release'
weaken "payload, core" aicore/core.c 'payload_token, memory_order_acquire'
weaken "result, core" aicore/core.c 'result_token, seq, memory_order_release'
weaken "result, scheduler" aicpu/scheduler.c 'result_token, memory_order_acquire'
weaken "phase, builder" aicpu/build.c 'phase, phase, memory_order_release'
weaken "phase, scheduler" aicpu/control.h 'phase, memory_order_acquire'
weaken "edge, builder" graph/graph.c '&head, edge, memory_order_release'
weaken "edge, completer" graph/graph.c 'successors, &closed, memory_order_acq_rel'

echo "$n_passed passed, $n_failed failed"
[ "$n_failed" -eq 0 ]
