/*
 * launch.h - the shared data of host, AICPU and cores for one launch: arguments, report, and the handshake.
 *
 * One of two programs carries out a launch. On a machine with registers it is the control program (src/aicpu) with
 * cores (src/aicore). On a machine whose threads run kernels themselves it is the workers (src/worker).
 *
 * One core's life. Registers: DISPATCH (AICPU writes, core reads) and COND (core writes, AICPU reads). Tokens count up
 * per core, so that each token differs from the last one.
 *
 *     AICPU thread that owns the core                        core
 *                                                            hello = {block, type}
 *                                                            ready = 1            (release)
 *     ready == 1  (acquire), check hello  <------------
 *     DISPATCH = IDLE  -------------------------------->     COND = IDLE
 *     COND == IDLE
 *
 *     payload = task                                         (waits for DISPATCH to change)
 *     payload_token = seq  (release)
 *     DISPATCH = seq  --------------------------------->     payload_token == seq (acquire), read payload
 *                                                            run the kernel
 *                                                            result = how it ended
 *                                                            result_token = seq   (release)
 *     COND == FIN | seq  <------------------------------     COND = FIN | seq
 *     result_token == seq  (acquire), read result
 *
 *     DISPATCH = EXIT  -------------------------------->     returns
 *
 * Facts behind it: device notes on DATA_MAIN_BASE and COND of A2/A3; token values are this project's own.
 */
#ifndef TG_LAUNCH_LAUNCH_H
#define TG_LAUNCH_LAUNCH_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/kernels.h"
#include "machine/machine.h"

enum {
    TG_TOKEN_NONE = 0,
    TG_TOKEN_IDLE = 0x7FFFFFFD,
    TG_TOKEN_EXIT = 0x7FFFFFF0,
    TG_TOKEN_SEQ_MAX = 0x7FFFFF00 /* sequence numbers are 1 to this, then 1 again */
};
#define TG_COND_FIN 0x80000000u

/* The next task of a core. Writer: the AICPU thread that owns the core, while the core is idle. */
struct tg_payload {
    uint64_t args; /* device address of its arguments, uint64_t[n_args] */
    uint32_t n_args;
    uint32_t func_id; /* of its kernel */
    int32_t task_id;
    uint32_t reserved;
};
_Static_assert(sizeof(struct tg_payload) == 24, "the same for every compiler");

struct tg_handshake {
    /* Writer: the core. */
    alignas(64) _Atomic uint32_t ready; /* publishes hello */
    uint32_t hello_core;
    uint32_t hello_type;
    _Atomic uint32_t result_token; /* publishes result */
    struct tg_kernel_end result;   /* numbers only; the machine has the words of a failure (tg_machine_ops.fault) */
    /* Writer: the AICPU thread that owns the core. */
    alignas(64) _Atomic uint32_t payload_token; /* publishes payload */
    struct tg_payload payload;
};
_Static_assert(offsetof(struct tg_handshake, payload_token) % 64 == 0, "the writers share no cache line");

/* The argument of core_main: one per launch. */
struct tg_core_launch {
    struct tg_machine *machine;
    const enum tg_core_type *core_type; /* [n_cores] */
    struct tg_handshake *handshake;     /* [n_cores] */
};

/* The core's program (src/aicore); arg is a tg_core_launch. */
void tg_core_main(void *arg, uint32_t core);

struct tg_builder;
struct tg_plugin;
struct tg_plugin_bytes;
struct tg_gm_owner;
struct tg_graph;
struct tg_task;

/* The input of the control program or of the workers. Borrowed for the launch. */
struct tg_control_launch {
    struct tg_machine *machine;
    struct tg_graph *graph;
    const struct tg_kernels *kernels;
    struct tg_failure *failure;
    struct tg_handshake *handshake; /* [n_cores] */
    const enum tg_core_type *core_type;
    uint32_t n_cores;   /* 0: workers */
    uint32_t n_threads; /* control threads, or workers */
    uint32_t window;    /* published, unfinished tasks; 0: no limit */
    uint64_t schedule_seed;
    /* Workers: called now and then on thread 0 with the time since the launch; NULL: no such call. */
    void (*progress)(void *context, uint64_t device_ns);
    void *progress_context;
    /* aicpu_build_graph: the embedded plugin. NULL: the graph is built already. */
    const struct tg_plugin_bytes *plugin;
    const char *function_name;
    bool sequential; /* build first, then schedule */
    const uint64_t *orch_args;
    int32_t orch_argc;
    struct tg_gm_owner *gm_owner; /* owns the plugin's allocations */
    struct tg_builder *builder;   /* the host's: it outlives the launch, like the plugin */
    struct tg_task *ready;        /* built graph: the list of tasks that can run */
};

/* The answer to the host. */
struct tg_control_report {
    uint64_t first_start_ns; /* UINT64_MAX: no task started */
    uint64_t last_publish_ns;
    uint64_t n_instructions;
    uint32_t n_aic, n_aiv; /* cores that ran a task; workers that ran one of that kind */
    uint32_t window;
    struct tg_plugin
        *plugin; /* the host gives it back when no pointer leads into it any more; NULL: it was not opened */
};

struct tg_control;

/* Prepare the control program (src/aicpu). TG_ERR_MEMORY. */
enum tg_status tg_control_open(const struct tg_control_launch *launch, struct tg_control **out);

/* The control thread that owns a core: it alone uses that core's registers. */
uint32_t tg_control_owner(const struct tg_control_launch *launch, uint32_t core);

/* The body of a control thread; arg is a tg_control. */
void tg_control_main(void *arg, uint32_t thread);

/* The machine has lost a thread or core (tg_machine_run.lost): name it in the failure. */
void tg_control_lost(void *arg, uint32_t index, bool on_core, const struct tg_guard *how);

/* Release it. */
void tg_control_close(struct tg_control *control, struct tg_control_report *report);

struct tg_workers;

/* The same of the workers' program (src/worker). tg_workers_lost: the worker is idle from then on. */
enum tg_status tg_workers_open(const struct tg_control_launch *launch, struct tg_workers **out);
void tg_workers_main(void *arg, uint32_t worker);
void tg_workers_lost(void *arg, uint32_t index, bool on_core, const struct tg_guard *how);
void tg_workers_close(struct tg_workers *workers, struct tg_control_report *report);

#endif
