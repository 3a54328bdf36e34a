/*
 * probe.h - try a shared object in another process before this one opens it.
 *
 * What crashes, hangs or exits while it is opened or closed does so there. The other process is the helper, a small program
 * of the library's own (src/helper) that takes about a millisecond whatever the size of the host, and that shares neither
 * locks nor descriptors with it:
 *
 *     host                                        helper
 *     write the object into a file in memory
 *     start the helper from another one
 *     read "begun"                     <-------   has closed what is not its own
 *     read the answer, wait for the end <------   dlopen, dlsym, dlclose; answer; exit handlers
 *
 * A copy of this process (fork) takes its place where the helper cannot be started (the system forbids to execute a file in
 * memory, for example), for an object that needs a sanitizer's runtime, and for one that the helper's loader refuses: it
 * may need a symbol or a library that only this process has. A copy takes time in proportion to the memory of the process. What another thread had locked is locked in the copy for ever. Our own threads leave the loader
 * alone meanwhile; a copy that finds another lock taken is given up, and the next one is tried.
 *
 * Threads: any, also at the same time.
 */
#ifndef TG_OS_PROBE_H
#define TG_OS_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

/* Which version of a header a shared object was built against: a uint32_t that it may export. */
struct tg_module_abi {
    const char *symbol;
    uint32_t version; /* the one that it has to be */
    const char *header;
};

/* What an object has to have. */
struct tg_rehearsal {
    const char *symbol;       /* a function */
    struct tg_module_abi abi; /* this version if it tells one; symbol NULL: it is not asked */
};

/*
 * Check the tables of bytes[n_bytes] (object.h), open them in another process, look for the symbol, and close them. `what`
 * names the object in the message ("kernel aic_qk_matmul").
 *
 * Blocks    until that process ends; 5 s at most
 * Errors    TG_ERR_LOAD    no shared object for this computer; the message has the reason
 *           TG_ERR_SYMBOL  no such symbol
 *           TG_ERR_ABI     built against another version of the header
 *           TG_ERR_MEMORY  no file, no descriptor, no process
 */
enum tg_status tg_module_probe(const void *bytes, size_t n_bytes, const struct tg_rehearsal *rehearsal,
                               const char *what);

#endif
