/*
 * record.h - a launch as data: every task with its times, every edge, the spans of the control threads.
 *
 * While the launch runs, each control thread writes a log of its own; nothing is shared. Afterwards the host merges the
 * logs into one record, sorted by task id, from which traces, summaries and reports are made.
 *
 *     builder     log: added, edges, published, labels     \
 *     scheduler   log: ran (ready ... complete), spans       > tg_record_merge > tg_record
 *     scheduler   log                                       /
 *
 * Life of a task, in ns since the launch. The times ascend. Only ready may be noted before published; the later of the
 * two counts then:
 *
 *     added --- published --- ready --- dispatched --- start --- end --- complete
 *       builder   |  waits for edges |  waits for a core |  latency |  kernel |  the scheduler sees it
 */
#ifndef TG_TRACE_RECORD_H
#define TG_TRACE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tilegraph/tile.h>
#include <tilegraph/tilegraph.h>

#include "base/kernels.h"
#include "machine/observer.h"

enum { TG_RECORD_PIPES = TG_OBSERVED_PIPES };

struct tg_record_task {
    uint64_t added_ns, published_ns; /* 0 if built on the host */
    uint64_t ready_ns;               /* nothing to wait for any more but a core */
    uint64_t dispatched_ns;
    uint64_t start_ns, end_ns;
    uint64_t complete_ns;
    int32_t task_id;
    uint16_t func_id;
    uint16_t core;
    int32_t line;
    const char *file;  /* where it was added; NULL: not known. Lives as long as the plugin is open. */
    const char *label; /* name given by the orchestration, or NULL. Owned by the record. */
    struct tg_kernel_times kernel;
};

struct tg_record_edge {
    int32_t from, to;
};

struct tg_record_span {
    uint64_t start_ns, end_ns;
    uint8_t kind; /* enum tg_span_kind */
    uint8_t thread;
};

/* An instruction on its pipe. */
struct tg_record_step {
    uint64_t start_ns, end_ns;
    uint16_t core;
    uint8_t pipe; /* enum tg_pipe */
    uint8_t op;   /* enum tg_op */
};

/* One growable array. */
struct tg_log {
    void *items;
    size_t n, capacity; /* items */
};

/* One control thread's log. Writer: that thread. */
struct tg_record_log {
    struct tg_log ran;    /* struct tg_record_task, without what the builder knows */
    struct tg_log built;  /* struct tg_record_task, only what the builder knows */
    struct tg_log edges;  /* struct tg_record_edge */
    struct tg_log labels; /* struct tg_record_label */
    struct tg_log spans;  /* struct tg_record_span */
    struct tg_log steps;  /* struct tg_record_step */
    bool lost;            /* something found no memory */
};

struct tg_line;

struct tg_record {
    struct tg_record_task *tasks; /* [n_tasks] sorted by task_id; only those that ran to their end */
    size_t n_tasks;
    struct tg_record_edge *edges; /* [n_edges] in the order in which they were added */
    size_t n_edges;
    struct tg_record_span *spans; /* [n_spans] by start */
    size_t n_spans;
    struct tg_record_step *steps; /* [n_steps] if asked for; in the order of each pipe */
    size_t n_steps;
    struct tg_line *lines; /* [n_lines] of the kernels' sources, most time first; owned. cpu has none */
    size_t n_lines;
    char *labels; /* the texts, owned */
    bool lost;    /* incomplete for want of memory */
    /* The launch. */
    uint32_t n_threads, n_cores;
    bool has_builder;                   /* thread 0 builds */
    bool has_workers;                   /* cores are workers: of either kind, and schedule themselves */
    const enum tg_core_type *core_type; /* [n_cores], borrowed */
    const struct tg_kernels *kernels;   /* borrowed */
    uint64_t device_ns;
    double core_ghz; /* clock of the cores; 0: none is known, and there are no cycles */
};

/* Append one item; remembers when there is no memory. */
void tg_record_ran(struct tg_record_log *log, const struct tg_record_task *task);
void tg_record_added(struct tg_record_log *log, int32_t task_id, uint64_t now, const char *file, int32_t line);
void tg_record_published(struct tg_record_log *log, int32_t task_id, uint64_t now);
void tg_record_edge(struct tg_record_log *log, int32_t from, int32_t to);
void tg_record_label(struct tg_record_log *log, int32_t task_id, const char *label); /* copies */
void tg_record_span(struct tg_record_log *log, enum tg_span_kind kind, uint32_t thread, uint64_t start, uint64_t end);
void tg_record_step(struct tg_record_log *log, const struct tg_record_step *step);

/* Move the steps of a log, which is empty then, into a record that has been merged. */
void tg_record_take_pipes(struct tg_record *record, struct tg_record_log *log);

/* Move all logs into one record; the logs are empty then. TG_ERR_MEMORY: the record is empty. */
enum tg_status tg_record_merge(struct tg_record *record, struct tg_record_log *logs, size_t n_logs);

void tg_record_log_fini(struct tg_record_log *log);
void tg_record_fini(struct tg_record *record);

/* The task, or NULL if it did not run to its end. */
const struct tg_record_task *tg_record_find(const struct tg_record *record, int32_t task_id);

/* The name of a core's kind: "AIC", "AIV", or "worker". */
static inline const char *tg_record_core_name(const struct tg_record *record, uint32_t core)
{
    return record->has_workers ? "worker" : tg_core_type_name(record->core_type[core]);
}

#endif
