/*
 * analysis.h - the critical path of a recorded run and the use of cores, threads and pipes.
 *
 * The path is followed backwards from the end of the run. Each step goes to the event that was waited for last:
 *
 *     builder --> ready --> dispatched --> kernel --> complete --> ready --> ... --> end of the run
 *      builder      scheduler    scheduler    kernel,     dependency
 *                                             memory
 *
 *     task t started late because of              the path goes on at
 *       the task before it on its core            the end of that task's kernel
 *       a dependency                              the end of its kernel
 *       the builder, which published it late      the builder; where it waited for its window, the task that let it go
 *
 * The start of the run is the time before the builder, or before the first task of a graph built on the host.
 */
#ifndef TG_TRACE_ANALYSIS_H
#define TG_TRACE_ANALYSIS_H

#include "trace/index.h"

enum { TG_LONGEST_MAX = 5 };

/* A part of the path. */
struct tg_path_part {
    uint64_t start_ns, end_ns;
    uint32_t task;  /* position of the task that ran or waited; TG_NO_TASK: none */
    uint32_t bound; /* enum tg_bound */
};

/* One kernel over all of its tasks. */
struct tg_kernel_use {
    uint64_t n_tasks;
    uint64_t total_ns, longest_ns, memory_ns;
    uint64_t path_ns; /* its share of the path, memory included */
};

/* A core's or a control thread's time; the parts add up to the time of the run. */
struct tg_core_use {
    uint64_t kernel_ns, memory_ns; /* at work; held up at device memory */
    uint64_t control_ns;           /* has a task and does not run it: being dispatched to, or not yet seen to be done */
    uint64_t idle_ns;
};
struct tg_thread_use {
    uint64_t span_ns[TG_SPAN_KINDS];
};

struct tg_findings {
    struct tg_analysis figures;
    struct tg_path_part *path; /* [n_path_parts] by time, without gaps */
    size_t n_path_parts;
    uint64_t at_work_ns;                  /* from the builder's start to the end of the last kernel */
    uint64_t lull_ns;                     /* of it: no task was ready or at work */
    struct tg_kernel_use *kernels;        /* [record->kernels->n] by func_id */
    struct tg_core_use *cores;            /* [record->n_cores] */
    struct tg_thread_use *threads;        /* [record->n_threads] */
    uint64_t pipe_ns[2][TG_RECORD_PIPES]; /* [enum tg_core_type][enum tg_pipe] */
    uint32_t longest[TG_LONGEST_MAX];     /* [n_longest] positions of the tasks with the longest kernels */
    uint32_t n_longest;
};

/* Owns      the arrays of *out until tg_findings_fini
 * Errors    TG_ERR_MEMORY: *out is empty */
enum tg_status tg_analyse(const struct tg_index *index, struct tg_findings *out);
void tg_findings_fini(struct tg_findings *findings);

/* The time that counts for a bound: start and end of the run are not the scheduler's. */
uint64_t tg_bound_part(const struct tg_analysis *figures, uint32_t bound);

#endif
