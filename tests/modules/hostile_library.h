/* hostile_library.h - acts of enum hostile_act by less known functions of the C library. */
#ifndef TESTS_MODULES_HOSTILE_LIBRARY_H
#define TESTS_MODULES_HOSTILE_LIBRARY_H

#include <aio.h>
#include <dlfcn.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/sockios.h>
#include <mqueue.h>
#include <poll.h>
#include <printf.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <ulimit.h>
#include <unistd.h>

#include "hostile_base.h"

/* The signal of a broken pipe is fatal to the process, unless it is blocked. */
static void hostile_broken_pipe(void)
{
    int ends[2];
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (pipe(ends) != 0) return;
    close(ends[0]);
    pthread_sigmask(SIG_UNBLOCK, &all, NULL);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8L);
    hostile_demand(write(ends[1], "", 1) == -1 && errno == EPIPE);
    const struct timespec soon = {0, 1000};
    struct pollfd nothing = {.fd = -1};
    ppoll(&nothing, 1, &soon, &none);
    pselect(0, NULL, NULL, NULL, &soon, &none);
    close(ends[1]);
}

/* Descriptors that send a signal when they are ready. */
static void hostile_asynchronous(void)
{
    int ends[2];
    if (pipe(ends) != 0) return;
    const int flags = fcntl(ends[0], F_GETFL), on = 1, own = getpid();
    hostile_demand(fcntl(ends[0], F_SETFL, flags | O_NONBLOCK) == 0);
    hostile_demand(fcntl(ends[0], F_SETFL, flags | O_ASYNC) == -1 && errno == EPERM);
    hostile_demand(fcntl(ends[0], F_SETOWN, own) == -1);
    hostile_demand(fcntl(ends[0], F_SETSIG, SIGKILL) == -1);
    hostile_demand(ioctl(ends[0], FIOASYNC, &on) == -1 && errno == EPERM);
    hostile_demand(ioctl(ends[0], FIOSETOWN, &own) == -1);
    hostile_demand(syscall(SYS_fcntl, ends[0], F_SETFL, flags | O_ASYNC) == -1);
    hostile_demand(syscall(SYS_ioctl, ends[0], FIOASYNC, &on) == -1);
    hostile_demand(write(ends[1], "", 1) == 1);
    close(ends[0]);
    close(ends[1]);
}

/* Work of others that ends with a signal. */
static void hostile_notified(void)
{
    static char byte;
    int ends[2];
    if (pipe(ends) != 0) return;
    struct aiocb work = {.aio_fildes = ends[1], .aio_buf = &byte, .aio_nbytes = 1};
    work.aio_sigevent.sigev_notify = SIGEV_SIGNAL;
    work.aio_sigevent.sigev_signo = SIGKILL;
    struct aiocb *all[] = {&work};
    work.aio_lio_opcode = LIO_WRITE;
    hostile_demand(aio_write(&work) == -1 && errno == EPERM);
    hostile_demand(aio_read(&work) == -1);
    hostile_demand(aio_fsync(O_SYNC, &work) == -1);
    hostile_demand(lio_listio(LIO_NOWAIT, all, 1, NULL) == -1);
    hostile_demand(mq_notify(0, &work.aio_sigevent) == -1 && errno == EPERM);
    close(ends[0]);
    close(ends[1]);
}

/* Handlers by functions of System V. */
static void hostile_old_handlers(void)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    hostile_demand(sigset(SIGSEGV, SIG_DFL) == SIG_ERR);
    hostile_demand(sigset(SIGUSR1, SIG_HOLD) == SIG_ERR);
    hostile_demand(sigignore(SIGSEGV) == -1);
    hostile_demand(siginterrupt(SIGURG, 1) == -1);
#pragma GCC diagnostic pop
}

/* The loader holds its lock while it calls this. */
static int hostile_stay(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    (void)info;
    (void)bytes;
    while (hostile_zero == 0) continue;
    return arg != NULL;
}

static int hostile_crash_here(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    (void)info;
    (void)bytes;
    *hostile_nowhere = 1;
    return arg != NULL;
}

/* Pointers of the process into an object that is gone soon. */
static void hostile_pointers(void)
{
    static char variable[] = "HOSTILE_VARIABLE=static", buffer[BUFSIZ];
    hostile_demand(putenv(variable) == 0);
    setbuffer(stdin, buffer, sizeof buffer);
    setbuf(stdout, buffer);
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
}

static int hostile_print(FILE *stream, const struct printf_info *info, const void *const *arguments)
{
    (void)info;
    (void)arguments;
    return fprintf(stream, "hostile");
}

static int hostile_print_size(const struct printf_info *info, size_t n, int *types, int *sizes)
{
    (void)info;
    if (n > 0) types[0] = PA_INT;
    if (n > 0) sizes[0] = (int)sizeof(int);
    return 1;
}

static ssize_t hostile_write(void *cookie, const char *bytes, size_t n)
{
    (void)cookie;
    (void)bytes;
    return (ssize_t)n;
}

/* Functions that libc would call after the object is gone. */
static void hostile_callbacks(void)
{
    hostile_demand(register_printf_specifier('d', hostile_print, hostile_print_size) == -1);
    hostile_demand(register_printf_modifier(L"l") == -1);
    hostile_demand(register_printf_type(NULL) == -1);
    FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = hostile_write});
    if (stream) fputs("never flushed", stream);
    hostile_demand(!stream);
}

/* All keys, of which one is its own. */
static void hostile_keys(void)
{
    pthread_key_t own;
    hostile_demand(pthread_key_create(&own, NULL) == 0);
    hostile_demand(pthread_key_delete(own) == 0);
    for (pthread_key_t key = 0; key < PTHREAD_KEYS_MAX; key++) pthread_key_delete(key);
}

/* An object that others may have opened, too: it stays. */
static void hostile_close_library(void)
{
    static const char name[] = "libBrokenLocale.so.1";
    void *handle = dlopen(name, RTLD_NOW);
    if (!handle) return;
    for (int i = 0; i < 3; i++) hostile_demand(dlclose(handle) == 0);
    hostile_demand(dlopen(name, RTLD_NOW | RTLD_NOLOAD) == handle);
    hostile_demand(dlclose(NULL) == -1);
}

/* End the processes that this one has started, and take their ends. */
static void hostile_children(void)
{
    char path[64], text[4096] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");
    if (file && !fgets(text, sizeof text, file)) text[0] = '\0';
    if (file) fclose(file);
    char *rest = text;
    for (long child; (child = strtol(rest, &rest, 10)) > 0;) {
        kill((pid_t)child, SIGKILL);
        waitpid((pid_t)child, NULL, 0);
    }
}

/* libc ends the process where a context ends that has no next one. */
static void hostile_context_ends(void) { hostile_sink = 1; }
static void hostile_context_crashes(void) { *hostile_nowhere = 1; }

static void hostile_context(void (*function)(void))
{
    static char stack[64 << 10];
    static ucontext_t own, other;
    getcontext(&other);
    other.uc_stack.ss_sp = stack;
    other.uc_stack.ss_size = sizeof stack;
    other.uc_link = NULL;
    makecontext(&other, function, 0);
    swapcontext(&own, &other);
}

/* Back into a frame that has ended. */
static jmp_buf hostile_there;

static __attribute__((noinline)) void hostile_set_jump(void)
{
    if (setjmp(hostile_there) != 0) *hostile_nowhere = 1;
}

static void hostile_jump(void)
{
    hostile_set_jump();
    longjmp(hostile_there, 1);
}

/* Memory that stays, or no longer stays, in memory. */
static void hostile_lock_memory(void)
{
    hostile_demand(mlockall(MCL_CURRENT | MCL_FUTURE) == -1 && errno == EPERM);
    hostile_demand(munlockall() == -1 && errno == EPERM);
    hostile_demand(syscall(SYS_mlockall, MCL_FUTURE) == -1);
    hostile_demand(ulimit(UL_SETFSIZE, 1L) == -1);
}

/* Processors and priority of other threads. */
static void hostile_scheduling(void)
{
    const struct sched_param parameters = {.sched_priority = 0};
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return;
    hostile_demand(sched_setaffinity(gettid(), sizeof set, &set) == 0);
    hostile_demand(sched_setaffinity(getpid(), sizeof set, &set) == -1 && errno == EPERM);
    hostile_demand(sched_setscheduler(getpid(), SCHED_IDLE, &parameters) == -1);
    hostile_demand(sched_setparam(getpid(), &parameters) == -1);
    hostile_demand(setpriority(PRIO_PROCESS, (id_t)getpid(), 19) == -1);
    hostile_demand(setpriority(PRIO_PGRP, 0, 19) == -1);
    hostile_demand(setpriority(PRIO_USER, 0, 19) == -1);
    hostile_demand(syscall(SYS_sched_setaffinity, getpid(), sizeof set, &set) == -1);
    hostile_demand(syscall(SYS_ioprio_set, 1, getpid(), 0) == -1);
}

/* One lock, taken twice. */
static void hostile_deadlock(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    pthread_mutex_lock(&lock);
}

/* Put another file in the place of every descriptor behind the standard streams. */
static void hostile_replace_descriptors(void)
{
    const int null = open("/dev/null", O_RDWR);
    for (int fd = 3; fd < 1024; fd++)
        if (fd != null) dup2(null, fd);
    for (int fd = 3; fd < 1024; fd++) close(fd);
}

#endif
