/*
 * guard.h - call foreign code (a kernel, a plugin) and come back whatever it does.
 *
 * A guarded call ends in one of these ways: it returns; it raises (an instruction that breaks a rule); it asks for the end
 * of the process; it crashes; it overflows its stack; it runs on without a sign of life. The last three need a watch. Only
 * a ward's thread (ward.h) may end with its guarded call, or never come back from it. What the foreign code had allocated,
 * locked or overwritten stays so: the runtime releases its own memory and promises no more.
 *
 *     watched thread                                watching thread, every tg_watch_look_ms
 *     tg_watch_begin: handlers, signal stack
 *     tg_guard_call: foreign code runs              tg_watch_look: is there a sign of life?
 *     on_tick: end the call  <---- the tick ------  no, for the limit: send a signal
 *     tg_watch_end                                  no answer either: the thread is lost
 *
 * The handlers are installed for the process while at least one watch is open, chain to those that were there before
 * when no guarded call is running, and are removed with the last watch. They touch no thread-local storage that is
 * allocated on first use: they may interrupt malloc. Leaving a handler does not work under the thread sanitizer, which
 * delays signals.
 */
#ifndef TG_OS_GUARD_H
#define TG_OS_GUARD_H

#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <tilegraph/tilegraph.h>

#include "os/coro.h"
#include "os/state.h"

enum tg_guard_end {
    TG_GUARD_RETURNED = 0,
    TG_GUARD_RAISED,
    TG_GUARD_EXITED, /* asked for the end of its process or thread */
    TG_GUARD_CRASHED,
    TG_GUARD_OVERFLOWED,
    TG_GUARD_STUCK, /* no sign of life within the limit */
    TG_GUARD_ENDED  /* the thread has ended; tg_guard_call did not return */
};

/* The code of a loaded shared object, to tell foreign code from everything else. */
struct tg_text_range {
    uintptr_t low, high;
};

struct tg_watch;

/* A thread's signs of life. */
struct tg_pulse {
    _Atomic unsigned life;  /* writer: the thread. Counts up and wraps */
    _Atomic uint32_t lost;  /* writers: the watching thread, and the thread when it comes back; enum lost of guard.c */
    struct tg_watch *watch; /* writer: the thread; NULL: not watched */
};

static inline void tg_pulse_beat(struct tg_pulse *pulse)
{
    /* Relaxed: one writer, and the watching thread looks for changes only. */
    const unsigned life = atomic_load_explicit(&pulse->life, memory_order_relaxed);
    atomic_store_explicit(&pulse->life, life + 1, memory_order_relaxed);
}

/* The watching thread has given this one up: stay here for good if that still holds. */
void tg_pulse_come_back(struct tg_pulse *pulse);

/* Before foreign code gets back into what is ours. */
static inline void tg_pulse_check(struct tg_pulse *pulse)
{
    tg_pulse_beat(pulse);
    if (atomic_load_explicit(&pulse->lost, memory_order_relaxed) != 0) tg_pulse_come_back(pulse);
}

struct tg_guard {
    sigjmp_buf jump;
    struct tg_text_range text; /* foreign code: where a stuck call is cut off */
    struct tg_guard *outer;
    struct tg_coro *coro;   /* that the call is made on */
    struct tg_pulse *pulse; /* of this thread */
    enum tg_guard_end end;
    int signal;                    /* CRASHED, OVERFLOWED */
    void *address;                 /* CRASHED, OVERFLOWED: of the fault */
    bool sent;                     /* the signal was sent by somebody, there is no address */
    uint32_t limit_ms;             /* STUCK */
    const char *call;              /* EXITED: what it called */
    int code;                      /* EXITED: with which exit code */
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
    tg_pulse_check(guard->pulse);
    guard->coro->guard = NULL;
}

static inline void tg_guard_resume(struct tg_guard *guard, struct tg_text_range text)
{
    guard->text = text;
    tg_pulse_beat(guard->pulse);
    guard->coro->guard = guard;
}

/* Leave the innermost guarded call of this coroutine with TG_GUARD_RAISED. */
_Noreturn void tg_guard_raise(void);

/* Does a guarded call run on this thread, under a watch? */
bool tg_guard_is_watched(void);

/* The code of the watched guarded call on this thread; empty: none runs, or its code is not known. */
struct tg_text_range tg_guard_text(void);

/* The foreign code asks for the end of the process or its thread by `call`: end the guarded call with TG_GUARD_EXITED.
 * Returns if none runs under a watch. */
void tg_guard_exit(const char *call, int code);

/* The guarded call of this thread has got somewhere: its time limit starts anew. */
void tg_guard_alive(void);

/* The foreign code of this coroutine calls the runtime, and is back. In between it is not cut off, because the runtime may
 * hold a lock; if its time ran out meanwhile, tg_guard_leave_runtime ends the guarded call. */
void tg_guard_enter_runtime(void);
void tg_guard_leave_runtime(void);

/* The same three for who has the innermost guarded call of its coroutine at hand. */
static inline void tg_guard_live(struct tg_guard *guard) { tg_pulse_beat(guard->pulse); }
static inline void tg_guard_enter(struct tg_guard *guard)
{
    if (atomic_load_explicit(&guard->pulse->lost, memory_order_relaxed) != 0) tg_pulse_come_back(guard->pulse);
    guard->inside = 1;
}
_Noreturn void tg_guard_expire(struct tg_guard *guard); /* its time ran out: end it */
static inline void tg_guard_leave(struct tg_guard *guard)
{
    guard->inside = 0;
    if (guard->expired) tg_guard_expire(guard);
}

/* What the runtime did since tg_guard_enter took its time, not the foreign code's, whose limit starts anew. */
static inline void tg_guard_excuse(struct tg_guard *guard)
{
    tg_pulse_beat(guard->pulse);
    guard->expired = 0;
}

/* What happened, for a message: "SIGSEGV at 0x10". */
void tg_guard_describe(const struct tg_guard *guard, char *text, size_t n_bytes);

/* How the watching thread finds a watched one. */
enum tg_watch_state {
    TG_WATCH_WELL,
    TG_WATCH_LOST /* it does not answer: it blocks signals, and is given up. It may run on, and touches nothing of ours */
};

/* One thread's watch. Zero before its first begin. */
struct tg_watch {
    /* Writer: the watched thread, at the begin. */
    uint32_t limit_ms;
    pid_t tid;
    struct tg_pulse *pulse;
    struct tg_watch *outer; /* of this thread that was open already, or NULL */
    uintptr_t stack_low;    /* where the thread's own stack ends; 0: not known */
    void *stack;            /* the alternate stack, owned */
    void *previous[3];      /* the alternate stack that was there: address, bytes, flags */
    sigset_t previous_mask;
    /* Writer: the watched thread. */
    atomic_bool open;           /* publishes the fields above */
    _Atomic unsigned n_answers; /* ticks that it has handled */
    /* Writer: the watching thread. */
    _Atomic unsigned quiet_life; /* the life that has not gone on */
    _Atomic uint32_t quiet_ms;   /* for how long */
    unsigned n_answers_seen;     /* when the first tick was sent */
    /* Writers: both. Held while the watching thread looks, so that no tick comes behind the end. */
    atomic_bool looking;
};

/* From here to tg_watch_end crashes of guarded calls on this thread end the call, and so does `limit_ms` without a sign of
 * life if somebody looks. TG_ERR_MEMORY. */
enum tg_status tg_watch_begin(struct tg_watch *watch, uint32_t limit_ms);
void tg_watch_end(struct tg_watch *watch);

/* The watching thread looks at a watch that is open, `elapsed_ms` after it did so last. */
enum tg_watch_state tg_watch_look(struct tg_watch *watch, uint32_t elapsed_ms);

/* How often to look, so that a limit is kept. */
uint32_t tg_watch_look_ms(uint32_t limit_ms);

/* tg_watch_end for a thread that has ended under its watch, by another thread. */
void tg_watch_bury(struct tg_watch *watch);

/* ---- between guard.c, watch.c and ward.c ---- */

struct tg_pulse *tg_pulse_own(void);

/* How long there is no sign of life when a call is cut off in a library that it sleeps in. */
uint32_t tg_watch_cut_off_ms(uint32_t limit_ms);

/* Count one watch more, or less. TG_ERR_MISUSE: no signal is left for the tick. */
enum tg_status tg_handlers_install(void);
void tg_handlers_remove(void);
int tg_handlers_tick(void);                  /* the tick's signal, while a watch is open */
void tg_handlers_restore_tick(void);         /* foreign code may have taken its handler away */
void tg_handlers_signals(sigset_t *signals); /* all that have a handler of ours */
bool tg_handlers_have(int number);           /* is it one of them? */

/* The thread of this pulse has ended inside a guarded call. */
void tg_guard_forget(const struct tg_pulse *pulse);

#endif
