#include "os/escapes.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

#include "os/guard.h"
#include "os/imports.h"
#include "os/refused.h"
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

/* The subset of `set` that foreign code may block. */
static const sigset_t *blockable(int how, const sigset_t *set, sigset_t *room)
{
    if (!set || how == SIG_UNBLOCK || !tg_guard_is_watched()) return set;
    *room = *set;
    for (int number = 1; number <= SIGRTMAX; number++)
        if (tg_handlers_have(number)) sigdelset(room, number);
    return room;
}

static int guarded_pthread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    sigset_t room;
    return pthread_sigmask(how, blockable(how, set, &room), before);
}

static int guarded_sigprocmask(int how, const sigset_t *set, sigset_t *before)
{
    sigset_t room;
    return sigprocmask(how, blockable(how, set, &room), before);
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

static int guarded_pthread_kill(pthread_t thread, int number)
{
    return meets_its_sender("pthread_kill", number) ? 0 : pthread_kill(thread, number);
}

/* ---- system calls ---- */

enum { SET_BYTES = sizeof(uint64_t) }; /* of the kernel's sets of signals */

/* rt_sigprocmask, on a set that the kernel understands. */
static long change_mask(long how, const uint64_t *set, long before, long set_bytes)
{
    uint64_t allowed = 0;
    if (!set || how == SIG_UNBLOCK || set_bytes != SET_BYTES)
        return syscall(SYS_rt_sigprocmask, how, set, before, set_bytes);
    allowed = *set;
    for (int number = 1; number <= 8 * SET_BYTES; number++)
        if (tg_handlers_have(number)) allowed &= ~(UINT64_C(1) << (number - 1));
    return syscall(SYS_rt_sigprocmask, how, &allowed, before, set_bytes);
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

static long guarded_syscall(long number, ...)
{
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
    va_end(list);
    if (!tg_guard_is_watched()) return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    end_instead(number, a[0]);
    if (tg_refused_system_call(number, a)) return -1;
    if (number == SYS_kill && is_ours((pid_t)a[0]) && meets_its_sender("kill", (int)a[1])) return 0;
    if (number == SYS_tkill && meets_its_sender("tkill", (int)a[1])) return 0;
    if (number == SYS_tgkill && a[0] == getpid() && meets_its_sender("tgkill", (int)a[2])) return 0;
    if (number == SYS_rt_sigprocmask) return change_mask(a[0], (const uint64_t *)a[1], a[2], a[3]);
    return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    void *function;
} escapes[] = {
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
    TG_ESCAPE("pthread_kill", guarded_pthread_kill),
    TG_ESCAPE("syscall", guarded_syscall),
};

static void *bind(void *context, const char *name, void *function)
{
    (void)context;
    (void)function;
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++)
        if (strcmp(escapes[i].name, name) == 0) return escapes[i].function;
    return tg_refused_find(name);
}

void tg_escapes_bind(const struct tg_module *module) { tg_imports_bind(module, bind, NULL); }
