/*
 * refused.h - calls that would change the host's property: its signals, limits, processes, settings, threads, and
 * pages that foreign code has not mapped itself (mapped.h).
 *
 * While a watched guarded call runs on the calling thread they fail with EPERM and change nothing; queries work.
 * Everywhere else they behave like the C library's.
 *
 * Threads: any.
 */
#ifndef TG_OS_REFUSED_H
#define TG_OS_REFUSED_H

#include <stdbool.h>

/* Does a watched guarded call run on this thread? Then errno is EPERM. */
bool tg_refused(void);

/* The replacement of the C library's function `name`; NULL: it is not refused. */
void *tg_refused_find(const char *name);

/* Is a system call with these six arguments refused on this thread, or done here? Then *result is its result. */
bool tg_refused_system_call(long number, const long arguments[6], long *result);

#endif
