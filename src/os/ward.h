/*
 * ward.h - threads of the library's own that foreign code runs on, and what becomes of them.
 *
 * Foreign code can end its thread: pthread_exit, the system call exit. A ward is a thread that may end so. It begins with
 * all signals blocked, so that signals of the process go to the process's own threads, with a stack whose end is known, and
 * without cancellation. The thread that started it waits for it, is never interrupted, and learns how it ended.
 *
 *     waiting thread                      ward
 *     tg_ward_start  ------------------>  fn(arg)
 *     tg_ward_wait   <------------------  returns: TG_WARD_RETURNED; ends in another way: TG_WARD_ENDED
 */
#ifndef TG_OS_WARD_H
#define TG_OS_WARD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

#include "base/error.h"
#include "os/guard.h"

typedef void tg_ward_fn(void *arg);

struct tg_ward {
    pthread_t thread;
    tg_ward_fn *fn;
    void *arg;
    atomic_bool returned; /* writer: the ward. Publishes what fn did. */
};

/* How a ward is. */
enum tg_ward_state { TG_WARD_RUNS, TG_WARD_RETURNED, TG_WARD_ENDED };

/* Start fn(arg). `what` names it in the message. Owns: *ward is the thread's until tg_ward_wait says that it has ended.
 * Errors: TG_ERR_MEMORY, there can be no more threads. */
enum tg_status tg_ward_start(struct tg_ward *ward, tg_ward_fn *fn, void *arg, const char *what);

/* Wait for its end, for limit_ms at most. Once it is not TG_WARD_RUNS any more, *ward is the caller's again. */
enum tg_ward_state tg_ward_wait(struct tg_ward *ward, uint32_t limit_ms);

/* A call of fn(arg) on a ward under a watch of limit_ms, and the thread that waits for it. */
struct tg_ward_call {
    tg_ward_fn *fn;
    void *arg;
    uint32_t limit_ms;
    void (*attend)(void *context); /* on the waiting thread, every TG_ATTEND_MS; NULL: nothing */
    void *context;
};

enum { TG_ATTEND_MS = 100 };

/*
 * Make the call and wait for it. *ended: how the foreign code took the thread with it, TG_GUARD_ENDED or TG_GUARD_STUCK;
 * TG_GUARD_RETURNED if it did not. After TG_GUARD_STUCK the thread runs on, in foreign code: what it may use there stays.
 * tg_last_message of the ward becomes the caller's.
 *
 * Errors    TG_ERR_MEMORY, TG_ERR_MISUSE   no thread, or no watch: fn was not called
 */
enum tg_status tg_ward_call(const struct tg_ward_call *call, struct tg_guard *ended);

#endif
