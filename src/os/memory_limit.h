/* memory_limit.h - how much memory this process may have: of the computer, and of the control groups that it is in. */
#ifndef TG_OS_MEMORY_LIMIT_H
#define TG_OS_MEMORY_LIMIT_H

#include <stdint.h>

struct tg_memory_left {
    uint64_t limit; /* bytes that the process can have at most */
    uint64_t left;  /* bytes that it and its group can still take before the system swaps no more and kills */
};

/*
 * Look at /proc/meminfo, and at the limits of the process's control group and of the groups around it, of version 1 and of
 * version 2. File pages that the system can drop count as left, and so does swap. `root` is put before every path: "".
 *
 * What cannot be read limits nothing. Opens some files: some 50 us.
 */
void tg_memory_look(const char *root, struct tg_memory_left *memory);

#endif
