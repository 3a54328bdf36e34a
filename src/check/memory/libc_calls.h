/*
 * libc_calls.h - functions of the C library that access memory of their caller: report their accesses.
 *
 * An object's call of memcpy is not a load or store of its own, so the compiler reports nothing for it. A checked run
 * binds the slots of such imports to functions that report the access and then call the real one. So the checks see
 * calls, calls by pointers, and the copies of structures that a compiler turns into calls.
 *
 * The effects of other imported functions on device memory, and their state between calls, are unknown. Some are known
 * not to access memory of their caller; the proof lists the others.
 *
 * Threads: binding as imports.h; the bound functions any.
 */
#ifndef TG_CHECK_MEMORY_LIBC_CALLS_H
#define TG_CHECK_MEMORY_LIBC_CALLS_H

#include "os/imports.h"

/* Bind the object's imports to reporting functions, or back to the real ones. */
void tg_libc_calls_bind(const struct tg_module *module, bool tell);

/* Call visit with the name of each unknown imported function. */
void tg_libc_calls_unknown(const struct tg_module *module, void (*visit)(void *context, const char *name),
                           void *context);

#endif
