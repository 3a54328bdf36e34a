/*
 * platform.h - what a machine offers to the control threads and cores that run on it.
 *
 * A platform starts control threads and cores by function pointer and knows nothing of what they do. They call it for
 * everything that the machine decides: registers between the AICPU and the cores, time, waiting. On a2a3sim each of
 * these calls moves a virtual clock; on hardware they are loads and stores.
 *
 *     control thread (AICPU)                              core (AIC or AIV)
 *     spend, sync, now, idle, wake                        now, run_kernel
 *     read_cond, write_dispatch     <-- registers -->     wait_dispatch, write_cond
 *
 * A machine without registers has workers: threads that schedule and run kernels themselves.
 *
 *     worker
 *     now, worker_core
 */
#ifndef TG_MACHINE_MACHINE_H
#define TG_MACHINE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

#include "base/error.h"
#include "base/kernels.h"
#include "check/check.h"
#include "memory/gm.h"
#include "trace/record.h"

enum { TG_AICPU_THREADS_MAX = 4, TG_BLOCKS_MAX = 128, TG_CORES_PER_BLOCK = 3 };
enum { TG_CORES_MAX = TG_BLOCKS_MAX * TG_CORES_PER_BLOCK, TG_WORKERS_MAX = TG_CORES_MAX };

/* Work that a control thread does, by kind; the platform knows what each takes. */
enum tg_work {
    TG_WORK_OPEN,     /* open the plugin and look up its entry */
    TG_WORK_ADD,      /* add a task */
    TG_WORK_EDGE,     /* add an edge */
    TG_WORK_PUBLISH,  /* publish a task */
    TG_WORK_ALLOC,    /* allocate or free device memory */
    TG_WORK_DISPATCH, /* write a payload and ring a core's register */
    TG_WORK_COMPLETE, /* walk a completed task's successors */
    TG_WORK_SWEEP     /* one look at the ready queues */
};

/* How idle() ended. */
enum tg_idle { TG_IDLE_WOKEN, TG_IDLE_STALLED };

/* What a core is to run, and whose it is. */
struct tg_kernel_call {
    const struct tg_kernel *kernel;
    int64_t *args; /* [TG_TASK_ARGS_MAX] the kernel may write to them; zero from n_args on */
    uint32_t n_args;
    int32_t task_id;
    int32_t line;     /* where the task was added */
    const char *file; /* NULL: not known */
};

/* How a kernel ended. status TG_OK: it returned. */
struct tg_kernel_end {
    enum tg_status status;
    uint64_t start_ns, end_ns;
    struct tg_kernel_times times;
    char message[TG_MESSAGE_BYTES]; /* of what went wrong: instruction, tile, rule, signal */
};

/* What a worker's thread knows of the kernel that it runs. Writer: that thread. */
struct tg_worker_core {
    bool running;            /* a kernel is being called */
    uint64_t n_kernels;      /* that were called */
    enum tg_core_type type;  /* of that kernel */
    uint64_t n_instructions; /* that kernels issued, of all tasks */
    enum tg_status status;   /* why an instruction ended the kernel (TG_GUARD_RAISED) */
    char message[TG_MESSAGE_BYTES];
};

struct tg_guard;

/* One launch. Borrowed until run() returns. */
struct tg_machine_run {
    uint32_t n_threads, n_cores;                      /* n_cores 0: the threads are workers */
    void (*control_main)(void *arg, uint32_t thread); /* returns when its work is done */
    void *control_arg;
    void (*core_main)(void *arg, uint32_t core); /* returns after the exit token */
    void *core_arg;
    /* Where faults are caught all of these run on threads of the machine's own. Foreign code of a control thread, a worker
     * or (on_core) a core has taken its thread with it, and `how` tells how: say so in the failure; a worker's part in the
     * launch is over. On the thread that called run(). */
    void (*lost)(void *control_arg, uint32_t index, bool on_core, const struct tg_guard *how);
    enum tg_core_type core_type[TG_CORES_MAX];
    uint32_t owner[TG_CORES_MAX]; /* the control thread that reads this core's register */
    uint64_t schedule_seed;
    uint32_t pipe_order; /* enum tg_pipe_order */
    uint32_t kernel_limit_ms;
    /* Called now and then in host time with the virtual time, on the thread that called run(); NULL: not wanted. */
    void (*progress)(void *context, uint64_t device_ns);
    void *progress_context;
    struct tg_record_log *pipe_log; /* what each pipe does; NULL: not wanted */
    struct tg_check *check;         /* is told what kernels do; NULL: the run is not checked */
    bool clear;                 /* workers: on-chip memory holds NaN whenever a kernel starts, and products add their
                                       terms in the order of a2a3sim */
    bool host_graph;            /* the graph was built on the host and comes with the launch */
    struct tg_failure *failure; /* workers: where a thread says what it lacks; it goes on, and runs no kernel */
};

struct tg_machine;

struct tg_machine_ops {
    void (*close)(struct tg_machine *machine);

    /* Run all threads and cores of `run` to their end; *device_ns: when the last control thread ended. Errors: no
     * memory for them. */
    enum tg_status (*run)(struct tg_machine *machine, const struct tg_machine_run *run, uint64_t *device_ns);

    /* The calling control thread or core: its time since the launch in ns. */
    uint64_t (*now)(struct tg_machine *machine);

    /* Control threads: account for `n` units of work. */
    void (*spend)(struct tg_machine *machine, enum tg_work work, uint32_t n);
    /* Control threads: see what others did up to now. Before looking at anything that is shared. */
    void (*sync)(struct tg_machine *machine);
    /* Control threads: nothing to do until something changes: a register of an own core, or a wake. STALLED: nothing
     * will ever change without this thread. Each stall is given to one thread at a time, the lowest number first. */
    enum tg_idle (*idle)(struct tg_machine *machine);
    /* Control threads: something changed for `thread`. */
    void (*wake)(struct tg_machine *machine, uint32_t thread);
    uint32_t (*read_cond)(struct tg_machine *machine, uint32_t core);
    void (*write_dispatch)(struct tg_machine *machine, uint32_t core, uint32_t token);

    /* Cores: the dispatch register's value once it differs from `last`. */
    uint32_t (*wait_dispatch)(struct tg_machine *machine, uint32_t last);
    void (*write_cond)(struct tg_machine *machine, uint32_t value);
    /* Cores: call the kernel, guarded. */
    void (*run_kernel)(struct tg_machine *machine, const struct tg_kernel_call *call, struct tg_kernel_end *end);

    /* Workers: the calling thread runs kernels from here on. What they do is in *core, which the machine owns.
     * TG_ERR_MEMORY. */
    enum tg_status (*worker_core)(struct tg_machine *machine, uint32_t worker, struct tg_worker_core **core);
};

/* What every platform's own structure begins with. */
struct tg_machine {
    const struct tg_machine_ops *ops;
    struct tg_gm gm;               /* device memory */
    const struct tg_tile_isa *isa; /* what kernels are bound to */
    const char *isa_name;          /* instruction set of its tile operations */
    bool catch_faults;
    bool
        lost; /* a thread of it runs on in foreign code: nothing that it may use is ever released, and nothing is run */
    uint32_t n_blocks;  /* blocks of 1 AIC and 2 AIV that it has; 0: it has workers */
    uint32_t n_workers; /* 0: it has blocks */
};

/* Open a platform by name. TG_ERR_PLATFORM; what the platform's own open fails with. */
enum tg_status tg_machine_open(const struct tg_device_config *config, struct tg_machine **out);

/* One a platform. */
enum tg_status tg_sim_open(const struct tg_device_config *config, struct tg_machine **out);
enum tg_status tg_cpu_open(const struct tg_device_config *config, struct tg_machine **out);

#endif
