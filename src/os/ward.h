/*
 * ward.h - threads of the library that run foreign code, and their ends.
 *
 * Foreign code can end its thread: pthread_exit, the system call exit. A ward is a thread that may end so. It begins
 * with all signals blocked, so that the process's own threads get the signals of the process. It has a stack of its
 * own (stack.h), and it cannot be cancelled. The thread that started it waits for it, is never interrupted, and learns
 * how it ended.
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
    struct tg_stack stack;
    tg_ward_fn *fn;
    void *arg;
    atomic_bool returned; /* writer: the ward. Publishes what fn did. */
};

/* The state of a ward. */
enum tg_ward_state { TG_WARD_RUNS, TG_WARD_RETURNED, TG_WARD_ENDED };

/* Start fn(arg). `what` names it in the message. Owns: the thread owns *ward until tg_ward_wait reports its end.
 * Errors: TG_ERR_MEMORY, no further thread is possible. */
enum tg_status tg_ward_start(struct tg_ward *ward, tg_ward_fn *fn, void *arg, const char *what);

/* Wait for its end, at most limit_ms. The caller owns *ward again when the result is not TG_WARD_RUNS. */
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
 * Make the call and wait for it. *ended: TG_GUARD_ENDED or TG_GUARD_STUCK if the foreign code took the thread with it,
 * otherwise TG_GUARD_RETURNED. After TG_GUARD_STUCK the thread still runs foreign code: memory that it may use must
 * stay. tg_last_message of the ward becomes the caller's.
 *
 * Errors    TG_ERR_MEMORY, TG_ERR_MISUSE   no thread, or no watch: fn was not called
 */
enum tg_status tg_ward_call(const struct tg_ward_call *call, struct tg_guard *ended);

#endif
