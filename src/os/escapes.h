/*
 * escapes.h - calls by which foreign code would leave what is guarded: it ends the process or its thread, or blocks the
 * signals that keep its limits.
 *
 * An object's own calls of these functions are bound to others. While a watched guarded call runs on the calling thread,
 * exit, _exit, _Exit, quick_exit and pthread_exit end that call, and the signals of the watch cannot be blocked. Everywhere
 * else they are the C library's. Not seen are system calls that the object makes by itself, and calls inside libraries that
 * it calls.
 */
#ifndef TG_OS_ESCAPES_H
#define TG_OS_ESCAPES_H

#include "os/module.h"

/* Bind the object's imports. Threads: as imports.h. */
void tg_escapes_bind(const struct tg_module *module);

#endif
