/* hostile_do.h - how enum hostile_act is done. */
#ifndef TESTS_MODULES_HOSTILE_DO_H
#define TESTS_MODULES_HOSTILE_DO_H

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hostile.h"

static volatile int hostile_zero = 0, hostile_sink;
static volatile int *volatile hostile_nowhere = (volatile int *)16;

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
    case HOSTILE_END_TASK: syscall(SYS_exit, 0); break;
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
        syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all);
        while (hostile_zero == 0) continue;
        break;
    }
    case HOSTILE_NONE:
    case HOSTILE_ACTS:
    case HOSTILE_OWN: break;
    }
}

#endif
