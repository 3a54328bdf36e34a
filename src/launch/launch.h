/*
 * launch.h - the shared data of host, AICPU and cores for one launch: arguments, report, and the handshake.
 *
 * A launch is data. The request is one block of bytes (tg_launch_data), and the answer is another (tg_launch_report).
 * Both can be copied to another address space: they hold numbers, distances from the start of the
 * block, device addresses and func_ids. The objects that carry a launch out belong to the control processor's address
 * space (tg_launch_place).
 *
 *     host                                        control processor
 *     tg_launch_data_write  ---- block ---->      tg_launch_carry_out, with the objects of this place
 *     reads the report      <--- report ----
 *
 * On today's machines both sides are one process. test_launch carries launches out in another one.
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

/* Bumped when struct tg_launch_data, or an image of a graph (graph/image.h), changes. */
#define TG_LAUNCH_VERSION 2u

/* Where the graph of a launch comes from. */
enum tg_graph_source {
    TG_GRAPH_THERE,    /* the host has built it in memory that the control program shares; tg_launch_place.ready */
    TG_GRAPH_IN_BLOCK, /* an image of the host's graph is part of the block (graph/image.h) */
    TG_GRAPH_KEPT,     /* the place has kept it from the launch before: run it again, with changed arguments */
    TG_GRAPH_PLUGIN    /* the embedded plugin builds it during the launch */
};

/* A changed argument of a kept graph is part of the block as the caller gave it. */
_Static_assert(sizeof(struct tg_argument) == 16, "the same for every compiler");

/* The block of one launch. No field depends on the place of the block: parts of it are found by their distance from its
 * start (`_at`), tensors by addresses of device memory, kernels by func_id. Writer: the host, before the launch. */
struct tg_launch_data {
    uint32_t version; /* TG_LAUNCH_VERSION */
    uint32_t n_cores; /* 0: workers */
    uint64_t n_bytes; /* of the block: this structure, and the parts behind it */
    uint64_t program; /* tg_kernels.fingerprint of the kernels that func_ids name */
    uint64_t schedule_seed;
    uint64_t plugin_number, plugin_at, plugin_bytes; /* plugin_bytes 0: the place has the plugin of this number open */
    uint64_t graph_at, graph_bytes;                  /* the image */
    uint64_t changes_at, function_name_at;           /* the plugin's entry function, with a 0 behind its name */
    uint32_t n_changes;                              /* struct tg_argument */
    uint32_t graph_source;                           /* enum tg_graph_source */
    uint32_t n_threads;
    uint32_t window;     /* published, unfinished tasks; 0: no limit */
    uint32_t sequential; /* 1: build first, then schedule */
    uint32_t pipe_order; /* enum tg_pipe_order */
    uint32_t kernel_limit_ms;
    uint32_t clear; /* 1: see tg_machine_run.clear */
    uint32_t reserved;
    uint32_t n_orch_args;
    uint8_t core_type[TG_CORES_MAX]; /* enum tg_core_type of each core */
    uint64_t orch_args[];            /* [n_orch_args] */
};
_Static_assert(offsetof(struct tg_launch_data, orch_args) == 128 + TG_CORES_MAX, "the same for every compiler");

/* The parts behind the structure, as the host has them. */
struct tg_launch_parts {
    const uint64_t *orch_args; /* [header->n_orch_args] */
    const char *function_name;
    const void *plugin;                /* [header->plugin_bytes] */
    const struct tg_argument *changes; /* [header->n_changes] */
};

/*
 * Write the block of a launch: `header`, with version, n_bytes and the distances of the parts filled in, and the parts.
 * The image of the graph has room, header->graph_bytes at graph_at; the caller writes it. *data is NULL, or the block
 * of an earlier launch, whose memory is used again.
 *
 * Owns      the caller frees *data
 * Errors    TG_ERR_MEMORY
 */
enum tg_status tg_launch_data_write(struct tg_launch_data **data, const struct tg_launch_data *header,
                                    const struct tg_launch_parts *parts);

/* TG_ERR_ABI: the block has another version, a part lies outside of it, or it was written for other kernels. */
enum tg_status tg_launch_data_check(const struct tg_launch_data *data, const struct tg_kernels *kernels);

static inline bool tg_launch_has_plugin(const struct tg_launch_data *data)
{
    return data->graph_source == TG_GRAPH_PLUGIN;
}

/* The part that lies `at` bytes behind the start of the block. */
static inline const void *tg_launch_part(const struct tg_launch_data *data, uint64_t at)
{
    return (const uint8_t *)data + at;
}

static inline const char *tg_launch_function_name(const struct tg_launch_data *data)
{
    return tg_launch_part(data, data->function_name_at);
}

struct tg_builder;
struct tg_plugin;
struct tg_gm_owner;
struct tg_graph;
struct tg_task;

/* The objects of the address space in which a launch is carried out. Borrowed for the launch. */
struct tg_launch_place {
    struct tg_machine *machine;
    const struct tg_kernels *kernels;
    struct tg_graph *graph;       /* empty; TG_GRAPH_THERE and TG_GRAPH_KEPT: complete */
    struct tg_task *ready;        /* TG_GRAPH_THERE: the list of tasks that can run */
    struct tg_builder *builder;   /* it outlives the launch, like the plugin */
    struct tg_gm_owner *gm_owner; /* owns the plugin's allocations */
    struct tg_failure *failure;
    /* Called now and then in host time with the time since the launch; NULL: no such call. */
    void (*progress)(void *context, uint64_t device_ns);
    void *progress_context;
    struct tg_plugin *plugin; /* written: the plugin that was opened, to be given back; NULL: none */
};

/* The answer: numbers only. A failure is in the place's tg_failure. */
struct tg_launch_report {
    uint64_t device_ns;      /* when the last control thread ended */
    uint64_t first_start_ns; /* UINT64_MAX: no task started */
    uint64_t last_publish_ns;
    uint64_t n_instructions;
    uint64_t n_tasks, n_edges;
    uint64_t peak_graph_bytes;
    uint32_t n_aic, n_aiv; /* cores that ran a task; workers that ran one of that kind */
    uint32_t window, reserved;
};
_Static_assert(sizeof(struct tg_launch_report) == 72, "the same for every compiler");

/*
 * Carry the launch out. A failed run is TG_OK here: its failure is in place->failure.
 *
 * Errors    TG_ERR_ABI: see tg_launch_data_check; those of graph/image.h; TG_ERR_MEMORY. Nothing has run then.
 *           place->machine->lost: a thread of the machine still runs foreign code, and the objects of the place stay in
 *           use until the process ends
 */
enum tg_status tg_launch_carry_out(const struct tg_launch_data *data, struct tg_launch_place *place,
                                   struct tg_launch_report *report);

/* ---- between the programs that carry a launch out, and carry_out.c ---- */

/* The argument of core_main: one per launch. */
struct tg_core_launch {
    struct tg_machine *machine;
    const struct tg_launch_data *data;
    struct tg_handshake *handshake; /* [n_cores] */
};

/* The core's program (src/aicore); arg is a tg_core_launch. */
void tg_core_main(void *arg, uint32_t core);

/* The input of the control program or of the workers. Borrowed for the launch. */
struct tg_control_launch {
    const struct tg_launch_data *data;
    struct tg_launch_place *place;
    struct tg_handshake *handshake; /* [n_cores] */
};

struct tg_control;

/* Prepare the control program (src/aicpu). A graph that exists already is complete and ready then. Errors: those of
 * tg_launch_carry_out. */
enum tg_status tg_control_open(const struct tg_control_launch *launch, struct tg_control **out);

/* The control thread that owns a core: it alone uses that core's registers. */
uint32_t tg_control_owner(const struct tg_launch_data *data, uint32_t core);

/* The body of a control thread; arg is a tg_control. */
void tg_control_main(void *arg, uint32_t thread);

/* The machine has lost a thread or core (tg_machine_run.lost): name it in the failure. */
void tg_control_lost(void *arg, uint32_t index, bool on_core, const struct tg_guard *how);

/* Release it. Writes all of the report but device_ns. */
void tg_control_close(struct tg_control *control, struct tg_launch_report *report);

struct tg_workers;

/* The same of the workers' program (src/worker). tg_workers_lost: the worker is idle from then on. */
enum tg_status tg_workers_open(const struct tg_control_launch *launch, struct tg_workers **out);
void tg_workers_main(void *arg, uint32_t worker);
void tg_workers_lost(void *arg, uint32_t index, bool on_core, const struct tg_guard *how);
void tg_workers_close(struct tg_workers *workers, struct tg_launch_report *report);

#endif
