/*
 * builder.h - the build calls of orchestration.h over a graph: the plugin's interface.
 *
 * One builder a run, on the host before the launch or on an AICPU thread during it. Hooks hold the differences between
 * the two. The first error stays in the run's failure; every later call then does nothing.
 *
 * Threads: the builder's own. A call from another thread, from inside a call, or after the entry has returned gets
 * TG_ERR_MISUSE, where the builder can detect it.
 */
#ifndef TG_ORCHESTRATE_BUILDER_H
#define TG_ORCHESTRATE_BUILDER_H

#include "base/error.h"
#include "graph/graph.h"
#include "launch/launch.h"
#include "machine/machine.h"
#include "orchestrate/plugins.h"

/* The surroundings of a build call. */
struct tg_builder_hooks {
    void *context;
    /* The builder's time in ns; NULL: it has no clock. */
    uint64_t (*now)(void *context);
    /* Account for one piece of work; NULL: work takes real time. */
    void (*spend)(void *context, enum tg_work work, uint32_t n);
    /* A task was published; `ready` is the task if it can run now, else NULL. */
    void (*published)(void *context, struct tg_task *ready);
    /* Wait until task `id` is complete. false: it cannot complete; the failure has the reason. NULL: waiting is
     * refused. */
    bool (*wait_task)(void *context, int64_t id);
};

/* A file name that the plugin gave, and our copy of its last part. */
struct tg_source_file {
    const char *theirs;
    char ours[128];
};

enum { TG_BUILDER_FILES_MAX = 32 }; /* source files of one plugin that are told apart */

/* Owned by the run, because it outlives the plugin: the plugin's destructors may still call. */
struct tg_builder {
    struct tg_runtime rt; /* first: the plugin's pointer is the builder's address */
    struct tg_graph *graph;
    const struct tg_kernels *kernels;
    struct tg_gm *gm;
    struct tg_gm_owner *gm_owner; /* owns the plugin's allocations */
    struct tg_failure *failure;
    const struct tg_observer *observers;
    struct tg_builder_hooks hooks;
    /* The allowed caller: */
    const struct tg_coro *coro; /* calls of another coroutine, or of a thread of the plugin, are refused */
    enum { TG_BUILDER_CLOSED, TG_BUILDER_OPEN, TG_BUILDER_IN_CALL } state; /* writer and reader: that coroutine */
    struct tg_guard *guard;                                                /* of the entry function, while it runs */
    /* The source line of the next add_task, device_malloc or device_free. */
    const char *file; /* one of files */
    int line;
    const char *outer_file; /* of the enclosing call, when the next call is one of its arguments */
    int outer_line;
    struct tg_source_file files[TG_BUILDER_FILES_MAX];
    int n_files;
};

struct tg_builder_config {
    struct tg_graph *graph;
    const struct tg_kernels *kernels;
    struct tg_gm *gm;
    struct tg_gm_owner *gm_owner;
    struct tg_failure *failure;
    const struct tg_observer *observers; /* NULL: no observer */
    const uint64_t *orch_args;           /* borrowed */
    int32_t orch_argc;
    struct tg_builder_hooks hooks;
};

/* Everything in config is borrowed until the plugin is closed. */
void tg_builder_init(struct tg_builder *builder, const struct tg_builder_config *config);

/* Begin and end of a call that one of the two runtimes adds, like those of the build calls. false: the call must do
 * nothing, because it is not allowed here, or the run has failed. */
bool tg_builder_begin(struct tg_builder *builder, const char *call);
void tg_builder_end(struct tg_builder *builder);

/* Call the plugin's entry, guarded, with the build calls open. n_host_args > 0: the form with host arguments. Errors
 * are in the failure. */
void tg_builder_run(struct tg_builder *builder, const struct tg_module *plugin, const char *function_name,
                    uint64_t *host_args, int n_host_args);

/* The entry has ended in the way that `how` says; this becomes the run's failure. */
void tg_builder_report(struct tg_builder *builder, const char *function_name, const struct tg_guard *how);

/* aicpu_build_graph: take the plugin of a launch and let it build with the launch's builder. Errors are in the failure.
 * Returns the plugin, to be given back after the run; NULL: it could not be opened. */
struct tg_plugin *tg_builder_run_embedded(const struct tg_control_launch *launch, const struct tg_builder_hooks *hooks);

#endif
