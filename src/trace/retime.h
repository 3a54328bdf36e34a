/* retime.h - a recorded run, timed again with something taken away. */
#ifndef TG_TRACE_RETIME_H
#define TG_TRACE_RETIME_H

#include "trace/cause.h"

/* What a run is timed without. */
struct tg_retime {
    bool unlimited_cores; /* no task waits for a core */
    bool free_control;    /* builder and schedulers take no time */
    bool free_memory;     /* no kernel is held up at device memory */
    const bool *dropped; /* [n_links] edges that are not waited for, by their place in the index's before; NULL: none */
};

/*
 * The time that the run would take, never more than it took; with nothing taken away, what it took.
 *
 * Each task keeps its core, its place in the core's order and its latencies, and starts when the last thing that it
 * waits for is there. Without control the order says little, as it came from waiting for control; then ready tasks are
 * also given to the next free core, first come, first served, and the shorter of both times is the answer.
 *
 * Errors    TG_ERR_MEMORY
 */
enum tg_status tg_retime(const struct tg_index *index, const struct tg_causes *causes, const struct tg_retime *without,
                         uint64_t *out_ns);

#endif
