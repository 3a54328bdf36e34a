/*
 * guard.h - call foreign code (a kernel, a plugin) and come back whatever it does.
 *
 * A guarded call ends in one of five ways: it returns; it raises (an instruction that breaks a rule); it crashes; it
 * overflows its stack; it runs on without a sign of life. The last three need the handlers of tg_watch_begin; without
 * them a crash is the process's own. What the foreign code had allocated, locked or overwritten stays so: the
 * runtime releases its own memory and promises no more.
 *
 * The handlers are installed for the process while at least one watch is open, chain to those that were there before
 * when no guarded call is running, and are removed with the last watch. Leaving a handler does not work under the
 * thread sanitizer, which delays signals.
 */
#ifndef TG_OS_GUARD_H
#define TG_OS_GUARD_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

#include "os/coro.h"
#include "os/state.h"

enum tg_guard_end { TG_GUARD_RETURNED = 0, TG_GUARD_RAISED, TG_GUARD_CRASHED, TG_GUARD_OVERFLOWED, TG_GUARD_STUCK };

/* The code of a loaded shared object, to tell foreign code from everything else. */
struct tg_text_range {
    uintptr_t low, high;
};

struct tg_guard {
    sigjmp_buf jump;
    struct tg_text_range text; /* foreign code: where a stuck call is cut off */
    struct tg_guard *outer;
    struct tg_coro *coro;    /* that the call is made on */
    volatile unsigned *life; /* what tg_guard_alive counts on this thread */
    enum tg_guard_end end;
    int signal;                    /* CRASHED, OVERFLOWED */
    void *address;                 /* CRASHED, OVERFLOWED: of the fault */
    bool sent;                     /* the signal was sent by somebody, there is no address */
    volatile sig_atomic_t inside;  /* the foreign code has called the runtime, which must not be cut off */
    volatile sig_atomic_t expired; /* it would have been */
};

typedef void tg_guarded_fn(void *arg);

/* Call fn(arg) on this stack, in the default state of the processor (os/state.h). `text` is the range of the foreign
 * code's shared object. */
enum tg_guard_end tg_guard_call(struct tg_guard *guard, struct tg_text_range text, tg_guarded_fn *fn, void *arg);

/*
 * A guarded call may itself be ours and call foreign code many times. It begins with tg_guard_pause; from
 * tg_guard_resume to the next tg_guard_pause it is in the foreign code whose range is `text`, with a time limit of its
 * own. Only on the stack that the guarded call was made on. What is wrong outside of the two is no fault of the foreign
 * code, and is the process's own.
 */
static inline void tg_guard_pause(struct tg_guard *guard)
{
    tg_state_settle();
    guard->coro->guard = NULL;
}

static inline void tg_guard_resume(struct tg_guard *guard, struct tg_text_range text)
{
    guard->text = text;
    ++*guard->life;
    guard->coro->guard = guard;
}

/* Leave the innermost guarded call of this coroutine with TG_GUARD_RAISED. */
_Noreturn void tg_guard_raise(void);

/* The guarded call of this coroutine has got somewhere: its time limit starts anew. */
void tg_guard_alive(void);

/* The foreign code of this coroutine calls the runtime, and is back. In between it is not cut off, because the runtime may
 * hold a lock; if its time ran out meanwhile, tg_guard_leave_runtime ends the guarded call. */
void tg_guard_enter_runtime(void);
void tg_guard_leave_runtime(void);

/* The same three for who has the innermost guarded call of its coroutine at hand. */
static inline void tg_guard_live(struct tg_guard *guard) { ++*guard->life; }
static inline void tg_guard_enter(struct tg_guard *guard) { guard->inside = 1; }
_Noreturn void tg_guard_expire(struct tg_guard *guard); /* its time ran out: end it */
static inline void tg_guard_leave(struct tg_guard *guard)
{
    guard->inside = 0;
    if (guard->expired) tg_guard_expire(guard);
}

/* What the runtime did since tg_guard_enter took its time, not the foreign code's, whose limit starts anew. */
static inline void tg_guard_excuse(struct tg_guard *guard)
{
    ++*guard->life;
    guard->expired = 0;
}

/* What happened, for a message: "SIGSEGV at 0x10". */
void tg_guard_describe(const struct tg_guard *guard, char *text, size_t n_bytes);

/* One thread's watch: handlers, an alternate signal stack, and a timer. */
struct tg_watch {
    void *stack;       /* the alternate stack, owned */
    void *previous[3]; /* the alternate stack that was there: address, bytes, flags */
    void *timer;       /* owned */
    sigset_t previous_mask;
    bool open;
};

/* From here to tg_watch_end crashes of guarded calls on this thread end the call, and so does `limit_ms` of host time
 * without tg_guard_alive. TG_ERR_MEMORY. */
enum tg_status tg_watch_begin(struct tg_watch *watch, uint32_t limit_ms);
void tg_watch_end(struct tg_watch *watch);

#endif
