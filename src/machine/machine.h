/*
 * machine.h - the interface that a machine offers to the control threads and cores that run on it.
 *
 * A machine starts control threads and cores by function pointer and does not know their programs. They call the
 * machine for everything that it decides: registers between the AICPU and the cores, time, waiting. On a2a3sim each of
 * these calls moves a virtual clock; on hardware they are loads and stores.
 *
 *     control thread (AICPU)                              core (AIC or AIV)
 *     spend, sync, now, idle, wake                        now, run_kernel
 *     read_cond, write_dispatch     <-- registers -->     wait_dispatch, write_cond
 *
 * A machine without registers has workers: threads that schedule and run kernels themselves.
 *
 *     worker
 *     now, worker_core, call_worker, worker_sleeps
 */
#ifndef TG_MACHINE_MACHINE_H
#define TG_MACHINE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

#include "base/error.h"
#include "base/kernels.h"
#include "machine/observer.h"
#include "memory/gm.h"

enum { TG_AICPU_THREADS_MAX = 4, TG_BLOCKS_MAX = 128, TG_CORES_PER_BLOCK = 3 };
enum { TG_CORES_MAX = TG_BLOCKS_MAX * TG_CORES_PER_BLOCK, TG_WORKERS_MAX = TG_CORES_MAX };

/* Kinds of work of a control thread; the machine knows the time of each. */
enum tg_work {
    TG_WORK_OPEN,     /* open the plugin and look up its entry */
    TG_WORK_ADD,      /* add a task */
    TG_WORK_ARGUMENT, /* take over an argument of a task */
    TG_WORK_EDGE,     /* add an edge */
    TG_WORK_PUBLISH,  /* publish a task */
    TG_WORK_ALLOC,    /* allocate or free device memory */
    TG_WORK_DISPATCH, /* write a payload and ring a core's register */
    TG_WORK_COMPLETE, /* walk a completed task's successors */
    TG_WORK_SWEEP     /* one poll of the ready queues */
};

/* The reason why idle() returned. */
enum tg_idle { TG_IDLE_WOKEN, TG_IDLE_STALLED };

/* The task that a core is to run. */
struct tg_kernel_call {
    int64_t *args; /* [TG_TASK_ARGS_MAX] the kernel may write to them; zero from n_args on */
    uint32_t n_args;
    uint32_t func_id; /* of tg_machine_run.kernels */
    int32_t task_id;
};

/* The end of a kernel. status TG_OK: it returned. */
struct tg_kernel_end {
    uint32_t status; /* enum tg_status */
    uint64_t start_ns, end_ns;
    struct tg_kernel_times times;
};

/* A worker thread's knowledge of its running kernel. Writer: that thread. */
struct tg_worker_core {
    bool running;            /* a kernel is being called */
    uint64_t n_kernels;      /* kernels called so far */
    enum tg_core_type type;  /* of the running kernel */
    int32_t task_id;         /* that runs it */
    uint64_t n_instructions; /* issued by kernels, over all tasks */
    enum tg_status status;   /* why an instruction ended the kernel (TG_GUARD_RAISED) */
    char message[TG_MESSAGE_BYTES];
};

struct tg_guard;
struct tg_plugin;

/* One launch. Borrowed until run() returns. */
struct tg_machine_run {
    uint32_t n_threads, n_cores;                      /* n_cores 0: the threads are workers */
    void (*control_main)(void *arg, uint32_t thread); /* returns at the end of its work */
    void *control_arg;
    void (*core_main)(void *arg, uint32_t core); /* returns after the exit token */
    void *core_arg;
    /* Where faults are caught, all of these run on threads of the machine. `lost` says that foreign code of a control
     * thread, a worker or (on_core) a core has taken its thread with it, and `how` says in which way. The callee
     * records the failure; a worker's part in the launch is over. Called on the thread that called run(). */
    void (*lost)(void *control_arg, uint32_t index, bool on_core, const struct tg_guard *how);
    const struct tg_kernels *kernels; /* that tasks name */
    enum tg_core_type core_type[TG_CORES_MAX];
    uint32_t owner[TG_CORES_MAX]; /* the control thread that reads this core's register */
    uint64_t schedule_seed;
    uint32_t pipe_order; /* enum tg_pipe_order */
    uint32_t kernel_limit_ms;
    /* Called now and then in host time with the virtual time, on the thread that called run(); NULL: no such call. */
    void (*progress)(void *context, uint64_t device_ns);
    void *progress_context;
    bool clear;                 /* workers: on-chip memory holds NaN whenever a kernel starts, and products add their
                                       terms in the order of a2a3sim */
    bool host_graph;            /* the graph was built on the host and comes with the launch */
    struct tg_failure *failure; /* workers: a thread that runs out of memory records that here, and runs no kernel */
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
    /* Control threads: see the effects of others up to now. Call before reading shared state. */
    void (*sync)(struct tg_machine *machine);
    /* Control threads: wait until something changes: a register of an own core, or a wake. STALLED: nothing will change
     * without this thread. Each stall goes to one thread at a time, the lowest number first. */
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
    /* Control threads: why the last kernel of this core failed: instruction, tile, rule, signal. Valid until the core
     * runs another. */
    const char *(*fault)(struct tg_machine *machine, uint32_t core);

    /* The host: device memory. The bytes are inside one allocation. */
    void (*write)(struct tg_machine *machine, uint64_t address, const void *host, uint64_t bytes);
    void (*read)(struct tg_machine *machine, void *host, uint64_t address, uint64_t bytes);
    void (*fill)(struct tg_machine *machine, uint64_t address, uint8_t value, uint64_t bytes);

    /* Workers: the calling thread runs its first kernels of this launch. *core shows their state; the machine owns it.
     * TG_ERR_MEMORY. */
    enum tg_status (*worker_core)(struct tg_machine *machine, uint32_t worker, struct tg_worker_core **core);
    /* Workers: ask another worker to take part in the launch: its thread calls control_main, soon, late or never.
     * run() calls worker 0 only. */
    void (*call_worker)(struct tg_machine *machine, uint32_t worker);
    /* Workers: would a call of this worker have to wake a sleeping thread, which takes microseconds? */
    bool (*worker_sleeps)(struct tg_machine *machine, uint32_t worker);
};

/* The first member of every platform's own structure. */
struct tg_machine {
    const struct tg_machine_ops *ops;
    struct tg_gm gm;                     /* device memory */
    const struct tg_tile_isa *isa;       /* the instructions of kernels on this machine */
    const char *isa_name;                /* instruction set of its tile operations */
    const struct tg_observer *observers; /* of the launch. Writer: the host, before and after it. NULL: no observer */
    struct tg_plugin *idle_plugins;      /* open between launches (orchestrate/plugins.h) */
    bool catch_faults;
    bool lost;          /* a thread of it still runs foreign code: its memory is never released, and no run starts */
    uint32_t n_blocks;  /* blocks of 1 AIC and 2 AIV; 0: it has workers */
    uint32_t n_workers; /* 0: it has blocks */
    double core_ghz;    /* clock of its cores; 0: it has none of its own */
};

/* write, read and fill of machines whose device memory is memory of this process (memory/gm.h). */
void tg_machine_write_local(struct tg_machine *machine, uint64_t address, const void *host, uint64_t bytes);
void tg_machine_read_local(struct tg_machine *machine, void *host, uint64_t address, uint64_t bytes);
void tg_machine_fill_local(struct tg_machine *machine, uint64_t address, uint8_t value, uint64_t bytes);

/* Open a platform by name. TG_ERR_PLATFORM; errors of the platform's own open. */
enum tg_status tg_machine_open(const struct tg_device_config *config, struct tg_machine **out);

/* One function per platform. */
enum tg_status tg_sim_open(const struct tg_device_config *config, struct tg_machine **out);
enum tg_status tg_cpu_open(const struct tg_device_config *config, struct tg_machine **out);

#endif
