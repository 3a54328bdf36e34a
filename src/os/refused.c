#include "os/refused.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "os/escapes.h"
#include "os/guard.h"

static bool refused(void)
{
    if (!tg_guard_is_watched()) return false;
    errno = EPERM;
    return true;
}

/* ---- signals: without a handler of ours the next crash ends the process; a handler of an object would be called after
 * the object is gone ---- */

static int refused_sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
    return action && refused() ? -1 : sigaction(number, action, before);
}

typedef void handler_fn(int number);

static handler_fn *refused_signal(int number, handler_fn *handler)
{
    return refused() ? SIG_ERR : signal(number, handler);
}

static handler_fn *refused_sysv_signal(int number, handler_fn *handler)
{
    return refused() ? SIG_ERR : sysv_signal(number, handler);
}

static int refused_sigaltstack(const stack_t *stack, stack_t *before)
{
    return stack && refused() ? -1 : sigaltstack(stack, before);
}

/* ---- timers: most of them send a signal, which ends the process ---- */

static unsigned refused_alarm(unsigned seconds) { return refused() ? 0 : alarm(seconds); }

static int refused_setitimer(__itimer_which_t which, const struct itimerval *value, struct itimerval *before)
{
    return refused() ? -1 : setitimer(which, value, before);
}

static int refused_timer_create(clockid_t clock, struct sigevent *event, timer_t *timer)
{
    return (!event || event->sigev_notify != SIGEV_NONE) && refused() ? -1 : timer_create(clock, event, timer);
}

/* ---- limits ---- */

static int refused_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
    return refused() ? -1 : setrlimit(resource, limit);
}

static int refused_prlimit(pid_t process, __rlimit_resource_t resource, const struct rlimit *limit,
                           struct rlimit *before)
{
    return limit && refused() ? -1 : prlimit(process, resource, limit, before);
}

static int refused_prctl(int option, ...)
{
    unsigned long arguments[4];
    va_list list;
    va_start(list, option);
    for (int i = 0; i < 4; i++) arguments[i] = va_arg(list, unsigned long);
    va_end(list);
    if (option == PR_SET_SECCOMP && refused()) return -1;
    return prctl(option, arguments[0], arguments[1], arguments[2], arguments[3]);
}

/* ---- processes: a copy of this one has the runtime's memory and none of its threads ---- */

static pid_t refused_fork(void) { return refused() ? -1 : fork(); }

static int refused_clone(int (*fn)(void *), void *stack, int flags, void *argument, ...)
{
    void *more[3];
    va_list list;
    va_start(list, argument);
    for (int i = 0; i < 3; i++) more[i] = va_arg(list, void *);
    va_end(list);
    return refused() ? -1 : clone(fn, stack, flags, argument, more[0], more[1], more[2]);
}

static int refused_daemon(int stay, int keep) { return refused() ? -1 : daemon(stay, keep); }

/* ---- the code and variables of loaded objects: closing an object runs its code later ---- */

/* Pages that a call would remove, or protect differently. */
struct pages {
    uintptr_t low, high;
};

static int is_object_of(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    const struct pages *pages = arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        const uintptr_t low = (uintptr_t)(info->dlpi_addr + segment->p_vaddr);
        if (segment->p_type == PT_LOAD && pages->low < low + segment->p_memsz && low < pages->high) return 1;
    }
    return 0;
}

/* The loader's lock must not stay with a call that is ended early. */
static bool refused_at(const void *address, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), low = (uintptr_t)address / page * page;
    struct pages pages = {low, (uintptr_t)address + (bytes + page - 1) / page * page};
    if (pages.high < low) pages.high = UINTPTR_MAX;
    if (!tg_guard_is_watched()) return false;
    tg_guard_enter_runtime();
    const bool object = dl_iterate_phdr(is_object_of, &pages) != 0;
    tg_guard_leave_runtime();
    return object && refused();
}

static int refused_mprotect(void *address, size_t bytes, int protection)
{
    return refused_at(address, bytes) ? -1 : mprotect(address, bytes, protection);
}

static int refused_munmap(void *address, size_t bytes)
{
    return refused_at(address, bytes) ? -1 : munmap(address, bytes);
}

static void *refused_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    if ((flags & MAP_FIXED) && refused_at(address, bytes)) return MAP_FAILED;
    return mmap(address, bytes, protection, flags, fd, offset);
}

static int refused_madvise(void *address, size_t bytes, int advice)
{
    return refused_at(address, bytes) ? -1 : madvise(address, bytes, advice);
}

static void *refused_mremap(void *address, size_t before, size_t after, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    void *to = flags & MREMAP_FIXED ? va_arg(list, void *) : NULL;
    va_end(list);
    if (refused_at(address, before) || (to && refused_at(to, after))) return MAP_FAILED;
    return to ? mremap(address, before, after, flags, to) : mremap(address, before, after, flags);
}

/* An object that closes itself would be missing at its next call. */
static int refused_dlclose(void *handle)
{
    struct link_map *closed = NULL, *own = NULL;
    Dl_info info;
    const uintptr_t text = tg_guard_text().low;
    if (text != 0 && dladdr1((void *)text, &info, (void **)&own, RTLD_DL_LINKMAP) != 0 &&
        dlinfo(handle, RTLD_DI_LINKMAP, &closed) == 0 && closed == own && refused())
        return -1;
    return dlclose(handle);
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    void *function;
} calls[] = {
    TG_ESCAPE("sigaction", refused_sigaction),
    TG_ESCAPE("signal", refused_signal),
    TG_ESCAPE("bsd_signal", refused_signal),
    TG_ESCAPE("ssignal", refused_signal),
    TG_ESCAPE("sysv_signal", refused_sysv_signal),
    TG_ESCAPE("__sysv_signal", refused_sysv_signal),
    TG_ESCAPE("sigaltstack", refused_sigaltstack),
    TG_ESCAPE("alarm", refused_alarm),
    TG_ESCAPE("setitimer", refused_setitimer),
    TG_ESCAPE("timer_create", refused_timer_create),
    TG_ESCAPE("setrlimit", refused_setrlimit),
    TG_ESCAPE("setrlimit64", refused_setrlimit),
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
    TG_ESCAPE("dlclose", refused_dlclose),
};

void *tg_refused_find(const char *name)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (strcmp(calls[i].name, name) == 0) return calls[i].function;
    return NULL;
}

bool tg_refused_system_call(long number, const long arguments[6])
{
    switch (number) {
#ifdef SYS_fork
    case SYS_fork:
    case SYS_vfork:
    case SYS_alarm:
#endif
    case SYS_clone:
#ifdef SYS_clone3
    case SYS_clone3:
#endif
    case SYS_seccomp:
    case SYS_setitimer:
    case SYS_timer_create:
    case SYS_setrlimit: return refused();
    case SYS_sigaltstack: return arguments[0] != 0 && refused();
    case SYS_rt_sigaction: return arguments[1] != 0 && refused();
    case SYS_prlimit64: return arguments[2] != 0 && refused();
    case SYS_prctl: return arguments[0] == PR_SET_SECCOMP && refused();
    case SYS_mmap: return (arguments[3] & MAP_FIXED) && refused_at((void *)arguments[0], (size_t)arguments[1]);
    case SYS_mprotect:
    case SYS_munmap:
    case SYS_madvise:
    case SYS_mremap: return refused_at((void *)arguments[0], (size_t)arguments[1]);
    default: return false;
    }
}
