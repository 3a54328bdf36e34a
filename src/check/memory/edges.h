/*
 * edges.h - edges that no conflict needs: without all of them together, whatever was ordered still is.
 *
 *     needed      a conflict of its two tasks, or on the way between two tasks that conflict, where there was no other
 *     spare       a longer way of needed edges leads along it (REDUNDANT), or it leads nowhere that a conflict needs
 *                 (NO_CONFLICT)
 *
 * What is found holds for the conflicts of this run. An edge may also stand for something that is no access to memory.
 */
#ifndef TG_CHECK_MEMORY_EDGES_H
#define TG_CHECK_MEMORY_EDGES_H

#include <tilegraph/tilegraph.h>

#include "check/memory/paths.h"

/* Two who conflicted and were ordered. earlier: a task, or ~n for the builder's stretch n, then only if the later task
 * was published before that. later: a task, or ~n for the builder after its wait n. */
struct tg_conflict {
    int32_t earlier, later;
};

enum tg_spare_reason { TG_SPARE_REDUNDANT, TG_SPARE_NO_CONFLICT };

struct tg_spare_edge {
    int32_t from, to;
    uint8_t reason; /* enum tg_spare_reason */
};

/*
 * The spare edges among those of `paths`, in the order in which they were added.
 *
 * Owns      *out is the caller's, to be freed; NULL if there is none
 * Errors    TG_ERR_MEMORY    for the work
 *           TG_ERR_ARGUMENT  the graph is one in which this takes too long: ways between its tasks are long and many
 */
enum tg_status tg_edges_spare(const struct tg_paths *paths, const struct tg_conflict *pairs, size_t n_pairs,
                              struct tg_spare_edge **out, size_t *n_out);

#endif
