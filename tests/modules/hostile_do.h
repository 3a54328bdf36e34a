/* hostile_do.h - how enum hostile_act is done. */
#ifndef TESTS_MODULES_HOSTILE_DO_H
#define TESTS_MODULES_HOSTILE_DO_H

#include <dlfcn.h>
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#include "hostile.h"
#include "hostile_base.h"
#include "hostile_library.h"

static __attribute__((noinline)) int hostile_recurse(int depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    if (hostile_zero == 1) return 0; /* never: keeps the compiler from seeing that there is no end */
    return hostile_recurse(depth + 1) + frame[0];
}

static __attribute__((noinline)) int hostile_leap(int depth)
{
    volatile char frame[64 * 1024];
    frame[0] = (char)depth;
    if (hostile_zero == 1) return 0;
    return hostile_leap(depth + 1) + frame[0];
}

/* Without end: an inaccessible page above the frames has to stop it. */
static __attribute__((noinline)) void hostile_smash(void)
{
    for (volatile char *at = __builtin_frame_address(0);; at++) *at = 0x5A;
}

static void hostile_illegal(void)
{
#if defined(__x86_64__)
    __asm__ volatile("ud2");
#elif defined(__aarch64__)
    __asm__ volatile(".inst 0");
#else
    raise(SIGILL);
#endif
}

static void hostile_limits(void)
{
    const struct rlimit nothing = {0, 0}, little = {1 << 20, 1 << 20};
    hostile_demand(setrlimit(RLIMIT_NOFILE, &nothing) == -1 && errno == EPERM);
    hostile_demand(setrlimit(RLIMIT_AS, &little) == -1);
    hostile_demand(prlimit(0, RLIMIT_FSIZE, &nothing, NULL) == -1);
    hostile_demand(syscall(SYS_prlimit64, 0, RLIMIT_SIGPENDING, &nothing, NULL) == -1);
}

static void hostile_handler(int number) { hostile_sink = number; }

static void hostile_handlers(void)
{
    const struct sigaction action = {.sa_handler = hostile_handler};
    for (int number = 1; number <= SIGRTMAX; number++) {
        hostile_demand(signal(number, hostile_handler) == SIG_ERR);
        hostile_demand(sigaction(number, &action, NULL) == -1);
    }
}

static void hostile_timer(void)
{
    const struct itimerval soon = {{0, 1000}, {0, 1000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    timer_t timer;
    hostile_demand(setitimer(ITIMER_REAL, &soon, NULL) == -1);
    hostile_demand(timer_create(CLOCK_MONOTONIC, &event, &timer) == -1);
    alarm(1);
    hostile_demand(alarm(0) == 0); /* none was set */
}

/* A copy that is made nevertheless must not go on. */
static void hostile_fork(void)
{
    const pid_t copy = fork();
    if (copy == 0) hostile_system_call(SYS_exit_group, 0, 0, 0, 0);
    hostile_demand(copy == -1);
    hostile_demand(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == -1);
}

static void hostile_own_pages(void)
{
    void *page = (void *)((uintptr_t)hostile_handler / 4096 * 4096);
    hostile_demand(mprotect(page, 4096, PROT_READ) == -1);
    hostile_demand(mmap(page, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
    hostile_demand(munmap(page, 4096) == -1);
}

static void hostile_unload(void)
{
    Dl_info own;
    void *handle = dladdr((void *)&hostile_sink, &own) ? dlopen(own.dli_fname, RTLD_NOW) : NULL;
    for (int i = 0; i < 3 && handle; i++) hostile_demand(dlclose(handle) == -1);
}

/* Device memory, where the caller knows some. */
static void *hostile_memory;

static void hostile_keep_pages(void *address)
{
    void *page = (void *)((uintptr_t)address / 4096 * 4096);
    hostile_demand(mprotect(page, 4096, PROT_NONE) == -1 && errno == EPERM);
    hostile_demand(madvise(page, 4096, MADV_DONTNEED) == -1);
    hostile_demand(mremap(page, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED);
    hostile_demand(munmap(page, 4096) == -1);
    hostile_demand(syscall(SYS_munmap, page, 4096L) == -1);
}

/* Of three pages the one between the others is given back first. */
static void hostile_own_mappings(void)
{
    char *all = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    hostile_demand(all == MAP_FAILED || munmap(all + 4096, 4096) == 0);
    hostile_demand(munmap(all, 3 * 4096) == -1); /* the page between them may be somebody else's now */
    hostile_demand(mprotect(all, 4096, PROT_READ) == 0);
    hostile_demand(munmap(all, 4096) == 0);
    char *more = mremap(all + 2 * 4096, 4096, 2 * 4096, MREMAP_MAYMOVE);
    hostile_demand(more == MAP_FAILED || munmap(more, 2 * 4096) == 0);
    void *bare = (void *)syscall(SYS_mmap, NULL, 4096L, (long)PROT_READ, (long)(MAP_PRIVATE | MAP_ANONYMOUS), -1L, 0L);
    hostile_demand(bare == MAP_FAILED || syscall(SYS_munmap, bare, 4096L) == 0);
}

static void hostile_pages(void)
{
    int local;
    char *block = malloc(1 << 20);
    hostile_keep_pages(&local);
    hostile_keep_pages(block + 8192);
    if (hostile_memory) hostile_keep_pages(hostile_memory);
    hostile_demand(sbrk(4096) == (void *)-1);
    free(block);
    hostile_own_mappings();
}

static void hostile_settings(void)
{
    hostile_demand(prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 && errno == EPERM);
    hostile_demand(prctl(PR_SET_DUMPABLE, 0) == -1);
    hostile_demand(prctl(PR_SET_TSC, PR_TSC_SIGSEGV) == -1);
    hostile_demand(syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1L, 0L, 0L, 0L) == -1);
    hostile_demand(personality(0) == -1);
    hostile_demand(unshare(CLONE_FILES) == -1);
    hostile_demand(setns(0, 0) == -1 && errno == EPERM);
    hostile_demand(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1);
#if defined(__x86_64__)
    hostile_demand(syscall(SYS_arch_prctl, 0x1002L, 0L) == -1); /* ARCH_SET_FS */
#endif
    ualarm(1000, 1000);
}

static void hostile_detach(void)
{
    hostile_demand(pthread_detach(pthread_self()) == EPERM);
    hostile_demand(thrd_detach(thrd_current()) == thrd_error);
    hostile_demand(syscall(SYS_set_tid_address, 0L) == -1);
    hostile_demand(syscall(SYS_set_robust_list, 0L, 0L) == -1);
}

/* Registered: to be called where the object is gone. */
static void hostile_never(void *arg)
{
    (void)arg;
    hostile_system_call(SYS_exit_group, 9, 0, 0, 0);
}

static void hostile_never_at_exit(int code, void *arg)
{
    (void)code;
    hostile_never(arg);
}

static void hostile_never_at_fork(void) { hostile_never(NULL); }

static void hostile_at_end(void)
{
    static int value;
    pthread_key_t key;
    tss_t other;
    if (pthread_key_create(&key, hostile_never) == 0) pthread_setspecific(key, &value);
    if (tss_create(&other, hostile_never) == thrd_success) tss_set(other, &value);
    hostile_demand(on_exit(hostile_never_at_exit, NULL) == -1);
    hostile_demand(at_quick_exit(hostile_never_at_fork) == -1);
    hostile_demand(pthread_atfork(hostile_never_at_fork, NULL, NULL) == EPERM);
}

static void hostile_crash_at_exit(void) { *hostile_nowhere = 1; }
static void hostile_end_at_exit(void) { hostile_system_call(SYS_exit, 0, 0, 0, 0); }

static void hostile_at_exit(void)
{
    atexit(hostile_crash_at_exit);
    atexit(hostile_end_at_exit);
    atexit(hostile_crash_at_exit);
}

static void hostile_queue(void)
{
    const union sigval nothing = {.sival_int = 0};
    pthread_sigqueue(pthread_self(), SIGKILL, nothing);
}

static void hostile_sigwait(void)
{
    sigset_t all;
    siginfo_t info;
    sigfillset(&all);
    while (hostile_zero == 0) sigwaitinfo(&all, &info);
}

static void hostile_sigsuspend(void)
{
    sigset_t all;
    sigfillset(&all);
    while (hostile_zero == 0) sigsuspend(&all);
}

static void hostile_sigsetmask(void)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    sigsetmask(~0);
    sigblock(~0);
    for (int number = 1; number <= SIGRTMAX; number++) sighold(number);
#pragma GCC diagnostic pop
    while (hostile_zero == 0) continue;
}

static void *hostile_thread(void *arg)
{
    *hostile_nowhere = 1;
    return arg;
}

/* As std::thread does: the call is not the object's own. */
static void hostile_crash_in_library_thread(void)
{
    typedef int create_fn(pthread_t * thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
    create_fn *create = (create_fn *)(uintptr_t)dlsym(RTLD_DEFAULT, "pthread_create");
    pthread_t thread;
    if (create(&thread, NULL, hostile_thread, NULL) == 0) pthread_join(thread, NULL);
}

static void hostile_crash_in_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, hostile_thread, NULL) == 0) pthread_join(thread, NULL);
}

static void hostile_do(int64_t act)
{
    switch ((enum hostile_act)act) {
    case HOSTILE_SEGV: *hostile_nowhere = 1; break;
    case HOSTILE_BUS: raise(SIGBUS); break;
    case HOSTILE_FPE:
        hostile_sink = hostile_sink / hostile_zero;
        raise(SIGFPE); /* some processors divide by 0 */
        break;
    case HOSTILE_ILL: hostile_illegal(); break;
    case HOSTILE_TRAP: raise(SIGTRAP); break;
    case HOSTILE_ABORT: abort();
    case HOSTILE_OVERFLOW: hostile_sink = hostile_recurse(0); break;
    case HOSTILE_STEP_OVER: hostile_sink = hostile_leap(0); break;
    case HOSTILE_SMASH: hostile_smash(); break;
    case HOSTILE_SPIN:
        while (hostile_zero == 0) continue;
        break;
    case HOSTILE_PAUSE:
        while (hostile_zero == 0) pause();
        break;
    case HOSTILE_MALLOC:
        while (hostile_zero == 0) {
            /* Volatile: the compiler must not see that nobody uses it. Larger than what malloc keeps for a thread. */
            void *volatile block = malloc(2000);
            free(block);
        }
        break;
    case HOSTILE_CLOSE:
        for (int fd = 3; fd < 1024; fd++) close(fd);
        break;
    case HOSTILE_SLEEP: sleep(3600); break;
    case HOSTILE_EXIT: exit(3);
    case HOSTILE_EXIT_NOW: _exit(3);
    case HOSTILE_EXIT_QUICK: quick_exit(3);
    case HOSTILE_END_THREAD: pthread_exit(NULL);
    case HOSTILE_END_TASK: hostile_system_call(SYS_exit, 0, 0, 0, 0); break;
    case HOSTILE_BLOCK_SPIN:
    case HOSTILE_BLOCK_SEGV: {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, NULL);
        if (act == HOSTILE_BLOCK_SEGV) *hostile_nowhere = 1;
        while (hostile_zero == 0) continue;
        break;
    }
    case HOSTILE_IGNORE_SPIN:
        for (int number = SIGRTMIN; number <= SIGRTMAX; number++) signal(number, SIG_IGN);
        while (hostile_zero == 0) continue;
        break;
    case HOSTILE_RAW_SPIN: {
        const uint64_t all = ~(uint64_t)0;
        hostile_system_call(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, sizeof all);
        while (hostile_zero == 0) continue;
        break;
    }
    case HOSTILE_KILL: raise(SIGKILL); break;
    case HOSTILE_TERMINATE: kill(getpid(), SIGTERM); break;
    case HOSTILE_SEND_SEGV: kill(getpid(), SIGSEGV); break;
    case HOSTILE_EXEC: execl("/bin/true", "true", (char *)NULL); break;
    case HOSTILE_EXIT_GROUP: syscall(SYS_exit_group, 3); break;
    case HOSTILE_IGNORE_SEGV:
        signal(SIGSEGV, SIG_IGN);
        *hostile_nowhere = 1;
        break;
    case HOSTILE_NO_STACK: {
        const stack_t none = {.ss_flags = SS_DISABLE};
        sigaltstack(&none, NULL);
        hostile_sink = hostile_recurse(0);
        break;
    }
    case HOSTILE_THREAD: hostile_crash_in_thread(); break;
    case HOSTILE_LIBRARY: hostile_crash_in_library_thread(); break;
    case HOSTILE_LIMITS: hostile_limits(); break;
    case HOSTILE_HANDLERS: hostile_handlers(); break;
    case HOSTILE_TIMER: hostile_timer(); break;
    case HOSTILE_FORK: hostile_fork(); break;
    case HOSTILE_OWN_PAGES: hostile_own_pages(); break;
    case HOSTILE_UNLOAD: hostile_unload(); break;
    case HOSTILE_TGKILL: tgkill(getpid(), gettid(), SIGKILL); break;
    case HOSTILE_QUEUE: hostile_queue(); break;
    case HOSTILE_PIDFD:
        syscall(SYS_pidfd_send_signal, syscall(SYS_pidfd_open, (long)getpid(), 0L), (long)SIGKILL, 0L, 0L);
        break;
    case HOSTILE_ERRX: errx(3, "this line is the test's");
    case HOSTILE_SIGWAIT: hostile_sigwait(); break;
    case HOSTILE_SIGSUSPEND: hostile_sigsuspend(); break;
    case HOSTILE_SIGSETMASK: hostile_sigsetmask(); break;
    case HOSTILE_PAGES: hostile_pages(); break;
    case HOSTILE_SETTINGS: hostile_settings(); break;
    case HOSTILE_DETACH: hostile_detach(); break;
    case HOSTILE_AT_END: hostile_at_end(); break;
    case HOSTILE_AT_EXIT: hostile_at_exit(); break;
    case HOSTILE_ERROR_AT: error_at_line(3, 0, "test", 1, "this line is the test's"); break;
    case HOSTILE_STOP: raise(SIGSTOP); break;
    case HOSTILE_CONTEXT: hostile_context(hostile_context_ends); break;
    case HOSTILE_CONTEXT_SEGV: hostile_context(hostile_context_crashes); break;
    case HOSTILE_JUMP: hostile_jump(); break;
    case HOSTILE_DEADLOCK: hostile_deadlock(); break;
    case HOSTILE_LIST_SPIN: dl_iterate_phdr(hostile_stay, NULL); break;
    case HOSTILE_LIST_SEGV: dl_iterate_phdr(hostile_crash_here, NULL); break;
    case HOSTILE_REPLACE: hostile_replace_descriptors(); break;
    case HOSTILE_PIPE: hostile_broken_pipe(); break;
    case HOSTILE_POINTERS: hostile_pointers(); break;
    case HOSTILE_CHILDREN: hostile_children(); break;
    case HOSTILE_ASYNC: hostile_asynchronous(); break;
    case HOSTILE_NOTIFY: hostile_notified(); break;
    case HOSTILE_OLD: hostile_old_handlers(); break;
    case HOSTILE_CALLBACKS: hostile_callbacks(); break;
    case HOSTILE_KEYS: hostile_keys(); break;
    case HOSTILE_CLOSE_LIB: hostile_close_library(); break;
    case HOSTILE_LOCK: hostile_lock_memory(); break;
    case HOSTILE_SCHEDULE: hostile_scheduling(); break;
    case HOSTILE_NONE:
    case HOSTILE_ACTS:
    case HOSTILE_OWN: break;
    }
}

#endif
