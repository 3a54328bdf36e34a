/*
 * control.h - the device's control program: the AICPU threads during one launch.
 *
 *     thread 0   builder     opens the plugin from its bytes, calls its entry, then ends     (aicpu_build_graph)
 *     others     schedulers  each owns some cores: it dispatches ready tasks to them and completes finished ones
 *
 * With host_build_graph the graph exists already, and every thread schedules.
 *
 *     plugin --> builder --> graph --> ready[AIC], ready[AIV] --> scheduler --> core
 *                              ^                                      |
 *                              +------------- complete ---------------+
 *
 * The run ends when the builder is done and every task is complete, or with the first failure. After a failure the
 * threads dispatch nothing more, wait for the running tasks, and send the cores their exit token.
 */
#ifndef TG_AICPU_CONTROL_H
#define TG_AICPU_CONTROL_H

#include <stdalign.h>
#include <stdatomic.h>

#include "aicpu/ready.h"
#include "base/error.h"
#include "graph/graph.h"
#include "launch/launch.h"
#include "machine/machine.h"
#include "orchestrate/builder.h"
#include "os/module.h"

/* The state of the builder. Schedulers and the verdict read it. */
enum tg_builder_phase { TG_BUILDING, TG_BUILDER_IN_WINDOW, TG_BUILDER_IN_WAIT, TG_BUILT };

/* One scheduler's part. Writer: that thread. */
struct tg_scheduler {
    alignas(64) struct tg_task *running[TG_CORES_MAX]; /* by core; NULL: idle */
    uint32_t seq[TG_CORES_MAX];                        /* last token sent */
    uint32_t core[TG_CORES_MAX];                       /* own cores */
    uint32_t idle[2][TG_CORES_MAX];                    /* by core type: cores without a task, a stack */
    uint32_t n_idle[2];
    uint32_t n_own, n_running;
    uint64_t random; /* state; used if the seed is not 0 */
    uint64_t first_start_ns, n_instructions;
    bool core_used[TG_CORES_MAX];
};

struct tg_control {
    struct tg_control_launch config;      /* borrowed */
    struct tg_launch_place *place;        /* of config */
    struct tg_ready ready[2];             /* by core type */
    _Atomic(enum tg_builder_phase) phase; /* writer: the builder. TG_BUILT publishes the graph's counts. */
    _Atomic uint32_t window;              /* writer: the builder */
    uint64_t last_publish_ns;             /* writer: the builder */
    uint64_t since_ns;                    /* writer: the builder: start of its current activity, for its log */
    struct tg_scheduler scheduler[TG_AICPU_THREADS_MAX];
};

/* ---- between control.c, build.c and scheduler.c ---- */

void tg_control_build(struct tg_control *control);
void tg_control_schedule(struct tg_control *control, uint32_t thread);

/* The kernel on this core has ended in the way that `how` says, and its thread is gone; this becomes the run's failure.
 */
void tg_control_report_core(struct tg_control *control, uint32_t core, const struct tg_guard *how);

/* Move a list of ready tasks to the queues, and wake the threads that may have a core for them. `self`: the calling
 * thread. */
void tg_control_offer(struct tg_control *control, struct tg_task *list, uint32_t self);

/* Tell every other thread that something changed. */
void tg_control_wake_all(struct tg_control *control, uint32_t self);

static inline bool tg_control_has_builder(const struct tg_control *control)
{
    return tg_launch_has_plugin(control->config.data);
}

static inline enum tg_builder_phase tg_control_phase(struct tg_control *control)
{
    /* Acquire, pairs with the builder's release: its counts are visible. */
    return atomic_load_explicit(&control->phase, memory_order_acquire);
}

static inline bool tg_control_failed(struct tg_control *control)
{
    return tg_failure_status(control->place->failure) != TG_OK;
}

#endif
