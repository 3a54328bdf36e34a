/*
 * edges.h - edges that no conflict needs. All of them can go at once: the other edges still order every conflict.
 *
 *     needed      its two tasks conflict, or it is on the only path between two tasks that conflict
 *     spare       a longer path of needed edges connects its tasks (REDUNDANT), or no conflict needs a path along it
 *                 (NO_CONFLICT)
 *
 * The result holds for the conflicts of this run. An edge may also have a purpose other than memory accesses.
 */
#ifndef TG_CHECK_MEMORY_EDGES_H
#define TG_CHECK_MEMORY_EDGES_H

#include <tilegraph/tilegraph.h>

#include "check/memory/paths.h"

/* Two actors that conflicted and were ordered. earlier: a task, or ~n for the builder's interval n; then the later task
 * was published after it. later: a task, or ~n for the builder after its wait n. */
struct tg_conflict {
    int32_t earlier, later;
};

enum tg_spare_reason { TG_SPARE_REDUNDANT, TG_SPARE_NO_CONFLICT };

struct tg_spare_edge {
    int32_t from, to;
    uint8_t reason; /* enum tg_spare_reason */
};

/*
 * The spare edges among those of `paths`, in the order of adding.
 *
 * Owns      the caller frees *out; NULL if there are no such edges
 * Errors    TG_ERR_MEMORY    for the work
 *           TG_ERR_ARGUMENT  the search takes too long: the paths between the tasks are too long and too many
 */
enum tg_status tg_edges_spare(const struct tg_paths *paths, const struct tg_conflict *pairs, size_t n_pairs,
                              struct tg_spare_edge **out, size_t *n_out);

#endif
