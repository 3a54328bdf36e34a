#include "os/escapes.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/guard.h"
#include "os/imports.h"

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
    tg_guard_exit("pthread_exit", 0);
    pthread_exit(result);
}

/* What of `set` foreign code may block. */
static const sigset_t *blockable(int how, const sigset_t *set, sigset_t *room)
{
    if (!set || how == SIG_UNBLOCK || !tg_guard_is_watched()) return set;
    sigset_t ours;
    tg_handlers_signals(&ours);
    *room = *set;
    for (int signal = 1; signal <= SIGRTMAX; signal++)
        if (sigismember(&ours, signal) == 1) sigdelset(room, signal);
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

/* ISO C has no pointer for functions of all types; POSIX has void *. */
#define ESCAPE(name, function)                                                                                         \
    {                                                                                                                  \
        name, (void *)(uintptr_t)(function)                                                                            \
    }

static const struct {
    const char *name;
    void *function;
} escapes[] = {
    ESCAPE("exit", guarded_exit),
    ESCAPE("_exit", guarded_exit_at_once),
    ESCAPE("_Exit", guarded_exit_at_once),
    ESCAPE("quick_exit", guarded_quick_exit),
    ESCAPE("pthread_exit", guarded_pthread_exit),
    ESCAPE("pthread_sigmask", guarded_pthread_sigmask),
    ESCAPE("sigprocmask", guarded_sigprocmask),
};

static void *bind(void *context, const char *name, void *function)
{
    (void)context;
    (void)function;
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++)
        if (strcmp(escapes[i].name, name) == 0) return escapes[i].function;
    return NULL;
}

void tg_escapes_bind(const struct tg_module *module) { tg_imports_bind(module, bind, NULL); }
