/*
 * started.h - threads that foreign code starts.
 *
 * An object's calls of pthread_create and thrd_create are bound to tg_started_pthread and tg_started_thrd. A thread that is
 * started from a watched guarded call runs in a guarded call of its own, without a time limit: what ends it there ends
 * nothing else, and is told to the run whose code started it. Until the thread ends its object stays loaded.
 *
 * Threads: any.
 */
#ifndef TG_OS_STARTED_H
#define TG_OS_STARTED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <threads.h>

#include "os/guard.h"

int tg_started_pthread(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int tg_started_thrd(thrd_t *thread, thrd_start_t fn, void *arg);

/* Is the calling thread such a one? */
bool tg_started_is_own(void);

/* Has a thread that the code of `text` started come to a bad end? Tells each end once: what happened, into text of
 * n_bytes. */
bool tg_started_failed(struct tg_text_range text, char *what, size_t n_bytes);

#endif
