/*
 * exits.h - functions that foreign code registers to be called at the end (atexit, destructors of static objects in
 * functions of C++).
 *
 * The loader would call them on the host's thread when it closes the object, and nothing would stop a crash or an
 * endless loop there. An object's own calls of __cxa_atexit are bound to tg_exits_register. The functions run before
 * the object is closed, in a guarded call with a time limit.
 *
 * Threads: any.
 */
#ifndef TG_OS_EXITS_H
#define TG_OS_EXITS_H

#include <stdbool.h>

#include "os/guard.h"

typedef void tg_exit_fn(void *arg);

/* Like __cxa_atexit: 0, or -1 without memory. Outside of a watched guarded call it is __cxa_atexit. */
int tg_exits_register(tg_exit_fn *fn, void *arg, void *object);

/* Call the functions that the code of `text` has registered, the last one first. A crash or the time limit ends a
 * function, with a warning in the log. false: one of them cannot be ended, and its object must stay loaded. */
bool tg_exits_run(struct tg_text_range text);

#endif
