/*
 * workers.h - a launch on threads that schedule themselves: the worker that completes a task runs its successor.
 *
 *     worker 0     builds (aicpu_build_graph), and runs tasks while it has to wait, has plenty ready, or is done
 *     others       run tasks
 *
 * Each worker has an own list of ready tasks, without a lock. Another list, under a lock, holds the tasks that others
 * may take (work stealing):
 *
 *     publish, complete ---> own list ---> shared ---> a worker without tasks
 *                               |             |
 *                               +--> run <----+ (back, when the own list is empty)
 *
 * A worker with more than one task keeps its `shared` filled, a few tasks at a time. So the cache lines that others
 * write move once for many tasks. A fast builder shares older tasks and keeps the lines of the newest ones to itself.
 * Of the successors of a completed task the first runs next, on the worker that has their inputs in its caches.
 *
 * A worker that finds no task is idle: it searches for a few microseconds. Then worker 0 sleeps, and another worker
 * leaves the launch until a worker with tasks to share calls it. A launch ends without waiting for workers that are not
 * there. At the start only worker 0 is there.
 *
 * Each ready task is in a list of a worker that is not idle, in a nonempty `shared`, or running. A worker stops being
 * idle before it takes a task. Before it becomes idle, it counts its completions in the graph. A worker that is not
 * there counts as idle, and may never come. So when all are idle no task can move. The last one to become idle sees
 * that, and decides by the phase:
 *
 *     builder in its window           the window grows
 *     builder in wait_task            that task cannot complete: its verdict
 *     built, tasks left               the graph's verdict
 *     built, no tasks left; failed    the launch is over
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

enum {
    TG_SHARE_MAX = 32,        /* tasks that a worker shares at a time */
    TG_BUILDER_AHEAD_MAX = 64 /* ready tasks that the builder keeps before it runs some itself */
};

/* The builder's activity. */
enum tg_workers_phase { TG_WORKERS_BUILDING, TG_WORKERS_IN_WINDOW, TG_WORKERS_IN_WAIT, TG_WORKERS_BUILT };

struct tg_workers;

struct tg_worker {
    /* Writer: this worker. */
    alignas(64) struct tg_task *first, **last; /* the own list of ready tasks */
    uint32_t n_own;
    uint32_t index;
    struct tg_workers *all;
    struct tg_worker_core *core;
    struct tg_guard *guard; /* for the kernels of this worker */
    struct tg_task *running;
    struct tg_uncounted uncounted;
    uint64_t n_run;
    bool unheard;    /* it has shared tasks without calling a worker that could take them */
    uint32_t n_args; /* entries of args[] that may be nonzero */
    bool ran[2];     /* [enum tg_core_type] */
    uint64_t first_start_ns;
    uint64_t progress_ns; /* worker 0: time of the last progress call */
    int64_t *args; /* [TG_TASK_ARGS_MAX] the kernel's arguments: its own copy. In the foreign part of the stack, or */
    int64_t own_args[TG_TASK_ARGS_MAX];
    /* Writers: the owner of the lock. n_shared is read without it, as a hint. */
    alignas(64) atomic_flag lock;
    _Atomic uint32_t n_shared;
    struct tg_task *shared;
    struct tg_task *shared_last;
    /* 1: asleep, or (not worker 0) not there. Writers: this worker; and the thread that wakes or calls it clears it. */
    alignas(64) _Atomic uint32_t asleep;
};

struct tg_workers {
    /* Written before the launch. */
    struct tg_control_launch config; /* borrowed */
    struct tg_launch_place *place;   /* of config */
    struct tg_task *ready;           /* a graph that exists: its tasks that can run at the launch */
    bool progress;                   /* worker 0 tells the place how the launch goes on */
    uint32_t n;
    bool timed;          /* an observer wants the times of tasks */
    int spin_rounds;     /* searches of the other workers before a worker sleeps: a few microseconds */
    uint64_t wake_ticks; /* from here on a launch is long enough for waking a sleeping thread */
    uint64_t slow_ticks; /* a builder that has published no ready task for this long is slow: it can share at no cost */
    /* Writer: worker 0, seldom. */
    _Atomic uint32_t window;
    _Atomic(enum tg_workers_phase) phase; /* TG_WORKERS_BUILT publishes the graph's counts */
    /* Writer and reader: worker 0. */
    alignas(64) uint64_t ready_ticks; /* when it last published a ready task */
    uint64_t last_publish_ns;
    uint64_t since_ns; /* start of its current activity, for its log */
    /* Writers: all, when they become idle or stop being idle. */
    alignas(64) _Atomic uint32_t n_idle;
    _Atomic uint32_t n_asleep; /* or not there */
    _Atomic bool over;         /* the launch is over */
    struct tg_worker worker[]; /* [n] */
};

/* ---- between workers.c, work.c and build_worker.c ---- */

/* Why tg_worker_work returned. */
enum tg_work_end { TG_WORK_OVER, TG_WORK_LEFT, TG_WORK_ENOUGH, TG_WORK_STALLED };

/* Has a helping worker done enough? */
typedef bool tg_work_enough_fn(struct tg_worker *worker, void *context);

/* Run tasks until the launch is over. A worker other than worker 0 also stops when it leaves. Worker 0 with `enough`
 * also stops when that returns true, or when no task can move. With may_sleep false it also stops when its own list is
 * empty. */
enum tg_work_end tg_worker_work(struct tg_worker *worker, tg_work_enough_fn *enough, void *context, bool may_sleep);

/* Add a list of ready tasks, by next_ready, to the own list. */
void tg_worker_push(struct tg_worker *worker, struct tg_task *list);

/* Share some of this worker's tasks, if others have taken all the shared ones. */
void tg_worker_share(struct tg_worker *worker);

/* The kernel of this worker has ended in the way that `guard` says; this becomes the run's failure. */
void tg_worker_report(struct tg_worker *worker, const struct tg_guard *guard);

/* The run has failed and this worker's thread is gone: it counts as idle for the rest of the launch. Called by another
 * thread. */
void tg_worker_retire(struct tg_worker *worker);

/* Worker 0 of aicpu_build_graph: open the plugin and let it build. */
void tg_workers_build(struct tg_workers *workers);

static inline bool tg_workers_failed(struct tg_workers *workers)
{
    return tg_failure_status(workers->place->failure) != TG_OK;
}

static inline uint64_t tg_workers_now(struct tg_workers *workers)
{
    return workers->place->machine->ops->now(workers->place->machine);
}

#endif
