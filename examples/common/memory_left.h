/*
 * memory_left.h - how much memory this process can still get.
 */
#ifndef EXAMPLES_MEMORY_LEFT_H
#define EXAMPLES_MEMORY_LEFT_H

#include <stdint.h>

/* The least of what leaves this process memory. */
struct memory_left {
    uint64_t bytes; /* UINT64_MAX: nobody tells */
    const char *by; /* who sets the limit, for a message: "this computer has", ... */
};

/*
 * The memory that this process can still touch before the system kills it: the memory that the computer has available,
 * within the limits of this process's control groups (version 2 and 1, each with its parents).
 *
 * An estimate: others take and give back meanwhile. Memory that holds copies of files counts as available.
 */
struct memory_left memory_left(void);

/* The same for files that are laid out as under `proc` (/proc) and `cgroup` (/sys/fs/cgroup). For tests. */
struct memory_left memory_left_at(const char *proc, const char *cgroup);

/* What this process can still allocate before calls fail: RLIMIT_AS less what it has, touched or not. */
struct memory_left memory_left_to_allocate(void);

#endif
