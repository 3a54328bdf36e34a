/*
 * plain.h - plain loads and stores of device memory by kernels and plugins that are compiled to tell (access.h).
 *
 * While foreign code runs, its thread has a watcher: whose accesses these are, and who is told. A kernel runs from its
 * start to its end without a switch, so its watcher takes the place of the builder's and gives it back.
 *
 * Threads: each has its own watcher.
 */
#ifndef TG_CHECK_MEMORY_PLAIN_H
#define TG_CHECK_MEMORY_PLAIN_H

#include "check/memory/memory_check.h"
#include "os/module.h"

struct tg_watcher {
    struct tg_memory_check *check;
    int32_t task_id; /* or TG_BUILDER */
    uint32_t core;
    enum tg_core_type core_type;
    const struct tg_module *module; /* whose code runs */
    struct tg_watcher *outer;
};

/* Was the object compiled to tell of its plain accesses? */
bool tg_plain_tells(const struct tg_module *module);

/* Let it tell, or not. One that cannot is left as it is. */
void tg_plain_listen(const struct tg_module *module, bool listen);

/* From here to end, what this thread tells is `watcher`'s. Borrows it. */
void tg_plain_begin(struct tg_watcher *watcher);
void tg_plain_end(struct tg_watcher *watcher);

#endif
