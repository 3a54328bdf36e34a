/*
 * guard.h - call foreign code (a kernel, a plugin) and come back whatever it does.
 *
 * A guarded call ends in one of these ways:
 *
 *     it returns
 *     it raises: an instruction breaks a rule
 *     it returns, and its caller's registers are other ones
 *     it asks for the end of the process
 *     it crashes                                  these three need a watch
 *     it overflows its stack
 *     it runs on without a sign of life
 *
 * Only a ward's thread (ward.h) may end with its guarded call, or never come back from it. Allocations, locks and
 * overwritten data of the foreign code stay: the runtime releases its own memory and promises no more.
 *
 *     watched thread                                watching thread, every tg_watch_look_ms
 *     tg_watch_begin: handlers, signal stack
 *     tg_guard_call: foreign code runs              tg_watch_look: is there a sign of life?
 *     on_tick: end the call  <---- the tick ------  no, for the limit: send a signal
 *     tg_watch_end                                  no answer either: the thread is lost
 *
 * The process has the handlers while at least one watch is open. Outside guarded calls they chain to the previous
 * handlers. The last watch removes them. They use no thread-local storage that is allocated on first use, because they
 * may interrupt malloc. The thread sanitizer delays signals, so leaving a handler does not work under it.
 */
#ifndef TG_OS_GUARD_H
#define TG_OS_GUARD_H

#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <tilegraph/tilegraph.h>

#include "os/coro.h"
#include "os/foreign.h"
#include "os/state.h"

enum tg_guard_end {
    TG_GUARD_RETURNED = 0,
    TG_GUARD_RAISED,
    TG_GUARD_BROKEN, /* it returned against the calling convention */
    TG_GUARD_EXITED, /* asked for the end of its process or thread */
    TG_GUARD_CRASHED,
    TG_GUARD_OVERFLOWED,
    TG_GUARD_STUCK, /* no sign of life within the limit */
    TG_GUARD_ENDED  /* the thread has ended; tg_guard_call did not return */
};

/* The code of a loaded shared object; it tells foreign code apart. */
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

/* The watching thread has given this thread up: stay here forever if that still holds. */
void tg_pulse_come_back(struct tg_pulse *pulse);

/* Call this before foreign code gets back into the runtime's code. */
static inline void tg_pulse_check(struct tg_pulse *pulse)
{
    tg_pulse_beat(pulse);
    if (atomic_load_explicit(&pulse->lost, memory_order_relaxed) != 0) tg_pulse_come_back(pulse);
}

struct tg_guard {
    sigjmp_buf jump;
    struct tg_text_range text; /* foreign code, where a stuck call can be ended */
    struct tg_guard *outer;
    struct tg_coro *coro;   /* of the call */
    char *foreign_top;      /* of coro, at the call */
    void *own_sp;           /* the same */
    struct tg_pulse *pulse; /* of this thread */
    struct tg_state ours;   /* at the call */
    enum tg_guard_end end;
    int signal;                    /* CRASHED, OVERFLOWED */
    void *address;                 /* CRASHED, OVERFLOWED: of the fault */
    bool sent;                     /* the signal was sent (kill, raise): there is no address */
    uint32_t limit_ms;             /* STUCK */
    const char *call;              /* EXITED: the function that it called */
    int code;                      /* EXITED: the exit code */
    volatile sig_atomic_t inside;  /* the foreign code has called the runtime, which must not be interrupted for good */
    volatile sig_atomic_t expired; /* the limit passed meanwhile */
    volatile sig_atomic_t unfenced; /* no fence is possible: its code is unknown, or the system refuses */
    uint64_t fenced_ns;             /* processor time of the thread when the call raised the fence */
};

typedef void tg_guarded_fn(void *arg);

_Noreturn void tg_guard_break(struct tg_guard *guard);

/* Call fn(arg) on this stack, in the default state of the processor (os/state.h). `text` is the range of the foreign
 * code's shared object. */
enum tg_guard_end tg_guard_call(struct tg_guard *guard, struct tg_text_range text, tg_guarded_fn *fn, void *arg);

/*
 * The parts of tg_guard_call, for a caller whose own frame is the guarded call. Every fault after tg_guard_arm goes on
 * behind the `if`. The jump saves no mask, because the handlers block only ticks.
 *
 *     tg_guard_begin(&guard, text);
 *     if (sigsetjmp(guard.jump, 0) == 0) {
 *         tg_guard_arm(&guard);
 *         ...
 *     }
 *     end = tg_guard_finish(&guard);
 */
void tg_guard_begin(struct tg_guard *guard, struct tg_text_range text);
void tg_guard_arm(struct tg_guard *guard);
enum tg_guard_end tg_guard_finish(struct tg_guard *guard);

/*
 * A guarded call may run our own code and call foreign code many times. It begins with tg_guard_pause. From
 * tg_guard_resume to the next tg_guard_pause it is in the foreign code whose range is `text`, with a time limit of its
 * own. Only on the stack of the guarded call. A fault outside of these two calls is not the foreign code's; it hits the
 * process.
 */
static inline void tg_guard_pause(struct tg_guard *guard)
{
    tg_state_reset();
    tg_pulse_check(guard->pulse);
    guard->coro->guard = NULL;
}

static inline void tg_guard_resume(struct tg_guard *guard, struct tg_text_range text)
{
    guard->text = text;
    tg_pulse_beat(guard->pulse);
    guard->coro->guard = guard;
}

/* Call a function of a loaded object inside the guarded call; guard->coro->foreign_result is its result. If it breaks
 * the calling convention, the guarded call ends with TG_GUARD_BROKEN. */
static inline void tg_guard_foreign(struct tg_guard *guard, tg_foreign_fn *fn, void *a, void *b, uint64_t c)
{
    if (!tg_foreign_call(guard->coro, fn, a, b, c)) tg_guard_break(guard);
}

/* Leave the innermost guarded call of this coroutine with TG_GUARD_RAISED. */
_Noreturn void tg_guard_raise(void);

/* Does a guarded call run on this thread, under a watch? */
bool tg_guard_is_watched(void);

/* The code of the watched guarded call on this thread; empty: no such call, or unknown code. */
struct tg_text_range tg_guard_text(void);

/* The foreign code asks by `call` for the end of the process or its thread: end the guarded call with TG_GUARD_EXITED.
 * Returns if no watched call runs. */
void tg_guard_exit(const char *call, int code);

/* The guarded call of this thread has made progress: its time limit starts anew. */
void tg_guard_alive(void);

/* The foreign code of this coroutine calls the runtime, and returns from it. In between the call is never ended,
 * because the runtime may hold a lock. If the time limit passed meanwhile, tg_guard_leave_runtime ends the guarded
 * call. */
void tg_guard_enter_runtime(void);
void tg_guard_leave_runtime(void);

/* The same three for callers that have the innermost guarded call of their coroutine. */
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

/* The time since tg_guard_enter was the runtime's, not the foreign code's: the limit starts anew. */
static inline void tg_guard_excuse(struct tg_guard *guard)
{
    tg_pulse_beat(guard->pulse);
    guard->expired = 0;
}

/* A description of the end, for a message: "SIGSEGV at 0x10". */
void tg_guard_describe(const struct tg_guard *guard, char *text, size_t n_bytes);

/* The watching thread's verdict on a watched thread. */
enum tg_watch_state {
    TG_WATCH_WELL,
    TG_WATCH_LOST /* it does not answer because it blocks signals; it is given up. It may run on, without our memory */
};

/* One thread's watch. Zero before its first begin. */
struct tg_watch {
    /* Set by the owner before the first begin: the same thread begins this watch again and again, and keeps what does
     * not change. tg_watch_release frees it. */
    bool keeps;
    /* Writer: the watched thread, at the begin. */
    uint32_t limit_ms;
    pid_t tid;
    clockid_t clock; /* its processor time */
    struct tg_pulse *pulse;
    struct tg_watch *outer; /* the watch of this thread that was open already, or NULL */
    uintptr_t stack_low;    /* end of the thread's own stack; 0: unknown */
    void *stack;            /* the alternate stack, owned */
    void *previous[3];      /* the previous alternate stack: address, bytes, flags */
    sigset_t previous_mask;
    /* Writer: the watched thread. */
    atomic_bool open;           /* publishes the fields above */
    _Atomic unsigned n_answers; /* ticks that it has handled */
    /* Writer: the watching thread. */
    _Atomic unsigned quiet_life; /* the last seen value of `life` */
    _Atomic uint32_t quiet_ms;   /* time for which it has not changed */
    unsigned n_answers_seen;     /* when the first tick was sent */
    uint64_t ran_ns_seen;        /* processor time at that moment */
    bool ticked;                 /* a tick was sent since the begin. Under `looking` */
    /* Writers: both. Held while the watching thread checks, so that no tick is sent after the end. */
    atomic_bool looking;
};

/* From here to tg_watch_end a crash of a guarded call on this thread ends the call. So does `limit_ms` without a sign
 * of life, if another thread watches. TG_ERR_MEMORY. */
enum tg_status tg_watch_begin(struct tg_watch *watch, uint32_t limit_ms);
void tg_watch_end(struct tg_watch *watch);
void tg_watch_release(struct tg_watch *watch);

/* The watching thread checks an open watch, `elapsed_ms` after its last check. */
enum tg_watch_state tg_watch_look(struct tg_watch *watch, uint32_t elapsed_ms);

/* The interval between checks that keeps a limit. */
uint32_t tg_watch_look_ms(uint32_t limit_ms);

/* tg_watch_end for a thread that has ended under its watch; called by another thread. */
void tg_watch_bury(struct tg_watch *watch);

/* ---- between guard.c, watch.c and ward.c ---- */

struct tg_pulse *tg_pulse_own(void);

/* The time without a sign of life after which a call that sleeps in a library is ended there. */
uint32_t tg_watch_cut_off_ms(uint32_t limit_ms);

/* Count one watch more, or one less. TG_ERR_MISUSE: no signal is left for the tick. */
enum tg_status tg_handlers_install(void);
void tg_handlers_remove(void);
int tg_handlers_tick(void);                  /* the tick's signal, while a watch is open */
void tg_handlers_restore_tick(void);         /* foreign code may have removed its handler */
void tg_handlers_signals(sigset_t *signals); /* all signals with a handler of ours */
bool tg_handlers_have(int number);           /* is it one of them? */

/* The thread of this pulse has ended inside a guarded call. */
void tg_guard_forget(const struct tg_pulse *pulse);

#endif
