/*
 * escapes.h - calls by which foreign code would leave its guarded call, or harm its host.
 *
 * An object's own calls of these functions are bound to others. While a watched guarded call runs on the calling
 * thread,
 *
 *     exit, pthread_exit, exec and signals that end or stop the process   end that call
 *     pthread_sigmask, sigwait, sigsuspend and others                     cannot block or take the watch's signals
 *     atexit                                                              registers for the object's end (exits.h)
 *     pthread_create                                                      starts threads in own guards (started.h)
 *     changes of the host's signals, limits, processes, code              fail with EPERM (refused.h)
 *     what would send signals later                                       the same (senders.h)
 *     what would stay in the C library                                    stays no longer than the object (lasting.h)
 *     syscall                                                             does the same for system calls of this kind
 *
 * Everywhere else they behave like the C library's. Two cases are not caught: system calls in assembly language, and
 * calls inside libraries that the object calls.
 */
#ifndef TG_OS_ESCAPES_H
#define TG_OS_ESCAPES_H

#include <stddef.h>
#include <stdint.h>

#include "os/module.h"

/* Bind the object's imports. Threads: as imports.h. */
void tg_escapes_bind(const struct tg_module *module);

/* A row of a table of functions, by their names. ISO C has no pointer for functions of all types; POSIX has void *. */
struct tg_escape {
    const char *name;
    void *function;
};
#define TG_ESCAPE(name, function)                                                                                      \
    {                                                                                                                  \
        name, (void *)(uintptr_t)(function)                                                                            \
    }

/* NULL: no row has this name. */
void *tg_escape_find(const struct tg_escape *rows, size_t n, const char *name);

#endif
