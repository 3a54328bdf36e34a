/*
 * observer.h - the events of a launch: the history of its tasks, and the instructions of its cores.
 *
 * The trace and the checks are observers. The host registers them for a launch; the machine, the control program and
 * the builder do not know them. Without observers a launch pays one comparison with NULL for each event.
 *
 *     builder          added, edge, published, labelled, waited, allocated, freed, entry_begins, entry_ends
 *     control thread   ran, span
 *     core             kernel_begins, instruction, broken, transfer, kernel_ends, step, spent
 *
 * Pointers in the events are borrowed for the call, except where a declaration says more.
 *
 * Threads: each event comes on the thread of its actor. Workers report `ran` at the same time, each with a number of
 * its own.
 */
#ifndef TG_MACHINE_OBSERVER_H
#define TG_MACHINE_OBSERVER_H

#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tile.h>

#include "base/kernels.h"

struct tg_buffers;
struct tg_facts;
struct tg_module;

enum { TG_OBSERVED_PIPES = PIPE_FIX + 1 };

/* The work of a kernel on its core. */
struct tg_kernel_times {
    uint32_t pipe_busy_ns[TG_OBSERVED_PIPES]; /* [enum tg_pipe] */
    uint32_t memory_wait_ns;                  /* longer than alone: others used device memory at the same time */
    uint64_t gm_bytes;                        /* moved between device memory and the core */
    uint64_t n_instructions;
};

/* The activity of a control thread during a span. */
enum tg_span_kind { TG_SPAN_BUILD, TG_SPAN_WINDOW, TG_SPAN_POLL, TG_SPAN_COMPLETE, TG_SPAN_DISPATCH, TG_SPAN_KINDS };

/* A task that was added. The texts live as long as the run. */
struct tg_added {
    int32_t task_id, line;
    const char *kernel, *file; /* file NULL: unknown */
    uint64_t now_ns;
};

/* A task that has run to its end. `file` lives as long as the run. */
struct tg_ran {
    uint64_t ready_ns, dispatched_ns, start_ns, end_ns, complete_ns;
    int32_t task_id, line;
    uint16_t func_id, core;
    const char *file;
    struct tg_kernel_times kernel;
};

/* A kernel that begins on a core. The texts live as long as the run; the rest, until the kernel ends. */
struct tg_kernel_begin {
    const struct tg_kernel *kernel;
    const int64_t *args; /* [n_args], followed by unused ones up to TG_TASK_ARGS_MAX */
    uint32_t n_args, core;
    enum tg_core_type core_type;
    int32_t task_id;
    const struct tg_buffers *contents; /* of the core, if each instruction is executed before the next; else NULL */
    const struct tg_facts *facts;      /* of the device */
};

/* Time that a pipe of a core spent on an instruction, which a line of a kernel's source has issued. */
struct tg_spent {
    const char *file; /* lives as long as the kernel is loaded */
    uint32_t line;
    uint32_t op; /* enum tg_op. WAIT_FLAG: the pipe waited for the flag. Others: it worked */
    double ns;
};

/* NULL: the observer does not need the event. */
struct tg_observer_ops {
    void (*added)(void *context, const struct tg_added *task);
    void (*edge)(void *context, int32_t from, int32_t to);
    void (*published)(void *context, int32_t task_id, uint64_t now_ns);
    void (*labelled)(void *context, int32_t task_id, const char *label);
    void (*waited)(void *context, int32_t task_id); /* the builder has waited for it */
    void (*allocated)(void *context, uint64_t address, uint64_t bytes, const char *file, int32_t line);
    void (*freed)(void *context, uint64_t address, const char *file, int32_t line);
    /* The builder is about to call the plugin's entry; it has returned. on_host: it runs before the launch. */
    void (*entry_begins)(void *context, const struct tg_module *plugin, bool on_host);
    void (*entry_ends)(void *context, const struct tg_module *plugin);

    void (*ran)(void *context, uint32_t thread, const struct tg_ran *task);
    void (*span)(void *context, uint32_t thread, enum tg_span_kind kind, uint64_t start_ns, uint64_t end_ns);

    /* false: no memory, and the kernel does not run. */
    bool (*kernel_begins)(void *context, const struct tg_kernel_begin *begin);
    /* The next instruction of the kernel. `broken`: the rule that it breaks, or NULL. With a broken rule the kernel
     * ends there, and `pipe` has no meaning. */
    void (*instruction)(void *context, uint32_t core, const struct tg_instr *instr, enum tg_pipe pipe,
                        const char *broken);
    /* The instruction is about to access device memory. false: the machine must not do that. */
    bool (*transfer)(void *context, uint32_t core, const struct tg_instr *instr);
    void (*kernel_ends)(void *context, uint32_t core, bool returned);
    /* A pipe of the core was busy with an instruction. */
    void (*step)(void *context, uint32_t core, enum tg_pipe pipe, uint32_t op, uint64_t start_ns, uint64_t end_ns);
    /* The same, and waits for flags, by the line of the kernel. An observer keeps apart what it learns of each core. */
    void (*spent)(void *context, uint32_t core, const struct tg_spent *spent);
};

struct tg_observer {
    const struct tg_observer_ops *ops;
    void *context;
    const struct tg_observer *next; /* NULL: the last */
    bool judges; /* it reports defects: where it can, the machine goes on after one, and does not count its time */
};

/* Tell all observers of the list. */
#define TG_OBSERVE(observers, event, ...)                                                                              \
    do {                                                                                                               \
        for (const struct tg_observer *observer_ = (observers); observer_; observer_ = observer_->next)                \
            if (observer_->ops->event) observer_->ops->event(observer_->context, __VA_ARGS__);                         \
    } while (0)

/* The same for an event that an observer can refuse; *accepted becomes false if one does. */
#define TG_OBSERVE_ASKING(observers, accepted, event, ...)                                                             \
    do {                                                                                                               \
        for (const struct tg_observer *observer_ = (observers); observer_; observer_ = observer_->next)                \
            if (observer_->ops->event && !observer_->ops->event(observer_->context, __VA_ARGS__)) *(accepted) = false; \
    } while (0)

/* Does an observer want the tasks that ran? */
static inline bool tg_observed_tasks(const struct tg_observer *observers)
{
    while (observers && !observers->ops->ran) observers = observers->next;
    return observers;
}

/* Does an observer look into the cores? */
static inline bool tg_observed_cores(const struct tg_observer *observers)
{
    while (observers && !observers->ops->instruction && !observers->ops->step) observers = observers->next;
    return observers;
}

/* Does an observer report defects? */
static inline bool tg_observed_strictly(const struct tg_observer *observers)
{
    while (observers && !observers->judges) observers = observers->next;
    return observers;
}

#endif
