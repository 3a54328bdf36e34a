/*
 * builder.h - the build calls of orchestration.h over a graph: what a plugin holds in its hand.
 *
 * One builder a run, on the host before the launch or on an AICPU thread during it. What differs between the two
 * comes in as hooks. The first error stays (in the run's failure) and makes every later call do nothing.
 *
 * Threads: the builder's own. Calls from another thread, from inside a call, or after the entry returned are refused
 * with TG_ERR_MISUSE, as far as that can be seen.
 */
#ifndef TG_ORCHESTRATE_BUILDER_H
#define TG_ORCHESTRATE_BUILDER_H

#include "base/error.h"
#include "check/memory/plain.h"
#include "graph/graph.h"
#include "launch/launch.h"
#include "machine/machine.h"
#include "os/module.h"
#include "trace/record.h"

/* What a build call needs from around it. */
struct tg_builder_hooks {
    void *context;
    /* The builder's time in ns; NULL: it has none. */
    uint64_t (*now)(void *context);
    /* Account for one piece of work; NULL: it takes the time that it takes. */
    void (*spend)(void *context, enum tg_work work);
    /* A task was published; it may run now if `ready` is not NULL. */
    void (*published)(void *context, struct tg_task *ready);
    /* Wait until task `id` is complete. false: it cannot be, the failure says why. NULL: not possible here. */
    bool (*wait_task)(void *context, int64_t id);
};

/* A name that the plugin gave, and our copy without folders. */
struct tg_source_file {
    const char *theirs;
    char ours[128];
};

enum { TG_BUILDER_FILES_MAX = 32 }; /* source files of one plugin that are told apart */

/* Outlives the plugin, whose destructors may still call: it is the run's. */
struct tg_builder {
    struct tg_runtime rt; /* first: the plugin's pointer is ours */
    struct tg_graph *graph;
    const struct tg_kernels *kernels;
    struct tg_gm *gm;
    struct tg_gm_owner *gm_owner; /* of what the plugin allocates */
    struct tg_failure *failure;
    struct tg_record_log *log;     /* NULL: not recorded */
    struct tg_memory_check *check; /* NULL: not checked */
    struct tg_builder_hooks hooks;
    /* Who may call: */
    const struct tg_coro *coro; /* a task on another one, or a thread of the plugin's, may not */
    enum { TG_BUILDER_CLOSED, TG_BUILDER_OPEN, TG_BUILDER_IN_CALL } state; /* writer and reader: that coroutine */
    struct tg_guard *guard;                                                /* of the entry function, while it runs */
    /* Where the next add_task, device_malloc or device_free is. */
    const char *file; /* one of files */
    int line;
    const char *outer_file; /* of the call among whose arguments the next one is made */
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
    struct tg_record_log *log;     /* NULL: not recorded */
    struct tg_memory_check *check; /* NULL: not checked */
    const uint64_t *orch_args;     /* borrowed */
    int32_t orch_argc;
    struct tg_builder_hooks hooks;
};

/* Everything in config is borrowed until the plugin is closed. */
void tg_builder_init(struct tg_builder *builder, const struct tg_builder_config *config);

/* A call that one of the two runtimes adds begins and ends like the build calls. false: it must do nothing, because it is not
 * allowed here, or the run has failed. */
bool tg_builder_begin(struct tg_builder *builder, const char *call);
void tg_builder_end(struct tg_builder *builder);

/* Call the plugin's entry, guarded, with the build calls open; n_host_args > 0: the form with host arguments. What goes
 * wrong is in the failure. */
void tg_builder_run(struct tg_builder *builder, const struct tg_module *plugin, const char *function_name,
                    uint64_t *host_args, int n_host_args);

/* The entry has ended as `how` tells: that is the failure. */
void tg_builder_report(struct tg_builder *builder, const char *function_name, const struct tg_guard *how);

/* aicpu_build_graph: open the plugin that is embedded in a launch and let it build with the launch's builder. What goes
 * wrong is in the failure; *plugin may be open all the same. `log` may be NULL. */
void tg_builder_run_embedded(const struct tg_control_launch *launch, struct tg_record_log *log,
                             const struct tg_builder_hooks *hooks, struct tg_module *plugin);

#endif
