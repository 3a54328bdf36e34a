/*
 * probe.h - try a shared object in another process before this one opens it.
 *
 * An object that crashes, hangs or exits on opening or closing does so in the other process. That process is the
 * helper, a small program of the library (src/helper). It takes about a millisecond, even for a large host. It shares
 * neither locks nor descriptors with the host:
 *
 *     host                                        helper
 *     write the object into a file in memory
 *     start the helper from another one
 *     read "begun"                     <-------   has closed the host's descriptors
 *     read the answer, wait for the end <------   dlopen, dlsym, dlclose; answer; exit handlers
 *
 * A copy of this process (fork) replaces the helper in three cases. The helper cannot be started, for example because
 * the system forbids executing a file in memory. The object needs a sanitizer's runtime. The helper's loader refuses
 * the object, which may need a symbol or a library that only this process has.
 *
 * Copying takes time in proportion to the memory of the process. A lock that another thread holds stays locked in the
 * copy forever. Our own threads leave the loader alone meanwhile. A copy that finds another lock taken is given up, and
 * the next copy is tried.
 *
 * Threads: any, also at the same time.
 */
#ifndef TG_OS_PROBE_H
#define TG_OS_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

/* The header version that a shared object was built against: a uint32_t that it may export. */
struct tg_module_abi {
    const char *symbol;
    uint32_t oldest, version; /* the versions that fit: from the first to the second */
    const char *header;
};

/* The requirements for an object. */
struct tg_rehearsal {
    const char *symbol;       /* a function */
    struct tg_module_abi abi; /* if the object exports a version, it must fit; symbol NULL: not checked */
};

/*
 * Check the tables of bytes[n_bytes] (object.h), open them in another process, look up the symbol, and close them.
 * `what` names the object in the message ("kernel aic_qk_matmul").
 *
 * Blocks    until that process ends; at most 5 s
 * Errors    TG_ERR_LOAD    not a shared object for this computer; the message has the reason
 *           TG_ERR_SYMBOL  the symbol is missing
 *           TG_ERR_ABI     built against another version of the header
 *           TG_ERR_MEMORY  no file, no descriptor, no process
 */
enum tg_status tg_module_probe(const void *bytes, size_t n_bytes, const struct tg_rehearsal *rehearsal,
                               const char *what);

#endif
