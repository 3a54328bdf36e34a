/*
 * started.h - threads that foreign code starts.
 *
 * An object's calls of pthread_create and thrd_create are bound to tg_started_pthread and tg_started_thrd. A thread
 * that a watched guarded call starts runs in a guarded call of its own, without a time limit. A fault there ends only
 * that thread; the run whose code started it gets a report. The object stays loaded until the thread ends.
 *
 * Threads: any.
 */
#ifndef TG_OS_STARTED_H
#define TG_OS_STARTED_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <threads.h>

#include "os/guard.h"

int tg_started_pthread(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int tg_started_thrd(thrd_t *thread, thrd_start_t fn, void *arg);

/* Is the calling thread such a thread? */
bool tg_started_is_own(void);

/*
 * Threads that a library starts for foreign code (std::thread, OpenMP) run outside guarded calls. The place tells their
 * crash from a crash of the host: it is in the code of an object that is open here. The thread has never made a guarded
 * call, and is not opening or closing an object.
 */
void tg_started_add_code(struct tg_text_range text);
void tg_started_remove_code(struct tg_text_range text);

/* The calling thread opens or closes objects, whose constructors and destructors are the host's to run. */
void tg_started_in_loader(bool is_in_loader);

/* In a signal's handler: end the thread if the fault at `address`, where the processor was at `at`, is of that kind. */
void tg_started_end_thread(uintptr_t at, int signal, void *address);

/* Has a thread that the code of `text` started failed? Reports each failure once: its description, into text of
 * n_bytes. */
bool tg_started_failed(struct tg_text_range text, char *what, size_t n_bytes);

#endif
