/*
 * module.h - shared objects that are opened from bytes in memory.
 *
 * The bytes go to an anonymous file, which the loader opens by its /proc name. The loader tells objects apart by name,
 * so the file stays open until the object is closed: a reused descriptor would give the previous object.
 *
 * Threads: any, also at the same time. A child process is a copy that has one thread: what another thread had locked or
 * was changing is so for ever there. Our own threads leave the loader alone meanwhile; a child that finds a lock of
 * somebody else's is given up, and another tried. Not seen is another thread that is inside dlopen or dlclose by itself at
 * that moment.
 */
#ifndef TG_OS_MODULE_H
#define TG_OS_MODULE_H

#include <stddef.h>

#include <tilegraph/tilegraph.h>

#include "os/guard.h"

struct tg_module {
    void *handle;
    int fd;
    uintptr_t base; /* what its file's addresses are added to */
    struct tg_text_range text;
    struct tg_text_range image; /* all of it, from its first to its last segment */
    struct tg_text_range
        data;            /* its variables: the segment that may be written, but for what the loader made read only */
    size_t thread_bytes; /* variables that each thread has for itself */
};

/* Which version of a header a shared object was built against: a uint32_t that it may export. */
struct tg_module_abi {
    const char *symbol;
    uint32_t version; /* the one that it has to be */
    const char *header;
};

/* What a probe tries of a shared object. */
struct tg_rehearsal {
    const char *symbol;       /* has to be there */
    struct tg_module_abi abi; /* has to be this if it is there; symbol NULL: nothing is looked for */
    /* What the owner will do with it; NULL: nothing. */
    void (*use)(const struct tg_module *module, const void *context);
    const void *context;
};

/*
 * Open bytes[n_bytes] in a child process, look for the symbol, use it, close, and leave. What crashes or hangs there has done no harm
 * here. `what` names the object in the message ("kernel aic_qk_matmul").
 *
 * Errors    TG_ERR_LOAD    no shared object for this computer; the message has the loader's reason
 *           TG_ERR_SYMBOL  no such symbol
 *           TG_ERR_ABI     built against another version of the header
 *           TG_ERR_MEMORY  no file, no process
 */
enum tg_status tg_module_probe(const void *bytes, size_t n_bytes, const struct tg_rehearsal *rehearsal,
                               const char *what);

/* Open bytes that were probed. */
enum tg_status tg_module_open(struct tg_module *module, const void *bytes, size_t n_bytes, const char *what);
void tg_module_close(struct tg_module *module);

/* The address of `symbol`, or NULL. */
void *tg_module_symbol(const struct tg_module *module, const char *symbol);

/* While the calling thread calls a library that opens and closes shared objects by itself. Blocks while others do. */
void tg_module_hold_loader(void);
void tg_module_release_loader(void);

#endif
