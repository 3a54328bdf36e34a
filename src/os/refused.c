#include "os/refused.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <threads.h>
#include <ulimit.h>
#include <unistd.h>

#include "os/escapes.h"
#include "os/guard.h"
#include "os/mapped.h"
#include "os/senders.h"
#include "os/started.h"

bool tg_refused(void)
{
    if (!tg_guard_is_watched()) return false;
    errno = EPERM;
    return true;
}

/* ---- signals: without a handler of ours the next crash ends the process; a handler of an object would be called after
 * the object is gone ---- */

static int refused_sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
    return action && tg_refused() ? -1 : sigaction(number, action, before);
}

typedef void handler_fn(int number);

static handler_fn *refused_signal(int number, handler_fn *handler)
{
    return tg_refused() ? SIG_ERR : signal(number, handler);
}

static handler_fn *refused_sysv_signal(int number, handler_fn *handler)
{
    return tg_refused() ? SIG_ERR : sysv_signal(number, handler);
}

/* Older functions of the same kind, which glibc warns of. */
handler_fn *older_sigset(int number, handler_fn *handler) __asm__("sigset");
int older_sigignore(int number) __asm__("sigignore");
int older_siginterrupt(int number, int interrupts) __asm__("siginterrupt");

static handler_fn *refused_sigset(int number, handler_fn *handler)
{
    return tg_refused() ? SIG_ERR : older_sigset(number, handler);
}

static int refused_sigignore(int number) { return tg_refused() ? -1 : older_sigignore(number); }

static int refused_siginterrupt(int number, int interrupts)
{
    return tg_refused() ? -1 : older_siginterrupt(number, interrupts);
}

static int refused_sigaltstack(const stack_t *stack, stack_t *before)
{
    return stack && tg_refused() ? -1 : sigaltstack(stack, before);
}

/* ---- limits ---- */

static int refused_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    return tg_refused() ? -1 : setrlimit(resource, limit);
}

static int refused_prlimit(pid_t process, __rlimit_resource_t resource, const struct rlimit *limit,
                           struct rlimit *before)
{
    return limit && tg_refused() ? -1 : prlimit(process, resource, limit, before);
}

static long refused_ulimit(int command, ...)
{
    va_list list;
    va_start(list, command);
    const long value = va_arg(list, long);
    va_end(list);
    return command == UL_SETFSIZE && tg_refused() ? -1 : ulimit(command, value);
}

/* Later mappings of the host would fail, or take memory at once; or its own locked pages would be unlocked. */
static int refused_mlockall(int flags) { return tg_refused() ? -1 : mlockall(flags); }
static int refused_munlockall(void) { return tg_refused() ? -1 : munlockall(); }

/* ---- processors and priorities: those of the process's first thread are the host's ---- */

static bool is_first_thread(long id) { return id == getpid() && gettid() != getpid() && tg_refused(); }

static int refused_setaffinity(pid_t thread, size_t bytes, const cpu_set_t *set)
{
    return is_first_thread(thread) ? -1 : sched_setaffinity(thread, bytes, set);
}

static int refused_setscheduler(pid_t thread, int policy, const struct sched_param *parameters)
{
    return is_first_thread(thread) ? -1 : sched_setscheduler(thread, policy, parameters);
}

static int refused_setparam(pid_t thread, const struct sched_param *parameters)
{
    return is_first_thread(thread) ? -1 : sched_setparam(thread, parameters);
}

static int refused_setpriority(__priority_which_t which, id_t id, int priority)
{
    const bool is_refused = which == PRIO_PROCESS ? is_first_thread((long)id) : tg_refused();
    return is_refused ? -1 : setpriority(which, id, priority);
}

/* ---- settings of the process and of the library's thread: most of them cannot be undone ---- */

/* Options that only read, and the names of threads and mappings. Others end the process with its parent, let
 * instructions or system calls fault, or forbid what the library needs. */
static bool is_harmless(unsigned long option)
{
    switch (option) {
    case PR_SET_NAME:
    case PR_SET_VMA:
    case PR_GET_NAME:
    case PR_GET_PDEATHSIG:
    case PR_GET_DUMPABLE:
    case PR_GET_KEEPCAPS:
    case PR_GET_SECCOMP:
    case PR_GET_TIMERSLACK:
    case PR_GET_TSC:
    case PR_GET_NO_NEW_PRIVS:
    case PR_GET_THP_DISABLE:
    case PR_CAPBSET_READ: return true;
    default: return false;
    }
}

static int refused_prctl(int option, ...)
{
    unsigned long arguments[4];
    va_list list;
    va_start(list, option);
    for (int i = 0; i < 4; i++) arguments[i] = va_arg(list, unsigned long);
    va_end(list);
    if (!is_harmless((unsigned)option) && tg_refused()) return -1;
    return prctl(option, arguments[0], arguments[1], arguments[2], arguments[3]);
}

#if defined(__x86_64__)
int arch_prctl(int code, unsigned long address); /* glibc has it, and no header declares it */

static int refused_arch_prctl(int code, unsigned long address) { return tg_refused() ? -1 : arch_prctl(code, address); }
#endif

static int refused_personality(unsigned long persona)
{
    return persona != 0xFFFFFFFF && tg_refused() ? -1 : personality(persona);
}

static int refused_unshare(int flags) { return tg_refused() ? -1 : unshare(flags); }

static int refused_setns(int fd, int type) { return tg_refused() ? -1 : setns(fd, type); }

/* A thread whose tracer does not answer stops at the next signal, for ever. */
static long refused_ptrace(enum __ptrace_request request, ...)
{
    long a[3];
    va_list list;
    va_start(list, request);
    for (int i = 0; i < 3; i++) a[i] = va_arg(list, long);
    va_end(list);
    return tg_refused() ? -1 : syscall(SYS_ptrace, request, a[0], a[1], a[2]);
}

/* The library joins its threads. */
static int refused_pthread_detach(pthread_t thread)
{
    return pthread_equal(thread, pthread_self()) && !tg_started_is_own() && tg_refused() ? EPERM
                                                                                         : pthread_detach(thread);
}

static int refused_thrd_detach(thrd_t thread)
{
    return thrd_equal(thread, thrd_current()) && !tg_started_is_own() && tg_refused() ? thrd_error
                                                                                      : thrd_detach(thread);
}

static int refused_brk(void *end) { return tg_refused() ? -1 : brk(end); }

static void *refused_sbrk(intptr_t increment) { return increment != 0 && tg_refused() ? (void *)-1 : sbrk(increment); }

/* ---- processes: a copy of this one has the runtime's memory and none of its threads ---- */

static pid_t refused_fork(void) { return tg_refused() ? -1 : fork(); }

static int refused_clone(int (*fn)(void *), void *stack, int flags, void *argument, ...)
{
    void *more[3];
    va_list list;
    va_start(list, argument);
    for (int i = 0; i < 3; i++) more[i] = va_arg(list, void *);
    va_end(list);
    return tg_refused() ? -1 : clone(fn, stack, flags, argument, more[0], more[1], more[2]);
}

static int refused_daemon(int stay, int keep) { return tg_refused() ? -1 : daemon(stay, keep); }

/* ---- pages: only those that foreign code has mapped itself are its own ---- */

static bool refused_at(const void *address, size_t bytes)
{
    return tg_guard_is_watched() && !tg_mapped_has(address, bytes) && tg_refused();
}

static int refused_mprotect(void *address, size_t bytes, int protection)
{
    return refused_at(address, bytes) ? -1 : mprotect(address, bytes, protection);
}

static int refused_pkey_mprotect(void *address, size_t bytes, int protection, int key)
{
    return refused_at(address, bytes) ? -1 : pkey_mprotect(address, bytes, protection, key);
}

static int refused_munmap(void *address, size_t bytes)
{
    return refused_at(address, bytes) ? -1 : tg_mapped_unmap(address, bytes);
}

static void *refused_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_FIXED) && refused_at(address, bytes)) return MAP_FAILED;
    return tg_mapped_map(address, bytes, protection, flags, fd, offset);
}

/* Advice that changes no contents may be given for any page. */
static bool is_advice_only(int advice)
{
    switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE: return true;
    default: return false;
    }
}

static int refused_madvise(void *address, size_t bytes, int advice)
{
    return !is_advice_only(advice) && refused_at(address, bytes) ? -1 : madvise(address, bytes, advice);
}

static void *refused_mremap(void *address, size_t before, size_t after, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(list, void *) : NULL;
    va_end(list);
    if (refused_at(address, before) || (to && refused_at(to, after))) return MAP_FAILED;
    return tg_mapped_move(address, before, after, flags, to);
}

/* ---- all of them ---- */

static const struct tg_escape calls[] = {
    TG_ESCAPE("sigaction", refused_sigaction),
    TG_ESCAPE("signal", refused_signal),
    TG_ESCAPE("bsd_signal", refused_signal),
    TG_ESCAPE("ssignal", refused_signal),
    TG_ESCAPE("sysv_signal", refused_sysv_signal),
    TG_ESCAPE("__sysv_signal", refused_sysv_signal),
    TG_ESCAPE("sigset", refused_sigset),
    TG_ESCAPE("sigignore", refused_sigignore),
    TG_ESCAPE("siginterrupt", refused_siginterrupt),
    TG_ESCAPE("__sigaction", refused_sigaction),
    TG_ESCAPE("sigaltstack", refused_sigaltstack),
    TG_ESCAPE("setrlimit", refused_setrlimit),
    TG_ESCAPE("setrlimit64", refused_setrlimit),
    TG_ESCAPE("ulimit", refused_ulimit),
    TG_ESCAPE("mlockall", refused_mlockall),
    TG_ESCAPE("munlockall", refused_munlockall),
    TG_ESCAPE("sched_setaffinity", refused_setaffinity),
    TG_ESCAPE("sched_setscheduler", refused_setscheduler),
    TG_ESCAPE("sched_setparam", refused_setparam),
    TG_ESCAPE("setpriority", refused_setpriority),
    TG_ESCAPE("prlimit", refused_prlimit),
    TG_ESCAPE("prlimit64", refused_prlimit),
    TG_ESCAPE("prctl", refused_prctl),
    TG_ESCAPE("fork", refused_fork),
    TG_ESCAPE("vfork", refused_fork),
    TG_ESCAPE("_Fork", refused_fork),
    TG_ESCAPE("clone", refused_clone),
    TG_ESCAPE("daemon", refused_daemon),
    TG_ESCAPE("mprotect", refused_mprotect),
    TG_ESCAPE("munmap", refused_munmap),
    TG_ESCAPE("mmap", refused_mmap),
    TG_ESCAPE("mmap64", refused_mmap),
    TG_ESCAPE("madvise", refused_madvise),
    TG_ESCAPE("mremap", refused_mremap),
    TG_ESCAPE("pkey_mprotect", refused_pkey_mprotect),
    TG_ESCAPE("personality", refused_personality),
    TG_ESCAPE("unshare", refused_unshare),
    TG_ESCAPE("setns", refused_setns),
    TG_ESCAPE("ptrace", refused_ptrace),
    TG_ESCAPE("pthread_detach", refused_pthread_detach),
    TG_ESCAPE("thrd_detach", refused_thrd_detach),
    TG_ESCAPE("brk", refused_brk),
    TG_ESCAPE("sbrk", refused_sbrk),
#if defined(__x86_64__)
    TG_ESCAPE("arch_prctl", refused_arch_prctl),
#endif
};

void *tg_refused_find(const char *name) { return tg_escape_find(calls, sizeof calls / sizeof calls[0], name); }

/* System calls that are refused whatever their arguments are. Those about threads would take from the C library what it
 * keeps of them. */
static const long system_calls[] = {
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
    SYS_alarm,
    SYS_arch_prctl,
#endif
    SYS_clone,
    SYS_clone3,
    SYS_seccomp,
    SYS_setitimer,
    SYS_timer_create,
    SYS_setrlimit,
    SYS_unshare,
    SYS_setns,
    SYS_ptrace,
    SYS_brk,
    SYS_rt_sigreturn,
    SYS_set_tid_address,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_remap_file_pages,
    SYS_mlockall,
    SYS_munlockall,
    SYS_userfaultfd,
    SYS_landlock_restrict_self,
};

bool tg_refused_system_call(long number, const long a[6], long *result)
{
    void *address = (void *)a[0];
    const size_t bytes = (size_t)a[1];
    bool is_refused = false;
    for (size_t i = 0; i < sizeof system_calls / sizeof system_calls[0]; i++)
        is_refused = is_refused || system_calls[i] == number;
    *result = -1;
    switch (number) {
    case SYS_sigaltstack: is_refused = a[0] != 0; break;
    case SYS_rt_sigaction: is_refused = a[1] != 0; break;
    case SYS_prlimit64: is_refused = a[2] != 0; break;
    case SYS_prctl: is_refused = !is_harmless((unsigned long)a[0]); break;
    case SYS_fcntl: is_refused = tg_senders_have_fcntl((int)a[1], a[2]); break;
    case SYS_ioctl: is_refused = tg_senders_have_ioctl((unsigned long)a[1]); break;
    case SYS_sched_setaffinity:
    case SYS_sched_setscheduler:
    case SYS_sched_setparam:
    case SYS_sched_setattr: return is_first_thread(a[0]);
    case SYS_setpriority:
    case SYS_ioprio_set:
        is_refused = a[0] != (number == SYS_setpriority ? PRIO_PROCESS : IOPRIO_WHO_PROCESS) || is_first_thread(a[1]);
        break;
    case SYS_personality: is_refused = (unsigned long)a[0] != 0xFFFFFFFF; break;
    case SYS_madvise: return !is_advice_only((int)a[2]) && refused_at(address, bytes);
    case SYS_mprotect:
    case SYS_pkey_mprotect: return refused_at(address, bytes);
    case SYS_mmap: *result = (long)refused_mmap(address, bytes, (int)a[2], (int)a[3], (int)a[4], a[5]); return true;
    case SYS_munmap: *result = refused_munmap(address, bytes); return true;
    case SYS_mremap: *result = (long)refused_mremap(address, bytes, (size_t)a[2], (int)a[3], (void *)a[4]); return true;
    default: break;
    }
    return is_refused && tg_refused();
}
