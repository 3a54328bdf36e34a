#include "base/guard.h"

#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/coro.h"
#include "base/error.h"

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51 /* Linux uapi auxvec.h: what the kernel needs to deliver a signal */
#endif
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
enum { N_FAULT_SIGNALS = sizeof fault_signals / sizeof fault_signals[0], TICKS_PER_LIMIT = 8, HUNT_MS = 1 };

/* Handlers are the process's: counted, under the lock. */
static pthread_mutex_t handlers_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned n_watches;
static struct sigaction previous_action[N_FAULT_SIGNALS];
static struct sigaction previous_tick;

/* One thread's clock of life, written by the thread and read by the tick that interrupts it. */
static _Thread_local volatile unsigned life; /* counts up and wraps */
static _Thread_local struct {
    timer_t timer;
    uint32_t limit_ms;
    unsigned life;      /* at the last tick */
    uint32_t silent_ms; /* since life went on */
    bool hunting;       /* the limit is over: a tick every millisecond, for one in the foreign code itself */
} clock_of_life;

static int tick_signal(void) { return SIGRTMIN + 4; }

void tg_guard_alive(void) { life++; }

void tg_guard_enter_runtime(void)
{
    struct tg_guard *guard = tg_coro_current()->guard;
    if (guard) guard->inside = 1;
}

enum tg_guard_end tg_guard_call(struct tg_guard *guard, struct tg_text_range text, tg_guarded_fn *fn, void *arg)
{
    struct tg_coro *coro = tg_coro_current();
    guard->text = text;
    guard->outer = coro->guard;
    guard->end = TG_GUARD_RETURNED;
    guard->signal = 0;
    guard->address = NULL;
    guard->sent = false;
    guard->inside = 0;
    guard->expired = 0;
    fenv_t environment;
    fegetenv(&environment); /* foreign code may change how we round */
    /* The handlers block no signal, so there is no mask to save. */
    if (sigsetjmp(guard->jump, 0) == 0) {
        coro->guard = guard;
        tg_guard_alive();
        fn(arg);
    }
    fesetenv(&environment);
    tg_coro_current()->guard = guard->outer;
    return guard->end;
}

static _Noreturn void leave(struct tg_guard *guard, enum tg_guard_end end)
{
    guard->end = end;
    siglongjmp(guard->jump, 1);
}

void tg_guard_leave_runtime(void)
{
    struct tg_guard *guard = tg_coro_current()->guard;
    if (!guard) return;
    guard->inside = 0;
    if (guard->expired) leave(guard, TG_GUARD_STUCK);
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

static void on_fault(int signal, siginfo_t *info, void *context)
{
    const struct tg_coro *coro = tg_coro_current();
    struct tg_guard *guard = coro->guard;
    if (!guard) {
        chain(signal, info, context);
        return;
    }
    guard->signal = signal;
    guard->address = info->si_addr;
    guard->sent = info->si_code <= 0; /* by kill, raise or abort: there is no address */
    bool overflow = signal == SIGSEGV && tg_coro_overflowed(coro, info->si_addr);
    leave(guard, overflow ? TG_GUARD_OVERFLOWED : TG_GUARD_CRASHED);
}

/* Where the interrupted thread was; 0 where that is not known. */
static uintptr_t interrupted_at(const void *context)
{
    const ucontext_t *where = context;
#if defined(__x86_64__)
    return (uintptr_t)where->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)where->uc_mcontext.pc;
#else
    (void)where;
    return 0;
#endif
}

static uint32_t tick_ms(void)
{
    if (clock_of_life.hunting) return HUNT_MS;
    uint32_t ms = clock_of_life.limit_ms / TICKS_PER_LIMIT;
    return ms > 0 ? ms : 1;
}

static void tick_set(bool hunting)
{
    clock_of_life.hunting = hunting;
    struct itimerspec every;
    every.it_interval.tv_sec = (time_t)(tick_ms() / 1000);
    every.it_interval.tv_nsec = (long)(tick_ms() % 1000) * 1000000;
    every.it_value = every.it_interval;
    timer_settime(clock_of_life.timer, 0, &every, NULL);
}

/* The limit of a guarded call is over: may it be cut off right here? In its own code, always. In the runtime, never: it
 * leaves when it is back. In another library, which may hold a lock, only when nothing else was seen for a whole limit
 * more. */
static bool may_cut(struct tg_guard *guard, const void *context)
{
    if (guard->inside) {
        guard->expired = 1;
        return false;
    }
    uintptr_t at = interrupted_at(context);
    if (at >= guard->text.low && at < guard->text.high) return true;
    return clock_of_life.silent_ms >= 2 * clock_of_life.limit_ms;
}

static void on_tick(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    int saved_errno = errno;
    struct tg_guard *guard = tg_coro_current()->guard;
    if (!guard || life != clock_of_life.life) {
        clock_of_life.life = life;
        clock_of_life.silent_ms = 0;
        if (clock_of_life.hunting) tick_set(false);
    } else {
        clock_of_life.silent_ms += tick_ms();
        if (clock_of_life.silent_ms >= clock_of_life.limit_ms) {
            if (may_cut(guard, context)) {
                tick_set(false);
                leave(guard, TG_GUARD_STUCK);
            }
            if (!clock_of_life.hunting) tick_set(true);
        }
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
        sigemptyset(&action.sa_mask);
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
    tick_set(false);
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
