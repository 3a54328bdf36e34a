#include "os/ward.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/coro.h"
#include "os/state.h"

/* Stacks for plugins with large frames, whatever `ulimit -s` says. The library's part also holds the thread's
 * thread-local variables. */
enum { OWN_BYTES = 1 << 20, FOREIGN_BYTES = 8 << 20 };

static void *ward_main(void *arg)
{
    struct tg_ward *ward = arg;
    tg_state_reset(); /* a thread begins in the state of its creator */
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    ward->fn(ward->arg);
    /* Release, pairs with the acquire in tg_ward_wait(). */
    atomic_store_explicit(&ward->returned, true, memory_order_release);
    return NULL;
}

/* It inherits the mask of the thread that starts it. */
static int start(struct tg_ward *ward, const pthread_attr_t *attr)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&ward->thread, attr, ward_main, ward);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

enum tg_status tg_ward_start(struct tg_ward *ward, tg_ward_fn *fn, void *arg, const char *what)
{
    ward->fn = fn;
    ward->arg = arg;
    atomic_init(&ward->returned, false);
    TG_TRY(tg_stack_map(&ward->stack, OWN_BYTES, FOREIGN_BYTES));
    pthread_attr_t attr;
    int error = pthread_attr_init(&attr);
    if (error == 0) {
        pthread_attr_setstack(&attr, tg_stack_foreign(&ward->stack), ward->stack.bytes - ward->stack.region_bytes);
        error = start(ward, &attr);
        pthread_attr_destroy(&attr);
    }
    if (error == 0) return TG_OK;
    tg_stack_unmap(&ward->stack);
    return tg_error(TG_ERR_MEMORY, "%s: no thread: %s", what, strerror(error));
}

/* The thread sanitizer does not know pthread_clockjoin_np, and takes a thread that it has joined for a leak. */
#if defined(__SANITIZE_THREAD__)
enum { JOIN_CLOCK = CLOCK_REALTIME };
static int join_until(pthread_t thread, const struct timespec *until)
{
    return pthread_timedjoin_np(thread, NULL, until);
}
#else
enum { JOIN_CLOCK = CLOCK_MONOTONIC };
static int join_until(pthread_t thread, const struct timespec *until)
{
    return pthread_clockjoin_np(thread, NULL, JOIN_CLOCK, until);
}
#endif

enum tg_ward_state tg_ward_wait(struct tg_ward *ward, uint32_t limit_ms)
{
    struct timespec until;
    clock_gettime(JOIN_CLOCK, &until);
    until.tv_sec += limit_ms / 1000;
    until.tv_nsec += (long)(limit_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    if (join_until(ward->thread, &until) != 0) return TG_WARD_RUNS;
    tg_stack_unmap(&ward->stack);
    /* Acquire, pairs with the release in ward_main(). */
    return atomic_load_explicit(&ward->returned, memory_order_acquire) ? TG_WARD_RETURNED : TG_WARD_ENDED;
}

/* The shared data of a call's ward and the waiting thread. */
struct watched {
    const struct tg_ward_call *call;
    struct tg_ward ward;
    struct tg_watch watch;
    enum tg_status status;          /* of the watch */
    char message[TG_MESSAGE_BYTES]; /* tg_last_message at its end */
};

static void call_watched(void *arg)
{
    struct watched *watched = arg;
    tg_coro_adopt(&watched->ward.stack);
    watched->status = tg_watch_begin(&watched->watch, watched->call->limit_ms);
    if (watched->status == TG_OK) watched->call->fn(watched->call->arg);
    snprintf(watched->message, sizeof watched->message, "%s", tg_last_message());
    tg_watch_end(&watched->watch);
}

/* The final state of the ward; TG_WARD_RUNS: it was given up. */
static enum tg_ward_state attend(struct watched *watched)
{
    const struct tg_ward_call *call = watched->call;
    const uint32_t look_ms = tg_watch_look_ms(call->limit_ms);
    enum tg_ward_state state;
    for (uint32_t ms = look_ms; (state = tg_ward_wait(&watched->ward, look_ms)) == TG_WARD_RUNS; ms += look_ms) {
        if (tg_watch_look(&watched->watch, look_ms) == TG_WATCH_LOST) break;
        if (ms < TG_ATTEND_MS) continue;
        ms = 0;
        if (call->attend) call->attend(call->context);
    }
    return state;
}

enum tg_status tg_ward_call(const struct tg_ward_call *call, struct tg_guard *ended)
{
    memset(ended, 0, sizeof *ended);
    struct watched *watched = calloc(1, sizeof *watched);
    if (!watched) return tg_error(TG_ERR_MEMORY, "no memory for a thread");
    watched->call = call;
    enum tg_status status = tg_ward_start(&watched->ward, call_watched, watched, "foreign code");
    if (status != TG_OK) {
        free(watched);
        return status;
    }
    const enum tg_ward_state state = attend(watched);
    if (state == TG_WARD_RUNS) {
        *ended = (struct tg_guard){.end = TG_GUARD_STUCK, .limit_ms = call->limit_ms};
        return TG_OK; /* the lost thread owns *watched forever: its signal handlers use it */
    }
    if (state == TG_WARD_ENDED) {
        tg_watch_bury(&watched->watch);
        ended->end = TG_GUARD_ENDED;
    } else {
        status = tg_error(watched->status, "%s", watched->message);
    }
    free(watched);
    return status;
}
