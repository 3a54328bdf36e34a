#include "os/guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/error.h"
#include "base/now.h"
#include "os/coro.h"
#include "os/started.h"

static const int fault_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
enum { N_FAULT_SIGNALS = sizeof fault_signals / sizeof fault_signals[0] };

/* Handlers belong to the process: counted, under the lock. */
static pthread_mutex_t handlers_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned n_watches;
static struct sigaction previous_action[N_FAULT_SIGNALS];
static struct sigaction previous_tick;
static int tick;       /* the tick's signal; written before the first handler is installed */
static sigset_t ticks; /* only that signal */

/* initial-exec: a handler that interrupts malloc must not allocate the variable that it reads. */
static _Thread_local struct tg_pulse own_pulse __attribute__((tls_model("initial-exec")));

/*
 * A stuck call is ended in its own code, where it holds no lock of ours or of a library. The fence brings it there: it
 * makes the code unexecutable. When the library function that the code called returns, the next instruction faults, and
 * the fault ends the call. The process has one fence; the call that owns it takes it down.
 */
static _Atomic(struct tg_guard *) fence_owner; /* writer: the owner's thread. Publishes low and high. */
static _Atomic(struct tg_pulse *) fence_pulse; /* of the owner's thread */
static _Atomic uintptr_t fence_low, fence_high;
static _Atomic unsigned n_fences; /* fences so far; wraps */

/* A fault this near to the end of a stack is an overflow. */
enum { BELOW_STACK_BYTES = 1 << 20, ABOVE_STACK_BYTES = 64 << 10 };

/* Code that runs for this long behind its fence is in a library for good. */
enum { FENCED_NS = 50000000 };

static bool overflowed(const struct tg_coro *coro, const void *address)
{
    const uintptr_t at = (uintptr_t)address;
    if (tg_coro_overflowed(coro, address)) return true;
    if (coro->stack.low) return false;
    const uintptr_t low = own_pulse.watch ? own_pulse.watch->stack_low : 0;
    return low != 0 && at + BELOW_STACK_BYTES >= low && at < low + ABOVE_STACK_BYTES;
}

struct tg_pulse *tg_pulse_own(void) { return &own_pulse; }

void tg_guard_alive(void) { tg_pulse_beat(&own_pulse); }

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

/* No fence while another call owns it, or for unknown foreign code: the next tick tries again. */
static void fence_raise(struct tg_guard *guard)
{
    struct tg_guard *nobody = NULL;
    struct tg_text_range pages = pages_of(guard->text);
    if (!atomic_compare_exchange_strong_explicit(&fence_owner, &nobody, guard, memory_order_acquire,
                                                 memory_order_relaxed))
        return;
    atomic_store_explicit(&fence_pulse, guard->pulse, memory_order_relaxed);
    atomic_store_explicit(&fence_low, pages.low, memory_order_relaxed); /* a fault on another thread checks twice */
    atomic_store_explicit(&fence_high, pages.high, memory_order_relaxed);
    atomic_fetch_add_explicit(&n_fences, 1, memory_order_relaxed);
    guard->fenced_ns = tg_now_ns(CLOCK_THREAD_CPUTIME_ID);
    if (protect(pages, PROT_READ)) return;
    guard->unfenced = 1;
    atomic_store_explicit(&fence_owner, NULL, memory_order_release);
}

/* Only the owner's thread, or a thread that has seen the owner's end. */
static void fence_take_down(void)
{
    const struct tg_text_range pages = {atomic_load_explicit(&fence_low, memory_order_relaxed),
                                        atomic_load_explicit(&fence_high, memory_order_relaxed)};
    protect(pages, PROT_READ | PROT_EXEC);
    atomic_store_explicit(&fence_owner, NULL, memory_order_release); /* pairs with the acquire in fence_raise() */
}

static void fence_lower(const struct tg_guard *guard)
{
    /* Relaxed: only this thread can have become the owner. */
    if (atomic_load_explicit(&fence_owner, memory_order_relaxed) == guard) fence_take_down();
}

void tg_guard_forget(const struct tg_pulse *pulse)
{
    const bool is_up = atomic_load_explicit(&fence_owner, memory_order_relaxed) != NULL;
    if (is_up && atomic_load_explicit(&fence_pulse, memory_order_relaxed) == pulse) fence_take_down();
}

static bool behind_fence(uintptr_t address)
{
    return atomic_load_explicit(&fence_low, memory_order_relaxed) <= address &&
           address < atomic_load_explicit(&fence_high, memory_order_relaxed);
}

/* Another thread of the foreign code may run into the fence: it waits until the fence is down. For each fence an
 * address gets one more try, because the fence may go down during this check. */
static bool waits_at_fence(uintptr_t address)
{
    static _Thread_local uintptr_t tried __attribute__((tls_model("initial-exec")));
    static _Thread_local unsigned tried_after __attribute__((tls_model("initial-exec")));
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

/* A thread that leaves a handler for good must unblock the ticks. */
static void unblock_ticks(void) { pthread_sigmask(SIG_UNBLOCK, &ticks, NULL); }

void tg_guard_begin(struct tg_guard *guard, struct tg_text_range text)
{
    struct tg_coro *coro = tg_coro_current();
    guard->text = text;
    guard->outer = coro->guard;
    guard->coro = coro;
    guard->pulse = &own_pulse;
    guard->end = TG_GUARD_RETURNED;
    guard->signal = 0;
    guard->address = NULL;
    guard->sent = false;
    guard->inside = 0;
    guard->expired = 0;
    guard->unfenced = 0;
    guard->foreign_top = coro->foreign_top;
    guard->own_sp = coro->own_sp;
    guard->ours = tg_state_enter();
}

void tg_guard_arm(struct tg_guard *guard)
{
    guard->coro->guard = guard;
    tg_guard_alive();
}

enum tg_guard_end tg_guard_finish(struct tg_guard *guard)
{
    tg_state_leave(&guard->ours);
    tg_pulse_check(guard->pulse);
    tg_coro_current()->guard = guard->outer;
    fence_lower(guard);
    if (guard->end == TG_GUARD_RETURNED) return TG_GUARD_RETURNED;
    guard->coro->foreign_top = guard->foreign_top; /* calls of foreign code that did not return */
    guard->coro->own_sp = guard->own_sp;
    tg_guard_alive();
    unblock_ticks();
    return guard->end;
}

enum tg_guard_end tg_guard_call(struct tg_guard *guard, struct tg_text_range text, tg_guarded_fn *fn, void *arg)
{
    tg_guard_begin(guard, text);
    if (sigsetjmp(guard->jump, 0) == 0) {
        tg_guard_arm(guard);
        fn(arg);
    }
    return tg_guard_finish(guard);
}

static _Noreturn void leave(struct tg_guard *guard, enum tg_guard_end end)
{
    guard->end = end;
    siglongjmp(guard->jump, 1);
}

_Noreturn void tg_guard_expire(struct tg_guard *guard)
{
    guard->limit_ms = guard->pulse->watch ? guard->pulse->watch->limit_ms : 0;
    leave(guard, TG_GUARD_STUCK);
}

void tg_guard_leave_runtime(void)
{
    struct tg_guard *guard = tg_coro_current()->guard;
    if (guard) tg_guard_leave(guard);
}

_Noreturn void tg_guard_break(struct tg_guard *guard) { leave(guard, TG_GUARD_BROKEN); }

_Noreturn void tg_guard_raise(void) { leave(tg_coro_current()->guard, TG_GUARD_RAISED); }

bool tg_guard_is_watched(void) { return own_pulse.watch && tg_coro_running && tg_coro_running->guard; }

struct tg_text_range tg_guard_text(void)
{
    return tg_guard_is_watched() ? tg_coro_running->guard->text : (struct tg_text_range){0, 0};
}

void tg_guard_exit(const char *call, int code)
{
    if (!tg_guard_is_watched()) return;
    struct tg_guard *guard = tg_coro_running->guard;
    guard->call = call;
    guard->code = code;
    leave(guard, TG_GUARD_EXITED);
}

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
    case TG_GUARD_STUCK:
        snprintf(text, n_bytes, "does not end within the time limit (kernel_limit_ms %u)", guard->limit_ms);
        break;
    case TG_GUARD_EXITED: snprintf(text, n_bytes, "calls %s(%d)", guard->call, guard->code); break;
    case TG_GUARD_BROKEN:
        snprintf(text, n_bytes, "returns with another stack or other registers than those of its caller");
        break;
    case TG_GUARD_ENDED: snprintf(text, n_bytes, "ends its thread"); break;
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

/* The signal is not ours: do what would have happened without us. */
static void chain(int signal, siginfo_t *info, void *context)
{
    const struct sigaction *previous = previous_of(signal);
    if (previous && (previous->sa_flags & SA_SIGINFO)) {
        previous->sa_sigaction(signal, info, context);
    } else if (previous && previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
        previous->sa_handler(signal);
    } else if (previous && previous->sa_handler == SIG_IGN && info->si_code <= 0) {
        return; /* sent by another thread or process, and ignored before us */
    } else {
        /* Most instructions are repeated, and then fault again under the default action. */
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = SIG_DFL;
        sigaction(signal, &action, NULL);
        bool repeats = info->si_code > 0 && signal != SIGTRAP && signal != SIGSYS;
        if (!repeats) raise(signal);
    }
}

/* The program counter at the signal; 0: unknown on this processor. */
static uintptr_t interrupted_at(const void *context)
{
    const ucontext_t *state = context;
#if defined(__x86_64__)
    return (uintptr_t)state->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)state->uc_mcontext.pc;
#else
    (void)state;
    return 0;
#endif
}

/* Linux delivers a signal with the alignment check that foreign code may have set (arch/x86/kernel/signal.c). */
static void on_fault(int signal, siginfo_t *info, void *context)
{
    tg_state_clear_flags();
    /* Not tg_coro_current(): a thread that never had a coroutine has no guarded call either. */
    const struct tg_coro *coro = tg_coro_running;
    struct tg_guard *guard = coro ? coro->guard : NULL;
    if (signal == SIGSEGV && info->si_code == SEGV_ACCERR) {
        uintptr_t address = (uintptr_t)info->si_addr;
        bool owner = guard && atomic_load_explicit(&fence_owner, memory_order_relaxed) == guard;
        if (owner && behind_fence(address)) tg_guard_expire(guard);
        int saved_errno = errno;
        bool again = !owner && waits_at_fence(address);
        errno = saved_errno;
        if (again) return;
    }
    if (!guard) {
        if (info->si_code > 0) tg_started_end_thread(interrupted_at(context), signal, info->si_addr);
        unblock_ticks(); /* the previous handler may leave for good as well */
        chain(signal, info, context);
        return;
    }
    guard->signal = signal;
    guard->address = info->si_addr;
    guard->sent = info->si_code <= 0; /* by kill, raise or abort: there is no address */
    bool overflow = signal == SIGSEGV && overflowed(coro, info->si_addr);
    leave(guard, overflow ? TG_GUARD_OVERFLOWED : TG_GUARD_CRASHED);
}

/* Has the signal ended a sleep in a system call? The system then repeats the call, so the next instruction is the call,
 * or the call returns EINTR. Another signal may meet malloc while it holds its lock. */
static bool slept(const void *context)
{
    const ucontext_t *state = context;
#if defined(__x86_64__)
    static const unsigned char call[] = {0x0F, 0x05};
    const unsigned char *next = (const unsigned char *)(uintptr_t)state->uc_mcontext.gregs[REG_RIP];
    const bool interrupted = state->uc_mcontext.gregs[REG_RAX] == -EINTR;
#elif defined(__aarch64__)
    static const unsigned char call[] = {0x01, 0x00, 0x00, 0xD4};
    const unsigned char *next = (const unsigned char *)(uintptr_t)state->uc_mcontext.pc;
    const bool interrupted = (int64_t)state->uc_mcontext.regs[0] == -EINTR;
#else
    static const unsigned char call[] = {0};
    const unsigned char *next = call;
    const bool interrupted = false;
    (void)state;
#endif
    return memcmp(next, call, sizeof call) == 0 || (interrupted && memcmp(next - sizeof call, call, sizeof call) == 0);
}

/*
 * The limit of a guarded call has passed. In the runtime the call is never ended; it ends on its return. Elsewhere the
 * fence waits for it. If the call does not reach the fence for long, it is ended in the library that it is in:
 *
 *     it sleeps there
 *     it has run for long with its fence up   without its own fence it may be on its way back, on a busy computer
 *     no fence is possible
 */
static void end_soon(struct tg_guard *guard, const struct tg_watch *watch, const void *context)
{
    if (guard->inside) {
        guard->expired = 1;
        return;
    }
    const bool is_late = atomic_load_explicit(&watch->quiet_ms, memory_order_relaxed) >=
                         tg_watch_cut_off_ms(watch->limit_ms);
    /* Relaxed: only this thread can have become the owner. */
    const bool is_fenced = atomic_load_explicit(&fence_owner, memory_order_relaxed) == guard;
    const bool ran_on = is_fenced && tg_now_ns(CLOCK_THREAD_CPUTIME_ID) - guard->fenced_ns >= FENCED_NS;
    if (is_late && (guard->unfenced || slept(context) || ran_on)) tg_guard_expire(guard);
    if (!is_fenced) fence_raise(guard);
}

/* A thread outside foreign code is alive. */
static void on_tick(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    tg_state_clear_flags();
    struct tg_watch *watch = own_pulse.watch;
    if (!watch) return;
    const int saved_errno = errno;
    struct tg_guard *guard = tg_coro_running ? tg_coro_running->guard : NULL;
    /* Relaxed: the watching thread only compares values; this thread writes `life` itself. */
    atomic_fetch_add_explicit(&watch->n_answers, 1, memory_order_relaxed);
    const unsigned life = atomic_load_explicit(&own_pulse.life, memory_order_relaxed);
    if (!guard) tg_pulse_beat(&own_pulse);
    else if (life == atomic_load_explicit(&watch->quiet_life, memory_order_relaxed)) end_soon(guard, watch, context);
    errno = saved_errno;
}

static struct sigaction action_of(void (*handler)(int signal, siginfo_t *info, void *context))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    /* Ticks are blocked in their handler: nested handlers would fill the signal stack. A crash in a handler is not the
     * foreign code's. */
    action.sa_mask = ticks;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
    action.sa_sigaction = handler;
    return action;
}

/* Do the process's handlers leave this signal unused? */
static bool is_unused(int number)
{
    struct sigaction there;
    return sigaction(number, NULL, &there) == 0 && !(there.sa_flags & SA_SIGINFO) && there.sa_handler == SIG_DFL;
}

/* SIGURG is harmless where it has no handler, and Linux never sends SIGSTKFLT. Both arrive even when the queue of
 * signals is full (RLIMIT_SIGPENDING); the others do not. */
static bool choose_tick(void)
{
    tick = SIGURG;
    if (!is_unused(tick)) tick = SIGSTKFLT;
    if (!is_unused(tick))
        for (tick = SIGRTMIN + 4; tick <= SIGRTMAX && !is_unused(tick);) tick++;
    sigemptyset(&ticks);
    return tick <= SIGRTMAX && sigaddset(&ticks, tick) == 0;
}

enum tg_status tg_handlers_install(void)
{
    pthread_mutex_lock(&handlers_lock);
    const bool chosen = n_watches > 0 || choose_tick();
    if (chosen && n_watches++ == 0) {
        struct sigaction action = action_of(on_fault);
        for (int i = 0; i < N_FAULT_SIGNALS; i++) sigaction(fault_signals[i], &action, &previous_action[i]);
        action = action_of(on_tick);
        sigaction(tick, &action, &previous_tick);
    }
    pthread_mutex_unlock(&handlers_lock);
    if (chosen) return TG_OK;
    return tg_error(
        TG_ERR_MISUSE,
        "no signal is left for time limits: the process has a handler for SIGURG, SIGSTKFLT and each from %d to %d",
        SIGRTMIN + 4, SIGRTMAX);
}

void tg_handlers_remove(void)
{
    pthread_mutex_lock(&handlers_lock);
    if (--n_watches == 0) {
        for (int i = 0; i < N_FAULT_SIGNALS; i++) sigaction(fault_signals[i], &previous_action[i], NULL);
        sigaction(tick, &previous_tick, NULL);
    }
    pthread_mutex_unlock(&handlers_lock);
}

int tg_handlers_tick(void) { return tick; }

void tg_handlers_restore_tick(void)
{
    const struct sigaction action = action_of(on_tick);
    pthread_mutex_lock(&handlers_lock);
    if (n_watches > 0) sigaction(tick, &action, NULL);
    pthread_mutex_unlock(&handlers_lock);
}

bool tg_handlers_have(int number) { return number == tick || previous_of(number) != NULL; }

void tg_handlers_signals(sigset_t *set)
{
    *set = ticks;
    for (int i = 0; i < N_FAULT_SIGNALS; i++) sigaddset(set, fault_signals[i]);
}
