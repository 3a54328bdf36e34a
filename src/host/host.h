/* host.h - the shared structures of the host's sources: the objects behind the public handles. */
#ifndef TG_HOST_HOST_H
#define TG_HOST_HOST_H

#include "arrays/arrays.h"
#include "base/error.h"
#include "base/kernels.h"
#include "check/check.h"
#include "graph/graph.h"
#include "launch/launch.h"
#include "machine/machine.h"
#include "orchestrate/builder.h"
#include "trace/record.h"
#include "trace/recorder.h"

/*
 * Handles may be closed in any order: a device lives until it and its programs are closed, a program until it and its
 * runs are closed. A run keeps the kernels and the plugin that it was opened with.
 */
struct tg_device {
    struct tg_machine *machine;
    uint32_t n_users; /* its programs, and its open handle */
};

/* The bytes of a plugin, and its entry function. */
struct tg_orchestration {
    struct tg_plugin_bytes plugin; /* its bytes are owned */
    char *function_name;           /* owned */
    uint32_t n_users;              /* runs, and the program */
};

struct tg_program {
    struct tg_device *device;
    struct tg_kernels kernels;
    struct tg_loaded_kernel *loaded;        /* owned: names and modules of the kernels */
    struct tg_orchestration *orchestration; /* NULL: none is set */
    uint32_t n_users;                       /* its runs, and its open handle */
};

/* A copy that a plugin on the host requested for the end of the run. */
struct tg_pair {
    void *host;
    uint64_t device, bytes;
};

struct tg_run {
    struct tg_program *program;
    struct tg_orchestration *orchestration;
    struct tg_run_config config;
    struct tg_tensor *tensors; /* [n_tensors], owned; their data is the caller's */
    size_t n_tensors;
    uint64_t *args; /* [2 * n_tensors + 1], owned: orch_args or the host entry's args */
    void **before;  /* [n_tensors], owned: contents of TG_INOUT tensors before the run, for other schedules; or NULL */
    void **staging; /* [n_tensors], owned: a host plugin's copy of an output; NULL: the caller's data */
    struct tg_gm_owner tensor_memory, plugin_memory; /* on the device */
    struct tg_graph graph;                           /* of the launches: the place's */
    struct tg_graph host_graph;                    /* built here for a control program, until the launch; else unused */
    struct tg_failure own_failure, others_failure; /* of this run, of the runs under other seeds */
    struct tg_failure *failure;                    /* own_failure, or others_failure of the run that compares */
    struct tg_task *ready;                         /* host_build_graph: the tasks that can run at the first launch */
    struct tg_task **ready_end;                    /* while the plugin builds on the host: the end of that list */
    struct tg_builder builder;                     /* the plugin's interface: valid while the plugin is open */
    struct tg_plugin *plugin;                      /* until the run is closed: tasks may point into it. Or NULL */
    const struct tg_argument *changes;             /* [n_changes] of the replay that runs, borrowed */
    size_t n_changes;
    struct tg_pair *pairs; /* [n_pairs], owned */
    size_t n_pairs, pairs_capacity;
    uint64_t n_copied_bytes;     /* by a plugin on the host */
    struct tg_recorder recorder; /* open if config.record */
    struct tg_record record;
    struct tg_check_observer *check_observer; /* owned; NULL: not config.check */
    struct tg_arrays *arrays;                 /* owned; NULL: no task's arrays are kept */
    const struct tg_observer *observers;      /* of building and launches: the three above, or NULL */
    struct tg_check check;                    /* used if config.check, or if there are several schedules */
    struct tg_launch_data *launch_data;       /* owned; NULL before the first launch */
    struct tg_launch_data *replay_data;       /* owned; NULL before the first replay */
    enum tg_core_type core_type[TG_CORES_MAX];
    struct tg_run_result result;
    void *declared;           /* of config, owned; NULL: none, or another run owns it */
    tg_progress_fn *progress; /* to be called while the run goes on, or NULL */
    void *progress_context;
    struct tg_submitted *submitted; /* owned; NULL: the caller's thread launches */
    bool launched;
    bool sound;   /* no launch has failed */
    bool replays; /* the graph exists from the launch before */
    bool may_replay;
};

/* device.c, program.c: release one use; the last release frees the object. */
void tg_device_release(struct tg_device *device);
void tg_program_release(struct tg_program *program);
void tg_orchestration_release(struct tg_orchestration *orchestration);

/* The caller's requests for a run, in this library's structures. */
struct tg_run_ask {
    struct tg_run_config config;
    struct tg_tensor *tensors; /* [n_tensors], owned */
    size_t n_tensors;
    void *declared; /* [config.n_declared] struct tg_declared, owned; config points to it */
};

/* run_config.c: convert the caller's structures. A failure leaves nothing to release.
 * Errors    TG_ERR_ARGUMENT: impossible sizes or numbers; TG_ERR_MEMORY */
enum tg_status tg_run_ask_init(struct tg_run_ask *ask, const struct tg_run_config *config,
                               const struct tg_tensor *tensors, size_t tensor_size, size_t n_tensors);
void tg_run_ask_fini(struct tg_run_ask *ask);

/* run_config.c: refuse impossible requests before anything happens. TG_ERR_ARGUMENT */
enum tg_status tg_run_check(const struct tg_program *program, const struct tg_run_ask *ask);

/*
 * run.c: one execution of the program that `orchestration` builds. `failure` receives its error; it outlives the run
 * and stays open. NULL: the run has a failure of its own, which is closed when the launch is over.
 */
enum tg_status tg_run_create(struct tg_program *program, struct tg_orchestration *orchestration,
                             const struct tg_run_config *config, const struct tg_tensor *tensors, size_t n_tensors,
                             struct tg_failure *failure, struct tg_run **out);
enum tg_status tg_run_execute(struct tg_run *run);
/* For a kept graph that has run: all changes name existing arguments. */
enum tg_status tg_run_execute_again(struct tg_run *run, const struct tg_argument *changes, size_t n_changes);
void tg_run_destroy(struct tg_run *run);

/* run.c: put an observer before those that the run has. */
void tg_run_observe(struct tg_run *run, struct tg_observer *observer);

/* host_build.c: call the plugin on the host. On success the graph and `ready` are complete. */
enum tg_status tg_host_build(struct tg_run *run);

/* host_build.c: after a successful run, copy the recorded pairs back, then outputs to their tensors. If one pair cannot
 * be copied, nothing is. */
enum tg_status tg_host_copy_back(struct tg_run *run);

/* host_build.c: is the pair's host memory an output of the run, as the plugin sees it? */
bool tg_host_is_staged(const struct tg_run *run, const struct tg_pair *pair);

/* device.c: are these bytes inside one allocation? TG_ERR_GLOBAL_MEMORY */
enum tg_status tg_device_check_range(struct tg_device *device, tg_address address, uint64_t bytes);

/*
 * checked.c: report the host's actions to the checks; no effect on an unchecked run.
 *
 * open      before device memory is allocated. TG_ERR_MEMORY
 * launch    kernels are about to run
 * copied    a plugin on the host has copied to the device; read: from it
 * outputs   the run has reached its end. TG_ERR_MEMORY: memory for the checks ran out, and there are no findings
 */
enum tg_status tg_host_check_open(struct tg_run *run);
void tg_host_check_launch(struct tg_run *run);
void tg_host_check_copied(struct tg_run *run, uint64_t device, const void *host, uint64_t bytes);
void tg_host_check_read(struct tg_run *run, uint64_t device, uint64_t bytes);
enum tg_status tg_host_check_outputs(struct tg_run *run);

/* checked.c: the number of actions that the checks cannot see, counted by object; calls `unseen` for each one if it is
 * not NULL. what, name: "kernel" and its name, or "the orchestration" and "". function: an unknown function that the
 * object calls; NULL: the object does not report its plain accesses. */
struct tg_unseen {
    void (*visit)(void *context, const char *what, const char *name, const char *function);
    void *context;
};
void tg_host_check_unseen(const struct tg_run *run, const struct tg_unseen *unseen, uint32_t *n_unseen);

/* findings.c: TG_ERR_CHECK in place of `status` if there are findings; the message then names `status`. */
enum tg_status tg_host_judge(const struct tg_run *run, enum tg_status status);

/*
 * schedules.c: compare a successful run, whose outputs are in their tensors, with executions under the other seeds of
 * its configuration. Differences are findings. Call tg_schedules_open before the launch. Errors: TG_ERR_MEMORY,
 * TG_ERR_DEVICE_MEMORY, TG_ERR_CANCELLED.
 */
enum tg_status tg_schedules_open(struct tg_run *run);
enum tg_status tg_schedules_compare(struct tg_run *run);
void tg_schedules_close(struct tg_run *run);

/* run.c: free the run's device memory. */
void tg_run_free_memory(struct tg_run *run);

/* launch.c: write the block of the run's next launch; the run owns it. TG_ERR_MEMORY */
enum tg_status tg_host_write_launch(struct tg_run *run, struct tg_launch_data **block);

/* launch.c: take over the report into the result and the record. */
void tg_host_collect(struct tg_run *run, const struct tg_launch_report *report);

#endif
