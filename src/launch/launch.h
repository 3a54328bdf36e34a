/*
 * launch.h - the shared data of host, AICPU and cores for one launch: arguments, report, and the handshake.
 *
 * The arguments are plain data: one block of bytes that can be copied to another address space (tg_launch_data). The
 * objects that carry the launch out belong to the control program's address space (tg_control_launch). Today that is
 * the host's.
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

/* Bumped when struct tg_launch_data changes. */
#define TG_LAUNCH_VERSION 1u

/* The arguments of one launch. No field depends on the place of the block: parts of it are found by their distance from
 * its start, everything else by an address of device memory. Writer: the host, before the launch. */
struct tg_launch_data {
    uint32_t version; /* TG_LAUNCH_VERSION */
    uint32_t n_bytes; /* of the block: this structure, orch_args, and the function name */
    uint32_t n_cores; /* 0: workers */
    uint32_t n_threads;
    uint32_t window;     /* published, unfinished tasks; 0: no limit */
    uint32_t sequential; /* 1: build first, then schedule */
    uint64_t schedule_seed;
    /* aicpu_build_graph: the embedded plugin (tg_plugin_bytes). plugin_bytes 0: the graph is built already. */
    uint64_t plugin, plugin_bytes, plugin_number;
    uint32_t function_name_at; /* from the start of the block: the name of the entry function, with a 0 behind it */
    uint32_t n_orch_args;
    uint8_t core_type[TG_CORES_MAX]; /* enum tg_core_type of each core */
    uint64_t orch_args[];            /* [n_orch_args] */
};
_Static_assert(offsetof(struct tg_launch_data, orch_args) == 64 + TG_CORES_MAX, "the same for every compiler");

/*
 * Write the block of a launch: `header`, of which version, n_bytes and function_name_at are filled in here, then
 * orch_args[header->n_orch_args] and the name. *data is NULL, or the block of an earlier launch with as many arguments
 * and the same name, which keeps its place: an open plugin may still read its arguments.
 *
 * Owns      the caller frees *data
 * Errors    TG_ERR_MEMORY
 */
enum tg_status tg_launch_data_write(struct tg_launch_data **data, const struct tg_launch_data *header,
                                    const uint64_t *orch_args, const char *function_name);

/* TG_ERR_ABI: another version. */
enum tg_status tg_launch_data_check(const struct tg_launch_data *data);

static inline bool tg_launch_has_plugin(const struct tg_launch_data *data) { return data->plugin_bytes > 0; }

static inline const char *tg_launch_function_name(const struct tg_launch_data *data)
{
    return (const char *)data + data->function_name_at;
}

/* The argument of core_main: one per launch. */
struct tg_core_launch {
    struct tg_machine *machine;
    const struct tg_launch_data *data;
    struct tg_handshake *handshake; /* [n_cores] */
};

/* The core's program (src/aicore); arg is a tg_core_launch. */
void tg_core_main(void *arg, uint32_t core);

struct tg_builder;
struct tg_plugin;
struct tg_gm_owner;
struct tg_graph;
struct tg_task;

/* The input of the control program or of the workers: the launch, and the objects of its address space. Borrowed for
 * the launch. */
struct tg_control_launch {
    const struct tg_launch_data *data;
    struct tg_machine *machine;
    struct tg_graph *graph;
    const struct tg_kernels *kernels;
    struct tg_failure *failure;
    struct tg_handshake *handshake; /* [n_cores] */
    struct tg_gm_owner *gm_owner;   /* owns the plugin's allocations */
    struct tg_builder *builder;     /* it outlives the launch, like the plugin */
    struct tg_task *ready;          /* built graph: the list of tasks that can run */
    /* Workers: called now and then on thread 0 with the time since the launch; NULL: no such call. */
    void (*progress)(void *context, uint64_t device_ns);
    void *progress_context;
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

/* Prepare the control program (src/aicpu). TG_ERR_MEMORY; TG_ERR_ABI: a launch of another version. */
enum tg_status tg_control_open(const struct tg_control_launch *launch, struct tg_control **out);

/* The control thread that owns a core: it alone uses that core's registers. */
uint32_t tg_control_owner(const struct tg_launch_data *data, uint32_t core);

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
