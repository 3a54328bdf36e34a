#include "os/escapes.h"

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <threads.h>
#include <ucontext.h>
#include <unistd.h>

#include "os/exits.h"
#include "os/guard.h"
#include "os/imports.h"
#include "os/lasting.h"
#include "os/refused.h"
#include "os/senders.h"
#include "os/started.h"

/* ---- ends of the process or the thread ---- */

static _Noreturn void guarded_exit(int code)
{
    tg_guard_exit("exit", code);
    exit(code);
}

static _Noreturn void guarded_exit_at_once(int code)
{
    tg_guard_exit("_exit", code);
    _exit(code);
}

static _Noreturn void guarded_quick_exit(int code)
{
    tg_guard_exit("quick_exit", code);
    quick_exit(code);
}

static _Noreturn void guarded_pthread_exit(void *result)
{
    if (!tg_started_is_own()) tg_guard_exit("pthread_exit", 0);
    pthread_exit(result);
}

static _Noreturn void guarded_thrd_exit(int result)
{
    if (!tg_started_is_own()) tg_guard_exit("thrd_exit", result);
    thrd_exit(result);
}

/* The functions of err.h and error.h print a message, then exit. */
static _Noreturn void guarded_err(int code, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vwarn(format, list);
    va_end(list);
    guarded_exit(code);
}

static _Noreturn void guarded_errx(int code, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vwarnx(format, list);
    va_end(list);
    guarded_exit(code);
}

static _Noreturn void guarded_verr(int code, const char *format, va_list list)
{
    vwarn(format, list);
    guarded_exit(code);
}

static _Noreturn void guarded_verrx(int code, const char *format, va_list list)
{
    vwarnx(format, list);
    guarded_exit(code);
}

static void guarded_error(int code, int why, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    errno = why;
    if (why) vwarn(format, list);
    else vwarnx(format, list);
    va_end(list);
    if (code != 0) guarded_exit(code);
}

static void guarded_error_at_line(int code, int why, const char *file, unsigned line, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fflush(stdout);
    fprintf(stderr, "%s:%s:%u: ", program_invocation_name, file, line);
    vfprintf(stderr, format, list);
    va_end(list);
    if (why) fprintf(stderr, ": %s", strerror(why));
    fputc('\n', stderr);
    if (code != 0) guarded_exit(code);
}

/* ---- replacing the process by another program ---- */

static int guarded_execve(const char *path, char *const arguments[], char *const variables[])
{
    tg_guard_exit("execve", 0);
    return execve(path, arguments, variables);
}

static int guarded_execv(const char *path, char *const arguments[])
{
    tg_guard_exit("execv", 0);
    return execv(path, arguments);
}

static int guarded_execvp(const char *file, char *const arguments[])
{
    tg_guard_exit("execvp", 0);
    return execvp(file, arguments);
}

static int guarded_execvpe(const char *file, char *const arguments[], char *const variables[])
{
    tg_guard_exit("execvpe", 0);
    return execvpe(file, arguments, variables);
}

static int guarded_fexecve(int fd, char *const arguments[], char *const variables[])
{
    tg_guard_exit("fexecve", 0);
    return fexecve(fd, arguments, variables);
}

/* The arguments of execl as an array; `more` then stands behind them. NULL: no memory. */
static char **collect(const char *first, va_list *more)
{
    size_t n = 0, room = 16;
    const char **all = malloc(room * sizeof *all);
    for (const char *next = first; all; next = va_arg(*more, const char *)) {
        all[n++] = next;
        if (!next) break;
        if (n < room) continue;
        const char **larger = realloc(all, (room *= 2) * sizeof *all);
        if (!larger) free(all);
        all = larger;
    }
    return (char **)all;
}

static int guarded_execl(const char *path, const char *first, ...)
{
    tg_guard_exit("execl", 0);
    va_list more;
    va_start(more, first);
    char **arguments = collect(first, &more);
    va_end(more);
    const int error = arguments ? execv(path, arguments) : -1;
    free(arguments);
    return error;
}

static int guarded_execlp(const char *file, const char *first, ...)
{
    tg_guard_exit("execlp", 0);
    va_list more;
    va_start(more, first);
    char **arguments = collect(first, &more);
    va_end(more);
    const int error = arguments ? execvp(file, arguments) : -1;
    free(arguments);
    return error;
}

static int guarded_execle(const char *path, const char *first, ...)
{
    tg_guard_exit("execle", 0);
    va_list more;
    va_start(more, first);
    char **arguments = collect(first, &more);
    char *const *variables = va_arg(more, char *const *);
    va_end(more);
    const int error = arguments ? execve(path, arguments, variables) : -1;
    free(arguments);
    return error;
}

/* ---- signals ---- */

/*
 * What foreign code may change of its thread's mask. The mask has all signals but ours, because foreign code has no
 * handlers: each other signal would end the process, or call a handler of the host's on this thread.
 *
 *     SIG_BLOCK     the subset that it may block, or wait for
 *     SIG_UNBLOCK   nothing
 *     SIG_SETMASK   all signals but ours, whatever it asks for
 */
static const sigset_t *allowed(int how, const sigset_t *set, sigset_t *room)
{
    if (!set || !tg_guard_is_watched()) return set;
    if (how == SIG_BLOCK) *room = *set;
    else if (how == SIG_SETMASK) sigfillset(room);
    else sigemptyset(room);
    for (int number = 1; number <= SIGRTMAX; number++)
        if (tg_handlers_have(number)) sigdelset(room, number);
    return room;
}

static int guarded_pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    sigset_t room;
    return pthread_sigmask(how, allowed(how, set, &room), before);
}

static int guarded_sigprocmask(int how, const sigset_t *set, sigset_t *before)
{
    sigset_t room;
    return sigprocmask(how, allowed(how, set, &room), before);
}

/* The older functions, whose sets have the signals up to 32. */
static int change_low_mask(int how, int mask)
{
    sigset_t set, room, before;
    int low = 0;
    sigemptyset(&set);
    for (int number = 1; number <= 32; number++)
        if ((unsigned)mask >> (number - 1) & 1) sigaddset(&set, number);
    pthread_sigmask(how, allowed(how, &set, &room), &before);
    for (int number = 1; number <= 32; number++)
        if (sigismember(&before, number) == 1) low |= (int)(1u << (number - 1));
    return low;
}

static int guarded_sigblock(int mask) { return change_low_mask(SIG_BLOCK, mask); }
static int guarded_sigsetmask(int mask) { return change_low_mask(SIG_SETMASK, mask); }

static int guarded_sighold(int number)
{
    sigset_t set, room;
    sigemptyset(&set);
    if (sigaddset(&set, number) != 0) return -1;
    return sigprocmask(SIG_BLOCK, allowed(SIG_BLOCK, &set, &room), NULL);
}

static int guarded_sigrelse(int number)
{
    sigset_t set, room;
    sigemptyset(&set);
    if (sigaddset(&set, number) != 0) return -1;
    return sigprocmask(SIG_UNBLOCK, allowed(SIG_UNBLOCK, &set, &room), NULL);
}

/* Two functions have this name: one unblocks a signal while it waits, the older one sets a mask. */
static int guarded_sigpause_signal(int number)
{
    sigset_t now, room;
    sigprocmask(SIG_SETMASK, NULL, &now);
    sigdelset(&now, number);
    return sigsuspend(allowed(SIG_SETMASK, &now, &room));
}

static int guarded_sigpause_mask(int mask)
{
    sigset_t set, room;
    sigemptyset(&set);
    for (int number = 1; number <= 32; number++)
        if ((unsigned)mask >> (number - 1) & 1) sigaddset(&set, number);
    return sigsuspend(allowed(SIG_SETMASK, &set, &room));
}

/* While a call waits with another mask, or for signals, ours still arrive. */
static int guarded_sigsuspend(const sigset_t *set)
{
    sigset_t room;
    return sigsuspend(allowed(SIG_SETMASK, set, &room));
}

static int guarded_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *limit, const sigset_t *set)
{
    sigset_t room;
    return ppoll(fds, n, limit, allowed(SIG_SETMASK, set, &room));
}

static int guarded_pselect(int n, fd_set *reads, fd_set *writes, fd_set *others, const struct timespec *limit,
                           const sigset_t *set)
{
    sigset_t room;
    return pselect(n, reads, writes, others, limit, allowed(SIG_SETMASK, set, &room));
}

static int guarded_epoll_pwait(int fd, struct epoll_event *events, int n, int limit_ms, const sigset_t *set)
{
    sigset_t room;
    return epoll_pwait(fd, events, n, limit_ms, allowed(SIG_SETMASK, set, &room));
}

static int guarded_sigwait(const sigset_t *set, int *number)
{
    sigset_t room;
    return sigwait(allowed(SIG_BLOCK, set, &room), number);
}

static int guarded_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *limit)
{
    sigset_t room;
    return sigtimedwait(allowed(SIG_BLOCK, set, &room), info, limit);
}

static int guarded_sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
    sigset_t room;
    return sigwaitinfo(allowed(SIG_BLOCK, set, &room), info);
}

static int guarded_signalfd(int fd, const sigset_t *set, int flags)
{
    sigset_t room;
    return signalfd(fd, allowed(SIG_BLOCK, set, &room), flags);
}

/* A context has a mask of its own. */
static int guarded_setcontext(const ucontext_t *context)
{
    ucontext_t *changed = (ucontext_t *)(uintptr_t)context;
    sigset_t room;
    changed->uc_sigmask = *allowed(SIG_SETMASK, &context->uc_sigmask, &room);
    return setcontext(context);
}

static int guarded_swapcontext(ucontext_t *from, const ucontext_t *to)
{
    ucontext_t *changed = (ucontext_t *)(uintptr_t)to;
    sigset_t room;
    changed->uc_sigmask = *allowed(SIG_SETMASK, &to->uc_sigmask, &room);
    return swapcontext(from, to);
}

/* A thread begins with the mask of its attributes. */
static int guarded_attr_setsigmask(pthread_attr_t *attr, const sigset_t *set)
{
    sigset_t room;
    return pthread_attr_setsigmask_np(attr, allowed(SIG_SETMASK, set, &room));
}

/* libc ends the process when a context ends that has no next one. */
enum { CONTEXT_ARGS = 6 };
typedef void context_fn(long a, long b, long c, long d, long e, long f);

static void run_last_context(long function, long a, long b, long c, long d, long e, long f)
{
    context_fn *call = (context_fn *)function;
    call(a, b, c, d, e, f);
    guarded_exit(0);
}

static void guarded_makecontext(ucontext_t *context, void (*fn)(void), int n, ...)
{
    long a[CONTEXT_ARGS] = {0};
    va_list list;
    va_start(list, n);
    for (int i = 0; i < n && i < CONTEXT_ARGS; i++) a[i] = va_arg(list, long);
    va_end(list);
    if (context->uc_link || !tg_guard_is_watched()) makecontext(context, fn, n, a[0], a[1], a[2], a[3], a[4], a[5]);
    else
        makecontext(context, (void (*)(void))run_last_context, CONTEXT_ARGS + 1, (long)fn, a[0], a[1], a[2], a[3], a[4],
                    a[5]);
}

/* Would the signal end or stop the process? Not inline: the handler leaves the frame of its caller, and the address
 * sanitizer does not learn that the variables of that frame are gone. */
static __attribute__((noinline)) bool is_fatal(int number)
{
    struct sigaction now;
    if (number == SIGKILL || number == SIGSTOP) return true;
    if (number == SIGCHLD || number == SIGCONT || number == SIGURG || number == SIGWINCH) return false;
    return number > 0 && sigaction(number, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
           now.sa_handler == SIG_DFL;
}

/* Foreign code sends a signal to this process. A signal that would end the process ends the guarded call. One of ours
 * would reach an unguarded thread, so this thread gets it. true: the call is done. */
static bool meets_its_sender(const char *call, int number)
{
    if (!tg_guard_is_watched()) return false;
    if (is_fatal(number)) tg_guard_exit(call, number);
    if (!tg_handlers_have(number)) return false;
    raise(number);
    return true;
}

/* Does kill(process) reach this process? */
static bool is_ours(pid_t process)
{
    return process == 0 || process == -1 || process == getpid() || process == -getpgrp();
}

static int guarded_kill(pid_t process, int number)
{
    return is_ours(process) && meets_its_sender("kill", number) ? 0 : kill(process, number);
}

static int guarded_killpg(pid_t group, int number)
{
    return (group == 0 || is_ours(-group)) && meets_its_sender("killpg", number) ? 0 : killpg(group, number);
}

static int guarded_sigqueue(pid_t process, int number, const union sigval value)
{
    return is_ours(process) && meets_its_sender("sigqueue", number) ? 0 : sigqueue(process, number, value);
}

static int guarded_raise(int number) { return meets_its_sender("raise", number) ? 0 : raise(number); }

static int guarded_tgkill(pid_t process, pid_t thread, int number)
{
    return process == getpid() && meets_its_sender("tgkill", number) ? 0 : tgkill(process, thread, number);
}

static int guarded_pthread_sigqueue(pthread_t thread, int number, const union sigval value)
{
    return meets_its_sender("pthread_sigqueue", number) ? 0 : pthread_sigqueue(thread, number, value);
}

static int guarded_pthread_kill(pthread_t thread, int number)
{
    return meets_its_sender("pthread_kill", number) ? 0 : pthread_kill(thread, number);
}

/* ---- system calls ---- */

enum { SET_BYTES = sizeof(uint64_t) }; /* of the kernel's sets of signals */

/* rt_sigprocmask, on a set that the kernel understands. */
static long change_mask(long how, const uint64_t *set, long before, long set_bytes)
{
    if (!set || set_bytes != SET_BYTES) return syscall(SYS_rt_sigprocmask, how, set, before, set_bytes);
    uint64_t bits = how == SIG_BLOCK ? *set : how == SIG_SETMASK ? ~UINT64_C(0) : 0;
    for (int number = 1; number <= 8 * SET_BYTES; number++)
        if (tg_handlers_have(number)) bits &= ~(UINT64_C(1) << (number - 1));
    return syscall(SYS_rt_sigprocmask, how, &bits, before, set_bytes);
}

/* Does the call end the process, the thread or the program? */
static void end_instead(long number, long argument)
{
    switch (number) {
    case SYS_exit: tg_guard_exit("SYS_exit", (int)argument); break;
    case SYS_exit_group: tg_guard_exit("SYS_exit_group", (int)argument); break;
    case SYS_execve:
    case SYS_execveat: tg_guard_exit("SYS_execve", 0); break;
    default: break;
    }
}

/* Does the call send a signal that its sender meets? A descriptor of a process may be this process's. */
static bool sends_to_itself(long number, const long a[6])
{
    switch (number) {
    case SYS_kill: return is_ours((pid_t)a[0]) && meets_its_sender("kill", (int)a[1]);
    case SYS_tkill: return meets_its_sender("tkill", (int)a[1]);
    case SYS_tgkill: return a[0] == getpid() && meets_its_sender("tgkill", (int)a[2]);
    case SYS_rt_sigqueueinfo: return is_ours((pid_t)a[0]) && meets_its_sender("sigqueue", (int)a[1]);
    case SYS_rt_tgsigqueueinfo: return a[0] == getpid() && meets_its_sender("pthread_sigqueue", (int)a[2]);
    case SYS_pidfd_send_signal: return meets_its_sender("pidfd_send_signal", (int)a[1]);
    default: return false;
    }
}

static long guarded_syscall(long number, ...)
{
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    if (!tg_guard_is_watched()) return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    end_instead(number, a[0]);
    long result = 0;
    if (tg_refused_system_call(number, a, &result)) return result;
    if (sends_to_itself(number, a)) return 0;
    if (number == SYS_rt_sigprocmask) return change_mask(a[0], (const uint64_t *)a[1], a[2], a[3]);
    return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- all of them ---- */

static const struct tg_escape escapes[] = {
    TG_ESCAPE("exit", guarded_exit),
    TG_ESCAPE("_exit", guarded_exit_at_once),
    TG_ESCAPE("_Exit", guarded_exit_at_once),
    TG_ESCAPE("quick_exit", guarded_quick_exit),
    TG_ESCAPE("pthread_exit", guarded_pthread_exit),
    TG_ESCAPE("thrd_exit", guarded_thrd_exit),
    TG_ESCAPE("pthread_create", tg_started_pthread),
    TG_ESCAPE("thrd_create", tg_started_thrd),
    TG_ESCAPE("execve", guarded_execve),
    TG_ESCAPE("execv", guarded_execv),
    TG_ESCAPE("execvp", guarded_execvp),
    TG_ESCAPE("execvpe", guarded_execvpe),
    TG_ESCAPE("fexecve", guarded_fexecve),
    TG_ESCAPE("execl", guarded_execl),
    TG_ESCAPE("execlp", guarded_execlp),
    TG_ESCAPE("execle", guarded_execle),
    TG_ESCAPE("pthread_sigmask", guarded_pthread_sigmask),
    TG_ESCAPE("sigprocmask", guarded_sigprocmask),
    TG_ESCAPE("kill", guarded_kill),
    TG_ESCAPE("killpg", guarded_killpg),
    TG_ESCAPE("sigqueue", guarded_sigqueue),
    TG_ESCAPE("raise", guarded_raise),
    TG_ESCAPE("gsignal", guarded_raise),
    TG_ESCAPE("tgkill", guarded_tgkill),
    TG_ESCAPE("pthread_sigqueue", guarded_pthread_sigqueue),
    TG_ESCAPE("sigblock", guarded_sigblock),
    TG_ESCAPE("sigsetmask", guarded_sigsetmask),
    TG_ESCAPE("sighold", guarded_sighold),
    TG_ESCAPE("sigsuspend", guarded_sigsuspend),
    TG_ESCAPE("ppoll", guarded_ppoll),
    TG_ESCAPE("pselect", guarded_pselect),
    TG_ESCAPE("epoll_pwait", guarded_epoll_pwait),
    TG_ESCAPE("sigwait", guarded_sigwait),
    TG_ESCAPE("sigtimedwait", guarded_sigtimedwait),
    TG_ESCAPE("sigwaitinfo", guarded_sigwaitinfo),
    TG_ESCAPE("signalfd", guarded_signalfd),
    TG_ESCAPE("pthread_attr_setsigmask_np", guarded_attr_setsigmask),
    TG_ESCAPE("sigrelse", guarded_sigrelse),
    TG_ESCAPE("sigpause", guarded_sigpause_mask),
    TG_ESCAPE("__xpg_sigpause", guarded_sigpause_signal),
    TG_ESCAPE("setcontext", guarded_setcontext),
    TG_ESCAPE("swapcontext", guarded_swapcontext),
    TG_ESCAPE("err", guarded_err),
    TG_ESCAPE("errx", guarded_errx),
    TG_ESCAPE("verr", guarded_verr),
    TG_ESCAPE("verrx", guarded_verrx),
    TG_ESCAPE("error", guarded_error),
    TG_ESCAPE("error_at_line", guarded_error_at_line),
    TG_ESCAPE("makecontext", guarded_makecontext),
    TG_ESCAPE("__cxa_atexit", tg_exits_register),
    TG_ESCAPE("pthread_kill", guarded_pthread_kill),
    TG_ESCAPE("syscall", guarded_syscall),
};

void *tg_escape_find(const struct tg_escape *rows, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].name, name) == 0) return rows[i].function;
    return NULL;
}

static void *bind(void *context, const char *name, void *function)
{
    (void)context;
    (void)function;
    void *found = tg_escape_find(escapes, sizeof escapes / sizeof escapes[0], name);
    if (!found) found = tg_refused_find(name);
    if (!found) found = tg_senders_find(name);
    return found ? found : tg_lasting_find(name);
}

void tg_escapes_bind(const struct tg_module *module) { tg_imports_bind(module, bind, NULL); }
