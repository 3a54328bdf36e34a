#include "os/guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "os/coro.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51 /* Linux uapi auxvec.h: what the kernel needs to deliver a signal */
#endif
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
enum { N_FAULT_SIGNALS = sizeof fault_signals / sizeof fault_signals[0], TICKS_PER_LIMIT = 8 };

/* Handlers are the process's: counted, under the lock. */
static pthread_mutex_t handlers_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned n_watches;
static struct sigaction previous_action[N_FAULT_SIGNALS];
static struct sigaction previous_tick;
static sigset_t ticks; /* the tick's signal; written before the first handler is there */

/* One thread's clock of life, written by the thread and read by the tick that interrupts it. */
static _Thread_local volatile unsigned life; /* counts up and wraps */
static _Thread_local struct {
    timer_t timer;
    uint32_t limit_ms;
    unsigned life;      /* at the last tick */
    uint32_t silent_ms; /* since life went on */
} clock_of_life;

/*
 * A stuck call is cut off in its own code, where it holds no lock of ours or of a library. The fence brings it there:
 * its code is made unexecutable, so that its next instruction, when the library that it called returns, is a fault that
 * ends the call. The process has one fence; the call that owns it takes it down.
 */
static _Atomic(struct tg_guard *) fence_owner; /* writer: the owner's thread. Publishes low and high. */
static _Atomic uintptr_t fence_low, fence_high;
static _Atomic unsigned n_fences; /* how many there were; wraps */

/* Where this thread's own stack ends, while it is watched; 0: not known. */
static _Thread_local uintptr_t stack_low;

/* A fault this near the end of a stack is its overflow. */
enum { BELOW_STACK_BYTES = 1 << 20, ABOVE_STACK_BYTES = 64 << 10 };

static void find_stack(void)
{
    pthread_attr_t attr;
    void *low;
    size_t bytes;
    stack_low = 0;
    if (pthread_getattr_np(pthread_self(), &attr) != 0) return;
    if (pthread_attr_getstack(&attr, &low, &bytes) == 0) stack_low = (uintptr_t)low;
    pthread_attr_destroy(&attr);
}

static bool overflowed(const struct tg_coro *coro, const void *address)
{
    const uintptr_t at = (uintptr_t)address;
    if (coro->stack) return tg_coro_overflowed(coro, address);
    return stack_low != 0 && at + BELOW_STACK_BYTES >= stack_low && at < stack_low + ABOVE_STACK_BYTES;
}

static int tick_signal(void) { return SIGRTMIN + 4; }

void tg_guard_alive(void) { life++; }

void tg_guard_enter_runtime(void)
{
    struct tg_guard *guard = tg_coro_current()->guard;
    if (guard) tg_guard_enter(guard);
}

/* In whole pages, as memory is protected. */
static struct tg_text_range pages_of(struct tg_text_range text)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    return (struct tg_text_range){text.low / page * page, (text.high + page - 1) / page * page};
}

static bool protect(struct tg_text_range pages, int protection)
{
    return pages.low < pages.high && mprotect((void *)pages.low, pages.high - pages.low, protection) == 0;
}

/* Where another call has the fence, or the foreign code is not known, there is none: the next tick tries again. */
static void fence_raise(struct tg_guard *guard)
{
    struct tg_guard *nobody = NULL;
    struct tg_text_range pages = pages_of(guard->text);
    if (!atomic_compare_exchange_strong_explicit(&fence_owner, &nobody, guard, memory_order_acquire,
                                                 memory_order_relaxed))
        return;
    atomic_store_explicit(&fence_low, pages.low, memory_order_relaxed); /* a fault on another thread looks twice */
    atomic_store_explicit(&fence_high, pages.high, memory_order_relaxed);
    atomic_fetch_add_explicit(&n_fences, 1, memory_order_relaxed);
    if (!protect(pages, PROT_READ)) atomic_store_explicit(&fence_owner, NULL, memory_order_release);
}

static void fence_lower(struct tg_guard *guard)
{
    /* Relaxed: only this thread could have made it ours. */
    if (atomic_load_explicit(&fence_owner, memory_order_relaxed) != guard) return;
    protect(pages_of(guard->text), PROT_READ | PROT_EXEC);
    atomic_store_explicit(&fence_owner, NULL, memory_order_release); /* pairs with the acquire in fence_raise() */
}

static bool behind_fence(uintptr_t address)
{
    return atomic_load_explicit(&fence_low, memory_order_relaxed) <= address &&
           address < atomic_load_explicit(&fence_high, memory_order_relaxed);
}

/* Another thread of the foreign code may run into the fence: it has to wait until the fence is down. Behind each fence an
 * address gets one more try, for a fence that goes down while we look. */
static bool waits_at_fence(uintptr_t address)
{
    static _Thread_local uintptr_t tried;
    static _Thread_local unsigned tried_after;
    if (!behind_fence(address)) return false;
    const bool is_up = atomic_load_explicit(&fence_owner, memory_order_acquire);
    const unsigned n = atomic_load_explicit(&n_fences, memory_order_relaxed);
    if (!is_up && tried == address && tried_after == n) return false;
    tried = is_up ? 0 : address;
    tried_after = n;
    const struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
    return true;
}

/* Whoever leaves a handler for good leaves the ticks blocked. */
static void unblock_ticks(void) { pthread_sigmask(SIG_UNBLOCK, &ticks, NULL); }

enum tg_guard_end tg_guard_call(struct tg_guard *guard, struct tg_text_range text, tg_guarded_fn *fn, void *arg)
{
    struct tg_coro *coro = tg_coro_current();
    guard->text = text;
    guard->outer = coro->guard;
    guard->coro = coro;
    guard->life = &life;
    guard->end = TG_GUARD_RETURNED;
    guard->signal = 0;
    guard->address = NULL;
    guard->sent = false;
    guard->inside = 0;
    guard->expired = 0;
    const struct tg_state ours = tg_state_enter();
    /* The handlers block nothing but ticks, so there is no mask to save. */
    if (sigsetjmp(guard->jump, 0) == 0) {
        coro->guard = guard;
        tg_guard_alive();
        fn(arg);
    }
    tg_state_leave(&ours);
    tg_coro_current()->guard = guard->outer;
    fence_lower(guard);
    if (guard->end == TG_GUARD_RETURNED) return TG_GUARD_RETURNED;
    tg_guard_alive();
    unblock_ticks();
    return guard->end;
}

static _Noreturn void leave(struct tg_guard *guard, enum tg_guard_end end)
{
    guard->end = end;
    siglongjmp(guard->jump, 1);
}

_Noreturn void tg_guard_expire(struct tg_guard *guard) { leave(guard, TG_GUARD_STUCK); }

void tg_guard_leave_runtime(void)
{
    struct tg_guard *guard = tg_coro_current()->guard;
    if (guard) tg_guard_leave(guard);
}

_Noreturn void tg_guard_raise(void) { leave(tg_coro_current()->guard, TG_GUARD_RAISED); }

static const char *signal_name(int signal)
{
    switch (signal) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    case SIGABRT: return "SIGABRT";
    case SIGTRAP: return "SIGTRAP";
    case SIGSYS: return "SIGSYS";
    default: return "a signal";
    }
}

void tg_guard_describe(const struct tg_guard *guard, char *text, size_t n_bytes)
{
    switch (guard->end) {
    case TG_GUARD_CRASHED:
        if (guard->sent) snprintf(text, n_bytes, "%s (abort or raise)", signal_name(guard->signal));
        else snprintf(text, n_bytes, "%s at address %p", signal_name(guard->signal), guard->address);
        break;
    case TG_GUARD_OVERFLOWED: snprintf(text, n_bytes, "stack overflow"); break;
    case TG_GUARD_STUCK: snprintf(text, n_bytes, "does not end within the time limit"); break;
    case TG_GUARD_RAISED: snprintf(text, n_bytes, "a tile instruction outside of a task"); break;
    case TG_GUARD_RETURNED: snprintf(text, n_bytes, "returned"); break;
    }
}

static const struct sigaction *previous_of(int signal)
{
    for (int i = 0; i < N_FAULT_SIGNALS; i++)
        if (fault_signals[i] == signal) return &previous_action[i];
    return NULL;
}

/* Not ours: do what would have happened without us. */
static void chain(int signal, siginfo_t *info, void *context)
{
    const struct sigaction *previous = previous_of(signal);
    if (previous && (previous->sa_flags & SA_SIGINFO)) {
        previous->sa_sigaction(signal, info, context);
    } else if (previous && previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
        previous->sa_handler(signal);
    } else if (previous && previous->sa_handler == SIG_IGN && info->si_code <= 0) {
        return; /* sent by somebody, and ignored before us */
    } else {
        /* Most instructions are repeated, and then meet the default action. */
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = SIG_DFL;
        sigaction(signal, &action, NULL);
        bool repeats = info->si_code > 0 && signal != SIGTRAP && signal != SIGSYS;
        if (!repeats) raise(signal);
    }
}

/* Linux delivers a signal with the alignment check that foreign code may have asked for (arch/x86/kernel/signal.c). */
static void on_fault(int signal, siginfo_t *info, void *context)
{
    tg_state_clear_flags();
    const struct tg_coro *coro = tg_coro_current();
    struct tg_guard *guard = coro->guard;
    if (signal == SIGSEGV && info->si_code == SEGV_ACCERR) {
        uintptr_t address = (uintptr_t)info->si_addr;
        bool owner = guard && atomic_load_explicit(&fence_owner, memory_order_relaxed) == guard;
        if (owner && behind_fence(address)) leave(guard, TG_GUARD_STUCK);
        int saved_errno = errno;
        bool again = !owner && waits_at_fence(address);
        errno = saved_errno;
        if (again) return;
    }
    if (!guard) {
        unblock_ticks(); /* whoever had the signal before us may leave as well */
        chain(signal, info, context);
        return;
    }
    guard->signal = signal;
    guard->address = info->si_addr;
    guard->sent = info->si_code <= 0; /* by kill, raise or abort: there is no address */
    bool overflow = signal == SIGSEGV && overflowed(coro, info->si_addr);
    leave(guard, overflow ? TG_GUARD_OVERFLOWED : TG_GUARD_CRASHED);
}

static uint32_t tick_ms(void)
{
    uint32_t ms = clock_of_life.limit_ms / TICKS_PER_LIMIT;
    return ms > 0 ? ms : 1;
}

static void tick_start(void)
{
    struct itimerspec every;
    every.it_interval.tv_sec = (time_t)(tick_ms() / 1000);
    every.it_interval.tv_nsec = (long)(tick_ms() % 1000) * 1000000;
    every.it_value = every.it_interval;
    timer_settime(clock_of_life.timer, 0, &every, NULL);
}

/* The limit of a guarded call is over. In the runtime it is never cut off: it leaves when it is back. Elsewhere the fence
 * waits for it. If it was not seen there for a whole limit more, it sleeps in another library, and is cut off there. */
static void end_soon(struct tg_guard *guard)
{
    if (guard->inside) {
        guard->expired = 1;
        return;
    }
    if (clock_of_life.silent_ms >= 2 * clock_of_life.limit_ms) leave(guard, TG_GUARD_STUCK);
    fence_raise(guard);
}

static void on_tick(int signal, siginfo_t *info, void *context)
{
    tg_state_clear_flags();
    (void)signal;
    (void)info;
    (void)context;
    int saved_errno = errno;
    struct tg_guard *guard = tg_coro_current()->guard;
    if (!guard || life != clock_of_life.life) {
        clock_of_life.life = life;
        clock_of_life.silent_ms = 0;
    } else {
        clock_of_life.silent_ms += tick_ms();
        if (clock_of_life.silent_ms >= clock_of_life.limit_ms) end_soon(guard);
    }
    errno = saved_errno;
}

/* A thread that blocks our signals (servers' workers do) would not be watched. */
static void unblock_signals(struct tg_watch *watch)
{
    sigset_t ours;
    sigemptyset(&ours);
    for (int i = 0; i < N_FAULT_SIGNALS; i++) sigaddset(&ours, fault_signals[i]);
    sigaddset(&ours, tick_signal());
    pthread_sigmask(SIG_UNBLOCK, &ours, &watch->previous_mask);
}

static void handlers_install(void)
{
    pthread_mutex_lock(&handlers_lock);
    if (n_watches++ == 0) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        /* On a busy computer the next tick comes before a handler is over: handlers within handlers would fill the
         * signal stack. A crash in a handler is none of ours. */
        sigemptyset(&ticks);
        sigaddset(&ticks, tick_signal());
        action.sa_mask = ticks;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
        action.sa_sigaction = on_fault;
        for (int i = 0; i < N_FAULT_SIGNALS; i++) sigaction(fault_signals[i], &action, &previous_action[i]);
        action.sa_sigaction = on_tick;
        sigaction(tick_signal(), &action, &previous_tick);
    }
    pthread_mutex_unlock(&handlers_lock);
}

static void handlers_remove(void)
{
    pthread_mutex_lock(&handlers_lock);
    if (--n_watches == 0) {
        for (int i = 0; i < N_FAULT_SIGNALS; i++) sigaction(fault_signals[i], &previous_action[i], NULL);
        sigaction(tick_signal(), &previous_tick, NULL);
    }
    pthread_mutex_unlock(&handlers_lock);
}

static enum tg_status timer_begin(struct tg_watch *watch, uint32_t limit_ms)
{
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = tick_signal();
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
        return tg_error(TG_ERR_MEMORY, "no timer for the time limit: %s", strerror(errno));
    clock_of_life.timer = timer;
    clock_of_life.limit_ms = limit_ms;
    clock_of_life.life = life;
    clock_of_life.silent_ms = 0;
    tick_start();
    memcpy(&watch->timer, &timer, sizeof timer);
    return TG_OK;
}
_Static_assert(sizeof(timer_t) <= sizeof(void *), "a timer fits where the watch keeps it");

enum tg_status tg_watch_begin(struct tg_watch *watch, uint32_t limit_ms)
{
    memset(watch, 0, sizeof *watch);
    size_t bytes = (size_t)getauxval(AT_MINSIGSTKSZ) + 64 * 1024;
    watch->stack = malloc(bytes);
    if (!watch->stack) return tg_error(TG_ERR_MEMORY, "no memory for a signal stack of %zu bytes", bytes);

    find_stack();
    handlers_install();
    enum tg_status status = timer_begin(watch, limit_ms);
    if (status != TG_OK) {
        handlers_remove();
        free(watch->stack);
        return status;
    }
    stack_t stack = {.ss_sp = watch->stack, .ss_size = bytes}, previous;
    sigaltstack(&stack, &previous);
    watch->previous[0] = previous.ss_sp;
    watch->previous[1] = (void *)(uintptr_t)previous.ss_size;
    watch->previous[2] = (void *)(uintptr_t)(unsigned)previous.ss_flags;
    unblock_signals(watch);
    watch->open = true;
    return TG_OK;
}

void tg_watch_end(struct tg_watch *watch)
{
    if (!watch->open) return;
    timer_t timer;
    memcpy(&timer, &watch->timer, sizeof timer);
    timer_delete(timer);
    stack_t previous = {.ss_sp = watch->previous[0],
                        .ss_size = (size_t)(uintptr_t)watch->previous[1],
                        .ss_flags = (int)(uintptr_t)watch->previous[2]};
    sigaltstack(&previous, NULL);
    pthread_sigmask(SIG_SETMASK, &watch->previous_mask, NULL);
    handlers_remove();
    free(watch->stack);
    watch->open = false;
}
