/*
 * libc_calls.h - functions of the C library that use memory which their caller names: what they do is told.
 *
 * An object's call of memcpy is no load or store of its own, so the compiler tells nothing of it. A checked run binds the
 * slots of such imports to functions that tell the access and then call the real one. So calls, calls by pointers and the
 * copies of structures that a compiler makes calls of are all seen.
 *
 * What other imported functions do to device memory, and what they keep between two calls, is not known. Some are known to
 * use no memory of their caller; the others are named beside the proof.
 *
 * Threads: binding as imports.h; the bound functions any.
 */
#ifndef TG_CHECK_MEMORY_LIBC_CALLS_H
#define TG_CHECK_MEMORY_LIBC_CALLS_H

#include "os/imports.h"

/* Bind the object's imports to functions that tell, or back to the real ones. */
void tg_libc_calls_bind(const struct tg_module *module, bool tell);

/* Call visit with the name of each imported function that is not known. */
void tg_libc_calls_unknown(const struct tg_module *module, void (*visit)(void *context, const char *name),
                           void *context);

#endif
