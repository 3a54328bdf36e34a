/* trace.h - what ran where and when, and how it is written down. */
#ifndef TG_TRACE_TRACE_H
#define TG_TRACE_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

#include "base/kernels.h"

struct tg_trace_task {
    uint64_t start_ns, end_ns;
    int32_t task_id;
    uint32_t core;
    uint32_t func_id;
};

struct tg_trace {
    struct tg_trace_task *tasks;
    size_t n, capacity;
    uint64_t n_lost; /* no memory for them */
};

/* Append; what finds no memory is counted as lost. One thread at a time. */
void tg_trace_add(struct tg_trace *trace, const struct tg_trace_task *task);

/* Append all of `from`, which is empty then, and sort by start, core and task: equal runs give equal traces. */
void tg_trace_take(struct tg_trace *trace, struct tg_trace *from);

void tg_trace_fini(struct tg_trace *trace);

/*
 * Write Chrome trace JSON: one thread a core, one slice a task, times in us. Complete or not there. TG_ERR_FILE;
 * TG_ERR_MEMORY: some tasks were lost.
 */
enum tg_status tg_trace_write_chrome(const struct tg_trace *trace, const struct tg_kernels *kernels,
                                     const enum tg_core_type *core_type, uint32_t n_cores, const char *path);

#endif
