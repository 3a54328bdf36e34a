/* retime.h - the time that a recorded run would take without one of its limits. */
#ifndef TG_TRACE_RETIME_H
#define TG_TRACE_RETIME_H

#include "trace/cause.h"

/* The limits that are taken away. */
struct tg_retime {
    bool unlimited_cores; /* no task waits for a core */
    bool free_control;    /* builder and schedulers take no time */
    bool free_memory;     /* no kernel is held up at device memory */
    const bool *dropped; /* [n_links] edges that are not waited for, by their place in the index's before; NULL: none */
};

/*
 * The time that the run would take: at most its recorded time, and equal to it if nothing is taken away.
 *
 * Each task keeps its core, its place in the core's order and its latencies. It starts after the last event that it
 * waits for. The recorded order is a result of waiting for control. Without control, ready tasks are therefore also
 * given to the next free core, first come, first served, and the shorter of both times is the answer.
 *
 * Errors    TG_ERR_MEMORY
 */
enum tg_status tg_retime(const struct tg_index *index, const struct tg_causes *causes, const struct tg_retime *without,
                         uint64_t *out_ns);

#endif
