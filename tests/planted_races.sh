#!/usr/bin/env bash
# planted_races.sh [SOURCE_DIR [BUILD_DIR]]: does the thread sanitizer find races in this program at all?
#
# The virtual device runs all its threads on one thread of the operating system, so a sanitizer that was told too much
# would find nothing. Here an order of the protocol is weakened in a copy of the sources, one after the other, and the
# main job must then be reported as a data race; without a plant it must be clean. The tree itself is not touched.
# BUILD_DIR is kept for the next time; without one it is temporary.
set -euo pipefail

source=$(cd "${1:-$(dirname "$0")/..}" && pwd)
keep=${2:-}
work=$keep
[ -n "$work" ] || work=$(mktemp -d "${TMPDIR:-/tmp}/planted_races.XXXXXX")
[ -n "$keep" ] || trap 'rm -rf "$work"' EXIT
mkdir -p "$work"

# file | what it says | what is planted
#
# Not here, because another order covers it wherever the job comes by:
#   core.c, ready (release) and scheduler.c, ready (acquire): nobody reads what the core says hello with.
#   graph.c, tg_graph_edge's and push()'s loads (acquire): the builder reads no output of a complete task unless it waited.
#   graph.c, tg_graph_complete's n_complete: the phase of the builder and the exchange of successors come after it.
#   error.c, status: the sanitizer does not look at that file, because a failing run formats there on any stack.
plants='
src/aicpu/ready.c|test_and_set_explicit(&ready->lock, memory_order_acquire)|test_and_set_explicit(\&ready->lock, memory_order_relaxed)
src/aicpu/ready.c|clear_explicit(&ready->lock, memory_order_release)|clear_explicit(\&ready->lock, memory_order_relaxed)
src/aicpu/scheduler.c|payload_token, s->seq[core], memory_order_release|payload_token, s->seq[core], memory_order_relaxed
src/aicpu/scheduler.c|result_token, memory_order_acquire|result_token, memory_order_relaxed
src/aicpu/build.c|phase, phase, memory_order_release|phase, phase, memory_order_relaxed
src/aicpu/control.h|phase, memory_order_acquire|phase, memory_order_relaxed
src/aicore/core.c|payload_token, memory_order_acquire|payload_token, memory_order_relaxed
src/aicore/core.c|result_token, seq, memory_order_release|result_token, seq, memory_order_relaxed
src/graph/graph.c|&task->pending, 1, memory_order_acq_rel|\&task->pending, 1, memory_order_relaxed
src/graph/graph.c|&head, edge, memory_order_release|\&head, edge, memory_order_relaxed
src/graph/graph.c|successors, &closed, memory_order_acq_rel|successors, \&closed, memory_order_relaxed
src/graph/graph.c|&page->n_left, 1, memory_order_acq_rel|\&page->n_left, 1, memory_order_relaxed
src/graph/graph.c|&head, page, memory_order_release|\&head, page, memory_order_relaxed
src/graph/graph.c|retired_pages, NULL, memory_order_acquire|retired_pages, NULL, memory_order_relaxed
src/graph/graph.c|n_complete, 1, memory_order_acq_rel|n_complete, 1, memory_order_relaxed
src/graph/graph.h|n_complete, memory_order_acquire|n_complete, memory_order_relaxed
'
