/*
 * workers.h - a launch on threads that schedule themselves: whoever completes a task runs the next one.
 *
 *     worker 0     builds (aicpu_build_graph), and runs tasks while it has to wait, has plenty ready, or is done
 *     others       run tasks
 *
 * A worker's ready tasks are a list of its own, without a lock. What others may take lies apart, under one:
 *
 *     publish, complete ---> own list ---> shared ---> a worker that has nothing
 *                               |             |
 *                               +--> run <----+ (back, when the own list is empty)
 *
 * Whoever has more than it runs keeps `shared` filled, a few tasks at a time: so the lines that others write change hands
 * once for many tasks. A builder that publishes fast shares what is some tasks behind: the lines that it works on are its. Of the successors of a completed task the first runs next, on the worker whose caches have what
 * it reads.
 *
 * Who finds nothing is idle: it looks around for a few microseconds, then sleeps. A task is in a list of somebody who is
 * not idle, or in a `shared` that is not empty, or runs. A worker stops being idle before it takes a task, and puts what
 * it has into the graph's counts before it becomes idle; who has not begun is idle, and may never begin. So when all are idle nothing can move: the last one to become
 * idle knows it, and says what it means:
 *
 *     builder in its window           the window grows
 *     builder in wait_task            that task cannot complete: its verdict
 *     built, tasks left               the graph's verdict
 *     built, none left, or failed     the launch is over
 */
#ifndef TG_WORKER_WORKERS_H
#define TG_WORKER_WORKERS_H

#include <stdalign.h>
#include <stdatomic.h>

#include "base/error.h"
#include "graph/graph.h"
#include "launch/launch.h"
#include "machine/machine.h"
#include "orchestrate/builder.h"
#include "os/guard.h"
#include "os/module.h"
#include "trace/record.h"

enum {
    TG_SHARE_MAX = 32,        /* tasks that are put where others may take them, at a time */
    TG_BUILDER_AHEAD_MAX = 64 /* ready tasks that the builder keeps before it runs some itself */
};

/* What the builder is doing. */
enum tg_workers_phase { TG_WORKERS_BUILDING, TG_WORKERS_IN_WINDOW, TG_WORKERS_IN_WAIT, TG_WORKERS_BUILT };

struct tg_workers;

struct tg_worker {
    /* Writer: this worker. */
    alignas(64) struct tg_task *first, **last; /* the own list of ready tasks */
    uint32_t n_own;
    uint32_t index;
    struct tg_workers *all;
    struct tg_worker_core *core;
    struct tg_guard *guard; /* of the kernels that it runs */
    struct tg_task *running;
    struct tg_tally tally;
    uint64_t n_run;
    uint32_t n_args; /* of args[] that are not 0 */
    bool ran[2];     /* [enum tg_core_type] */
    uint64_t first_start_ns;
    uint64_t progress_ns; /* worker 0: when progress was told */
    struct tg_record_log log;
    int64_t args[TG_TASK_ARGS_MAX]; /* what a kernel gets: its own copy */
    /* Writers: whoever holds the lock. n_shared is read without it as a hint. */
    alignas(64) atomic_flag lock;
    _Atomic uint32_t n_shared;
    struct tg_task *shared;
    struct tg_task *shared_last;
    /* Writers: this worker sets it, whoever wakes it clears it. */
    alignas(64) _Atomic uint32_t asleep;
};

struct tg_workers {
    /* Written before the launch. */
    struct tg_control_launch config; /* borrows what the host gave */
    uint32_t n;
    int spin_rounds; /* looks at the others before a worker sleeps: a few microseconds */
    uint64_t
        slow_ticks; /* a builder that has published no ready task for this long is slow: sharing costs it nothing */
    /* Writer: worker 0, seldom. */
    _Atomic uint32_t window;
    _Atomic(enum tg_workers_phase) phase; /* TG_WORKERS_BUILT publishes the graph's counts */
    /* Writer: worker 0; nobody else looks. */
    alignas(64) uint64_t ready_ticks; /* when it last published a task that was ready */
    uint64_t last_publish_ns;
    uint64_t since_ns;       /* start of what it does now, for its log */
    struct tg_module plugin; /* closed by the host */
    struct tg_record_log builder_log;
    /* Writers: all, when they become idle or stop being it. */
    alignas(64) _Atomic uint32_t n_idle;
    _Atomic uint32_t n_asleep;
    _Atomic bool over;         /* the launch is */
    struct tg_worker worker[]; /* [n] */
};

/* ---- between workers.c, work.c and build_worker.c ---- */

/* Why tg_worker_work returned. */
enum tg_work_end { TG_WORK_OVER, TG_WORK_ENOUGH, TG_WORK_STALLED };

/* Whether a worker that helps out has done enough. */
typedef bool tg_work_enough_fn(struct tg_worker *worker, void *context);

/* Run tasks until the launch is over; worker 0 with `enough`: or until that says so, or nothing moves. With may_sleep
 * false: or until the own list is empty. */
enum tg_work_end tg_worker_work(struct tg_worker *worker, tg_work_enough_fn *enough, void *context, bool may_sleep);

/* Add a list of ready tasks, by next_ready, to the own list. */
void tg_worker_push(struct tg_worker *worker, struct tg_task *list);

/* Let others have some of what this worker has, if they have taken all that was there. */
void tg_worker_share(struct tg_worker *worker);

/* The kernel that this worker runs has ended as `guard` tells: that is the failure. */
void tg_worker_report(struct tg_worker *worker, const struct tg_guard *guard);

/* The run has failed and this worker's thread is gone: it is idle for the rest of the launch. By another thread. */
void tg_worker_retire(struct tg_worker *worker);

/* Worker 0 of aicpu_build_graph: open the plugin and let it build. */
void tg_workers_build(struct tg_workers *workers);

static inline bool tg_workers_failed(struct tg_workers *workers)
{
    return tg_failure_status(workers->config.failure) != TG_OK;
}

static inline uint64_t tg_workers_now(struct tg_workers *workers)
{
    return workers->config.machine->ops->now(workers->config.machine);
}

#endif
