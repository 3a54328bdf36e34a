/* Watches: their begin and end on the watched thread, and the checks of the watching thread. */
#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/now.h"
#include "os/guard.h"
#include "os/park.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51 /* Linux uapi auxvec.h: the space that the kernel needs to deliver a signal */
#endif

enum {
    LOOKS_PER_LIMIT = 8,
    LOOK_MS_MAX = 100,
    CUT_OFF_MS_MIN = 250,  /* after the limit: a call that sleeps in a library is ended there. */
    CUT_OFF_MS_MAX = 500,  /* A call that does not sleep returns in that time, on a busy computer, too. */
    ANSWER_MS = 800,       /* after the limit: a thread that blocks signals is given up */
    ANSWER_MS_MAX = 10000, /* after the limit: any thread that does not answer is given up */
    RAN_NS = 50000000,     /* a thread that has run for this long would have answered, if it could */
};

uint32_t tg_watch_look_ms(uint32_t limit_ms)
{
    const uint32_t ms = limit_ms / LOOKS_PER_LIMIT;
    return ms < 1 ? 1 : ms > LOOK_MS_MAX ? LOOK_MS_MAX : ms;
}

uint32_t tg_watch_cut_off_ms(uint32_t limit_ms)
{
    const uint32_t after = limit_ms < CUT_OFF_MS_MIN   ? CUT_OFF_MS_MIN
                           : limit_ms > CUT_OFF_MS_MAX ? CUT_OFF_MS_MAX
                                                       : limit_ms;
    return limit_ms > UINT32_MAX - after ? UINT32_MAX : limit_ms + after;
}

/* ---- the watched thread -------------------------------------------------------------------------------------------
 */

/* The end of this thread's own stack; 0: unknown. */
static uintptr_t find_stack(void)
{
    pthread_attr_t attr;
    void *low = NULL;
    size_t bytes;
    if (pthread_getattr_np(pthread_self(), &attr) != 0) return 0;
    if (pthread_attr_getstack(&attr, &low, &bytes) != 0) low = NULL;
    pthread_attr_destroy(&attr);
    return (uintptr_t)low;
}

static void keep_signal_stack(struct tg_watch *watch, size_t bytes)
{
    const stack_t stack = {.ss_sp = watch->stack, .ss_size = bytes};
    stack_t previous;
    sigaltstack(&stack, &previous);
    watch->previous[0] = previous.ss_sp;
    watch->previous[1] = (void *)(uintptr_t)previous.ss_size;
    watch->previous[2] = (void *)(uintptr_t)(unsigned)previous.ss_flags;
}

static void return_signal_stack(struct tg_watch *watch)
{
    const stack_t previous = {.ss_sp = watch->previous[0],
                              .ss_size = (size_t)(uintptr_t)watch->previous[1],
                              .ss_flags = (int)(uintptr_t)watch->previous[2]};
    sigaltstack(&previous, NULL);
}

void tg_watch_release(struct tg_watch *watch)
{
    free(watch->stack);
    watch->stack = NULL;
}

enum tg_status tg_watch_begin(struct tg_watch *watch, uint32_t limit_ms)
{
    const size_t bytes = (size_t)getauxval(AT_MINSIGSTKSZ) + 64 * 1024;
    const bool first = !watch->stack;
    if (first) watch->stack = malloc(bytes);
    if (!watch->stack) return tg_error(TG_ERR_MEMORY, "no memory for a signal stack of %zu bytes", bytes);
    enum tg_status status = tg_handlers_install();
    if (status != TG_OK) {
        if (!watch->keeps) tg_watch_release(watch);
        return status;
    }
    watch->limit_ms = limit_ms;
    watch->ticked = false;
    if (first) {
        watch->tid = (pid_t)syscall(SYS_gettid);
        pthread_getcpuclockid(pthread_self(), &watch->clock);
        watch->stack_low = find_stack();
    }
    watch->pulse = tg_pulse_own();
    watch->outer = watch->pulse->watch;
    watch->pulse->watch = watch;
    /* Relaxed: published by `open`. */
    atomic_store_explicit(&watch->quiet_ms, 0, memory_order_relaxed);
    keep_signal_stack(watch, bytes);
    /* A thread that blocks our signals (servers' workers do) could not be watched. */
    sigset_t ours;
    tg_handlers_signals(&ours);
    pthread_sigmask(SIG_UNBLOCK, &ours, &watch->previous_mask);
    /* Release, pairs with the acquire in tg_watch_look(). */
    atomic_store_explicit(&watch->open, true, memory_order_release);
    return TG_OK;
}

/* The lock lasts for a system call or two. */
static void lock(struct tg_watch *watch)
{
    while (atomic_exchange_explicit(&watch->looking, true, memory_order_acquire)) tg_park_pause();
}

static void unlock(struct tg_watch *watch) { atomic_store_explicit(&watch->looking, false, memory_order_release); }

/* A tick that was sent and has not arrived yet would trigger the process's own action. */
static void take_last_ticks(void)
{
    const struct timespec now = {0, 0};
    sigset_t ticks;
    sigemptyset(&ticks);
    sigaddset(&ticks, tg_handlers_tick());
    pthread_sigmask(SIG_BLOCK, &ticks, NULL);
    while (sigtimedwait(&ticks, NULL, &now) > 0) continue;
}

void tg_watch_end(struct tg_watch *watch)
{
    if (!atomic_load_explicit(&watch->open, memory_order_relaxed)) return; /* own */
    lock(watch);
    atomic_store_explicit(&watch->open, false, memory_order_relaxed); /* under the lock */
    const bool ticked = watch->ticked;
    unlock(watch);
    if (ticked) take_last_ticks();
    watch->pulse->watch = watch->outer;
    return_signal_stack(watch);
    if (!watch->keeps) tg_watch_release(watch);
    pthread_sigmask(SIG_SETMASK, &watch->previous_mask, NULL);
    tg_handlers_remove();
}

/* ---- the watching thread ------------------------------------------------------------------------------------------
 */

void tg_watch_bury(struct tg_watch *watch)
{
    if (!atomic_load_explicit(&watch->open, memory_order_acquire)) return;
    atomic_store_explicit(&watch->open, false, memory_order_relaxed); /* no other user is left */
    tg_guard_forget(watch->pulse);
    tg_watch_release(watch);
    tg_handlers_remove();
}

/* Does the thread block the tick? Assume so where that cannot be read. A busy computer may keep it for long from
 * leaving a function that blocks signals for a moment, such as raise: it has to run meanwhile, or to sleep. */
static bool blocks_ticks(const struct tg_watch *watch)
{
    char path[64], line[256], state = 'S';
    snprintf(path, sizeof path, "/proc/self/task/%ld/status", (long)watch->tid);
    FILE *file = fopen(path, "re");
    unsigned long long blocked = ~0ull;
    while (file && fgets(line, sizeof line, file)) {
        (void)sscanf(line, "State: %c", &state);
        if (sscanf(line, "SigBlk: %llx", &blocked) == 1) break;
    }
    if (file) fclose(file);
    if (state == 'R' && tg_now_ns(watch->clock) - watch->ran_ns_seen < RAN_NS) return false;
    return blocked >> (tg_handlers_tick() - 1) & 1;
}

/*
 * Giving up a thread, which may come back from foreign code at that very moment:
 *
 *     watching thread                             its thread
 *     lost = ASKED                                life + 1
 *     barrier on all threads                      lost != 0: ASKED -> LOST, and stay
 *     life is the same: ASKED -> LOST
 *     it is not: ASKED -> NOT_LOST
 *
 * Either the thread sees ASKED, or the watching thread sees its life change (store buffering). One of them replaces
 * ASKED.
 */
enum { NOT_LOST, ASKED, LOST };

static bool give_up(struct tg_watch *watch)
{
    struct tg_pulse *pulse = watch->pulse;
    uint32_t asked = ASKED;
    atomic_store(&pulse->lost, ASKED);
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0) != 0) {
        const struct timespec long_enough = {0, 10000000}; /* for a store to leave any processor's store buffer */
        nanosleep(&long_enough, NULL);
    }
    const bool came_back = atomic_load(&pulse->life) !=
                           atomic_load_explicit(&watch->quiet_life, memory_order_relaxed); /* own */
    if (atomic_compare_exchange_strong(&pulse->lost, &asked, came_back ? NOT_LOST : LOST)) return !came_back;
    return true; /* the thread has seen it, and stays */
}

void tg_pulse_come_back(struct tg_pulse *pulse)
{
    uint32_t asked = ASKED;
    atomic_compare_exchange_strong(&pulse->lost, &asked, LOST);
    if (atomic_load(&pulse->lost) == LOST)
        for (;;) syscall(SYS_exit, 0); /* the thread alone, without its destructors: its memory stays */
}

/* It has not answered since the first tick. */
static bool is_lost(struct tg_watch *watch, uint32_t late_ms)
{
    tg_handlers_restore_tick();
    if (late_ms < ANSWER_MS) return false;
    if (late_ms < ANSWER_MS_MAX && !blocks_ticks(watch)) return false; /* it will, on a busy computer */
    return give_up(watch);
}

static enum tg_watch_state look(struct tg_watch *watch, uint32_t elapsed_ms)
{
    const unsigned life = atomic_load_explicit(&watch->pulse->life, memory_order_relaxed);
    const unsigned n_answers = atomic_load_explicit(&watch->n_answers, memory_order_relaxed);
    /* Relaxed: the signal orders it before the tick's handler. */
    if (life != atomic_load_explicit(&watch->quiet_life, memory_order_relaxed)) {
        atomic_store_explicit(&watch->quiet_life, life, memory_order_relaxed);
        atomic_store_explicit(&watch->quiet_ms, 0, memory_order_relaxed);
        return TG_WATCH_WELL;
    }
    const uint32_t before = atomic_load_explicit(&watch->quiet_ms, memory_order_relaxed);
    const uint32_t quiet = before > UINT32_MAX - elapsed_ms ? UINT32_MAX : before + elapsed_ms;
    atomic_store_explicit(&watch->quiet_ms, quiet, memory_order_relaxed);
    if (quiet < watch->limit_ms) return TG_WATCH_WELL;
    if (before < watch->limit_ms) {
        watch->n_answers_seen = n_answers;
        watch->ran_ns_seen = tg_now_ns(watch->clock);
    } else if (n_answers == watch->n_answers_seen && is_lost(watch, quiet - watch->limit_ms)) {
        return TG_WATCH_LOST;
    }
    watch->ticked = true;
    syscall(SYS_tgkill, getpid(), watch->tid, tg_handlers_tick());
    return TG_WATCH_WELL;
}

enum tg_watch_state tg_watch_look(struct tg_watch *watch, uint32_t elapsed_ms)
{
    enum tg_watch_state state = TG_WATCH_WELL;
    lock(watch);
    /* Acquire, pairs with the release in tg_watch_begin(). */
    if (atomic_load_explicit(&watch->open, memory_order_acquire)) state = look(watch, elapsed_ms);
    unlock(watch);
    return state;
}
