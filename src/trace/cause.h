/*
 * cause.h - the last event that each task, and the builder, waited for.
 *
 *     a task's core            freed by another task while the task was ready, and most cores of its kind were taken
 *     a task's dependencies    the last of them, if it came after the task was published
 *     the builder's waits      for its window, or for a result: the task whose completion ended the wait
 */
#ifndef TG_TRACE_CAUSE_H
#define TG_TRACE_CAUSE_H

#include "trace/index.h"

/* The builder waited. */
struct tg_builder_wait {
    uint64_t start_ns, end_ns;
    uint32_t task; /* the last one complete by then; TG_NO_TASK: none since start_ns */
};

/* Tasks are positions; TG_NO_TASK: did not wait for one. */
struct tg_causes {
    uint32_t *core;                /* [n_tasks] the task that freed the core */
    uint32_t *dependency;          /* [n_tasks] the last dependency */
    struct tg_builder_wait *waits; /* [n_waits] by time */
    size_t n_waits;
    uint64_t builder_start_ns; /* when the orchestration was opened; 0: not known */
    bool built_first;          /* nothing was dispatched before the last task was published */
    uint64_t built_ns;         /* when this was; 0: built on the host */
};

/* Owns      its arrays until tg_causes_fini
 * Errors    TG_ERR_MEMORY: empty */
enum tg_status tg_causes_init(struct tg_causes *causes, const struct tg_index *index);
void tg_causes_fini(struct tg_causes *causes);

/* How many of the builder's waits were over by `now`. */
size_t tg_causes_waits_until(const struct tg_causes *causes, uint64_t now);

#endif
