#include "common/alloc_faults.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>

#ifdef TG_HWLOC
#include <hwloc.h>
#endif

/* Atomic, for workers allocate at the same time, and coroutines in turns that the thread sanitizer does not take for an
 * order; relaxed, for they make none either. */
static _Atomic bool armed;
static _Atomic uint64_t n_made;
static uint64_t nth_fails;
static const char *_Atomic failed;

void alloc_faults_arm(uint64_t nth)
{
    armed = true;
    n_made = 0;
    nth_fails = nth;
    failed = NULL;
}

const char *alloc_faults_disarm(void)
{
    armed = false;
    return failed;
}

/* Count one allocation; true: this is the one that fails. */
static bool fails(const char *name)
{
    if (!atomic_load_explicit(&armed, memory_order_relaxed)) return false;
    if (atomic_fetch_add_explicit(&n_made, 1, memory_order_relaxed) + 1 != nth_fails) return false;
    atomic_store_explicit(&failed, name, memory_order_relaxed);
    errno = ENOMEM;
    return true;
}

/* result, name, parameters, arguments, the result of a failure */
#define FAULT(result, name, parameters, arguments, failure)                                                            \
    result __real_##name parameters;                                                                                   \
    result __wrap_##name parameters;                                                                                   \
    result __wrap_##name parameters { return fails(#name) ? failure : __real_##name arguments; }

FAULT(void *, malloc, (size_t n), (n), NULL)
FAULT(void *, calloc, (size_t n, size_t bytes), (n, bytes), NULL)
FAULT(void *, realloc, (void *old, size_t n), (old, n), NULL)
FAULT(void *, aligned_alloc, (size_t alignment, size_t n), (alignment, n), NULL)
FAULT(char *, strdup, (const char *text), (text), NULL)
FAULT(char *, strndup, (const char *text, size_t n), (text, n), NULL)
FAULT(void *, mmap, (void *at, size_t n, int protection, int flags, int fd, off_t offset),
      (at, n, protection, flags, fd, offset), MAP_FAILED)
FAULT(int, mprotect, (void *at, size_t n, int protection), (at, n, protection), -1)
FAULT(int, memfd_create, (const char *name, unsigned flags), (name, flags), -1)
FAULT(int, pipe2, (int ends[2], int flags), (ends, flags), -1)
FAULT(int, dup, (int fd), (fd), -1)
FAULT(FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL)
FAULT(FILE *, fdopen, (int fd, const char *mode), (fd, mode), NULL)
FAULT(int, posix_spawn,
      (pid_t * child, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes,
       char *const argv[], char *const environment[]),
      (child, path, actions, attributes, argv, environment), ENOMEM)
FAULT(void *, dlopen, (const char *path, int flags), (path, flags), NULL)
FAULT(locale_t, newlocale, (int mask, const char *name, locale_t base), (mask, name, base), (locale_t)0)
FAULT(int, pthread_create, (pthread_t * id, const pthread_attr_t *attr, void *(*main)(void *), void *arg),
      (id, attr, main, arg), EAGAIN)
FAULT(int, pthread_getattr_np, (pthread_t id, pthread_attr_t *attr), (id, attr), ENOMEM)

#ifdef TG_HWLOC
FAULT(int, hwloc_topology_init, (hwloc_topology_t * topology), (topology), -1)
FAULT(int, hwloc_topology_load, (hwloc_topology_t topology), (topology), -1)
FAULT(int, hwloc_topology_restrict, (hwloc_topology_t topology, hwloc_const_bitmap_t set, unsigned long flags),
      (topology, set, flags), -1)
FAULT(hwloc_bitmap_t, hwloc_bitmap_alloc, (void), (), NULL)
#endif

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return fails("open") ? -1 : __real_open(path, flags, mode);
}

/* A child has no faults: what happens in it is not the library's memory any more. */
pid_t __real_fork(void);
pid_t __wrap_fork(void);
pid_t __wrap_fork(void)
{
    if (fails("fork")) return -1;
    pid_t child = __real_fork();
    if (child == 0) armed = false;
    return child;
}
