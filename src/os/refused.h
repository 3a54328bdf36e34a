/*
 * refused.h - calls that would change what belongs to the host: its signals, limits, processes, timers, and the code of
 * objects that are loaded.
 *
 * While a watched guarded call runs on the calling thread they fail with EPERM and change nothing; questions are answered.
 * Everywhere else they are the C library's.
 *
 * Threads: any.
 */
#ifndef TG_OS_REFUSED_H
#define TG_OS_REFUSED_H

#include <stdbool.h>

/* What a call of the C library's function `name` is bound to; NULL: it is not refused. */
void *tg_refused_find(const char *name);

/* Is a system call with these six arguments refused on this thread? */
bool tg_refused_system_call(long number, const long arguments[6]);

#endif
