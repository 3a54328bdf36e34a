/* host.h - what the host's sources share: the objects behind the public handles. */
#ifndef TG_HOST_HOST_H
#define TG_HOST_HOST_H

#include "base/error.h"
#include "base/kernels.h"
#include "check/check.h"
#include "graph/graph.h"
#include "machine/machine.h"
#include "orchestrate/builder.h"
#include "trace/record.h"

/*
 * Handles may be closed in any order: a device lives until it and its programs are closed, a program until it and its runs
 * are. What a run was opened with stays as it was then.
 */
struct tg_device {
    struct tg_machine *machine;
    uint32_t n_users; /* its programs, and who has not closed it */
};

/* The bytes of a plugin, and its entry function. */
struct tg_orchestration {
    void *bytes; /* owned */
    size_t n_bytes;
    char *function_name; /* owned */
    uint32_t n_users;    /* runs, and the program */
};

struct tg_program {
    struct tg_device *device;
    struct tg_kernels kernels;
    struct tg_orchestration *orchestration; /* NULL: none is set */
    uint32_t n_users;                       /* its runs, and who has not closed it */
};

/* A pointer that the caller has to give. */
#define TG_REQUIRE(pointer)                                                                                            \
    do {                                                                                                               \
        if (!(pointer)) return tg_error(TG_ERR_ARGUMENT, "%s: %s is NULL", __func__, #pointer);                        \
    } while (0)

/* What a plugin on the host asked to be copied back after the run. */
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
    void **before;  /* [n_tensors], owned: what TG_INOUT tensors held before, for other schedules; or NULL */
    void **staging; /* [n_tensors], owned: what a host plugin sees of an output; NULL: the caller's data */
    struct tg_gm_owner tensor_memory, plugin_memory; /* on the device */
    struct tg_graph graph;
    struct tg_failure own_failure, others_failure; /* of this run, of the runs under other seeds */
    struct tg_failure *failure;                    /* own_failure, or others_failure of the run that compares */
    struct tg_task *ready;                         /* host_build_graph: what can run at the launch */
    struct tg_task **ready_end;                    /* while the plugin builds on the host: where the next one goes */
    struct tg_builder builder; /* what the plugin holds in its hand: as long as the plugin is open */
    struct tg_module plugin;   /* open until the run is closed: tasks point into it */
    struct tg_pair *pairs;     /* [n_pairs], owned */
    size_t n_pairs;
    uint64_t n_copied_bytes;       /* by a plugin on the host */
    struct tg_record_log log;      /* host_build_graph: of the builder, until the launch */
    struct tg_record_log pipe_log; /* of the cores, during the launch */
    struct tg_record record;
    struct tg_check check; /* used if config.check, or if there are several schedules */
    enum tg_core_type core_type[TG_CORES_MAX];
    struct tg_run_result result;
    void *declared;           /* of config, owned; NULL: none, or another run owns it */
    tg_progress_fn *progress; /* to be called while the run goes on, or NULL */
    void *progress_context;
    struct tg_submitted *submitted; /* owned; NULL: the caller's thread launches */
    bool launched;
    bool replays; /* the graph is there from the launch before */
    bool may_replay;
};

/* device.c, program.c: one user less; the last one takes it away. */
void tg_device_release(struct tg_device *device);
void tg_program_release(struct tg_program *program);
void tg_orchestration_release(struct tg_orchestration *orchestration);

/* What a caller asks of a run, in this library's structures. */
struct tg_run_ask {
    struct tg_run_config config;
    struct tg_tensor *tensors; /* [n_tensors], owned */
    size_t n_tensors;
    void *declared; /* [config.n_declared] struct tg_declared, owned; config points to it */
};

/* run_config.c: convert the caller's structures. On failure nothing is left to release.
 * Errors    TG_ERR_ARGUMENT: sizes or numbers that are not possible; TG_ERR_MEMORY */
enum tg_status tg_run_ask_init(struct tg_run_ask *ask, const struct tg_run_config *config,
                               const struct tg_tensor *tensors, size_t tensor_size, size_t n_tensors);
void tg_run_ask_fini(struct tg_run_ask *ask);

/* run_config.c: refuse what can be refused before anything happens. TG_ERR_ARGUMENT */
enum tg_status tg_run_check(const struct tg_program *program, const struct tg_run_ask *ask);

/*
 * run.c: one execution of what `orchestration` builds. What it fails with is in `failure`, which outlives it and stays open; NULL: in a failure of its
 * own, which is closed when the launch is over.
 */
enum tg_status tg_run_create(struct tg_program *program, struct tg_orchestration *orchestration,
                             const struct tg_run_config *config, const struct tg_tensor *tensors, size_t n_tensors,
                             struct tg_failure *failure, struct tg_run **out);
enum tg_status tg_run_execute(struct tg_run *run);
/* Of a kept graph, which has run: the changes name arguments that are there. */
enum tg_status tg_run_execute_again(struct tg_run *run, const struct tg_argument *changes, size_t n_changes);
void tg_run_destroy(struct tg_run *run);

/* host_build.c: call the plugin on the host; the graph and `ready` are there then. */
enum tg_status tg_host_build(struct tg_run *run);

/* host_build.c: after a run that succeeded, copy back what the plugin recorded, then outputs to their tensors. */
enum tg_status tg_host_copy_back(struct tg_run *run);

/*
 * checked.c: what the host knows and does is told to the checks; nothing happens if the run is not checked.
 *
 * open      before device memory is allocated. TG_ERR_MEMORY
 * launch    kernels are about to run
 * copied    a plugin on the host has copied to the device; read: from it
 * outputs   the run has gone to its end. TG_ERR_MEMORY: there was too little for the checks, and there are no findings
 */
enum tg_status tg_host_check_open(struct tg_run *run);
void tg_host_check_launch(struct tg_run *run);
void tg_host_check_copied(struct tg_run *run, uint64_t device, const void *host, uint64_t bytes);
void tg_host_check_read(struct tg_run *run, uint64_t device, uint64_t bytes);
enum tg_status tg_host_check_outputs(struct tg_run *run);

/* checked.c: how many objects do something that the checks do not see, and a call for each such thing if `unseen` is not
 * NULL. what, name: "kernel" and its name, or "the orchestration" and "". function NULL: the object does not tell of its plain
 * accesses; else it calls that function, which is not known. */
struct tg_unseen {
    void (*visit)(void *context, const char *what, const char *name, const char *function);
    void *context;
};
void tg_host_check_unseen(const struct tg_run *run, const struct tg_unseen *unseen, uint32_t *n_unseen);

/* findings.c: with findings, TG_ERR_CHECK in place of `status`, which the message then names. */
enum tg_status tg_host_judge(const struct tg_run *run, enum tg_status status);

/*
 * schedules.c: compare a run that succeeded, and whose outputs are in their tensors, with executions under the other seeds
 * that its configuration asks for. Differences are findings. tg_schedules_open: before the launch. Errors: TG_ERR_MEMORY,
 * TG_ERR_DEVICE_MEMORY, TG_ERR_CANCELLED.
 */
enum tg_status tg_schedules_open(struct tg_run *run);
enum tg_status tg_schedules_compare(struct tg_run *run);
void tg_schedules_close(struct tg_run *run);

/* run.c: free what the run has of device memory. */
void tg_run_free_memory(struct tg_run *run);

/* launch.c: run the graph on the device. */
enum tg_status tg_launch(struct tg_run *run);

#endif
