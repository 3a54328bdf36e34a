/*
 * coro.h - coroutines: several threads of control on one operating-system thread.
 *
 * A switch saves the callee-saved registers on its own stack and loads those of the other stack. There is one source
 * per processor (coro_x86_64.S, coro_aarch64.S), and ucontext elsewhere. The rounding mode belongs to the coroutine.
 * Stacks end in a guard region, so that an overflow faults at an address that tg_coro_overflowed recognises.
 *
 * Every switch is announced to sanitizers. The thread sanitizer gets no order between the two sides: so it finds races
 * between coroutines although one thread runs them all.
 */
#ifndef TG_OS_CORO_H
#define TG_OS_CORO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef TG_CORO_UCONTEXT
#include <ucontext.h>
#endif

#include <tilegraph/tilegraph.h>

#include "os/stack.h"

struct tg_guard;

/* The body of a coroutine. It never returns; at its end it switches away for good. */
typedef void tg_coro_fn(void *arg);

struct tg_coro {
    /* Calls of foreign code (foreign.h); assembly code knows the places of these three. */
    char *foreign_top;      /* where its frames begin. NULL: the stack has no such part, or it is in use */
    void *own_sp;           /* of the innermost call */
    int64_t foreign_result; /* of the last call that returned */
    char *fence;            /* end of the foreign part; NULL: it has no such part */
    void *sp;               /* where it stopped; only while it is not running */
    struct tg_stack stack;  /* no stack: an operating-system thread's own */
    struct tg_guard *guard; /* innermost guarded call that it is in, or NULL */
    void *watcher;          /* of the foreign code that runs on it, or NULL; whose it is, its user knows */
    tg_coro_fn *entry;
    void *arg;
#ifdef TG_CORO_UCONTEXT
    ucontext_t context;
#endif
    void *sanitizer_fiber; /* the thread sanitizer's handle */
    void *fake_stack;      /* the address sanitizer's handle */
    const void *asan_bottom;
    size_t asan_bytes;
};

/* Allocate a stack: `stack_bytes` for the library's frames, as much for foreign code, and the regions between them.
 * TG_ERR_MEMORY. */
enum tg_status tg_coro_init(struct tg_coro *coro, size_t stack_bytes);
void tg_coro_fini(struct tg_coro *coro);

/* Let the next switch to `coro` call entry(arg) on its empty stack, in the default state (os/state.h). Not while it
 * runs. */
void tg_coro_start(struct tg_coro *coro, tg_coro_fn *entry, void *arg);

/* Stop the running coroutine here and go on in `to`. Returns when a coroutine switches back. */
void tg_coro_switch(struct tg_coro *to);

/* The running coroutine of this thread, NULL until the first query. The thread's own stack counts as a coroutine.
 * initial-exec: signal handlers read it, and must not allocate it. */
extern _Thread_local struct tg_coro *tg_coro_running __attribute__((visibility("hidden"), tls_model("initial-exec")));
struct tg_coro *tg_coro_first(void);

/* The running coroutine. Never NULL. */
static inline struct tg_coro *tg_coro_current(void) { return tg_coro_running ? tg_coro_running : tg_coro_first(); }

/* An order for the thread sanitizer: actions before _publish(token) are visible after a later _observe(token). No
 * effect without that sanitizer. */
void tg_coro_publish(void *token);
void tg_coro_observe(void *token);

/* Let the thread sanitizer treat this thread's switches as an order, or stop that. For the time in which one observer,
 * outside the observed code, reads all coroutines in turn. Races between them are not found then. */
void tg_coro_keep_order(bool keep);

/* The calling thread runs on `stack`: its foreign code gets the foreign part. */
void tg_coro_adopt(const struct tg_stack *stack);

/* Is `address` in the guard region below the frames of `coro`? Safe in a signal handler. */
bool tg_coro_overflowed(const struct tg_coro *coro, const void *address);

#endif
