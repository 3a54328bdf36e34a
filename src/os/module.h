/*
 * module.h - shared objects that are opened from bytes in memory.
 *
 * The bytes go to a file in memory, which the loader opens by its name under /proc. The loader tells objects apart by
 * name. An object may stay loaded after it is closed: it is linked with -z nodelete, or a thread has a thread_local
 * variable of it that has a destructor. So a name is never used twice, and a loaded object must have the stamp of its
 * file (object.h). The file stays open as long as the module: a debugger reads symbols from it.
 *
 * Threads: any, also at the same time.
 */
#ifndef TG_OS_MODULE_H
#define TG_OS_MODULE_H

#include <stddef.h>

#include <tilegraph/tilegraph.h>

#include "base/descriptor.h"
#include "os/guard.h"

struct tg_module {
    void *handle;
    struct tg_descriptor file;
    uintptr_t base; /* load address: added to the addresses in its file */
    struct tg_text_range text;
    struct tg_text_range image; /* all of it, from its first to its last segment */
    struct tg_text_range
        data;            /* its variables: the writable segment, without the part that the loader made read-only */
    size_t thread_bytes; /* size of its thread-local variables */
};

/* Open bytes that were probed (probe.h). TG_ERR_LOAD, TG_ERR_MEMORY. */
enum tg_status tg_module_open(struct tg_module *module, const void *bytes, size_t n_bytes, const char *what);
void tg_module_close(struct tg_module *module);

/* Can the loader open files in memory here? TG_ERR_FILE: /proc is not mounted. */
enum tg_status tg_module_check_names(const char *what);

/* The address of `symbol`, or NULL. */
void *tg_module_symbol(const struct tg_module *module, const char *symbol);

/* The address of the module's pointer variable `symbol`, for the library to set. NULL: its writable data has no such
 * variable. */
void *tg_module_slot(const struct tg_module *module, const char *symbol);

/* Hold this lock while the calling thread calls a library that itself opens and closes shared objects, or forks. Blocks
 * while another thread holds it. */
void tg_module_hold_loader(void);
void tg_module_release_loader(void);

#endif
