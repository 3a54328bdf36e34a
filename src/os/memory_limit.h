/* memory_limit.h - the memory that this process may have: limits of the computer and of its control groups. */
#ifndef TG_OS_MEMORY_LIMIT_H
#define TG_OS_MEMORY_LIMIT_H

#include <stdint.h>

struct tg_memory_left {
    uint64_t limit; /* the most bytes that the process can have */
    uint64_t left;  /* bytes that it and its group can still take before the system kills a process */
};

/*
 * Read /proc/meminfo, and the limits of the process's control group and of the groups around it, of version 1 and
 * version 2. File pages that the system can drop count as left, and so does swap. `root` is put before every path: "".
 *
 * A file that cannot be read sets no limit. Opens some files: about 50 us.
 */
void tg_memory_look(const char *root, struct tg_memory_left *memory);

#endif
