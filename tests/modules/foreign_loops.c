/* foreign_loops.c - code without end, and code that other threads run meanwhile. */
#define _GNU_SOURCE 1 /* read, the feature macros of the libraries */

#include <stdlib.h>
#include <unistd.h>

#include "foreign_loops.h"

/* In its own code: *arg is not 0. */
FOREIGN_EXPORT void loop_here(void *arg);
void loop_here(void *arg)
{
    for (volatile int *forever = arg; *forever;) continue;
}

/* Mostly in the allocator's code, which has a lock. */
FOREIGN_EXPORT void loop_in_allocator(void *arg);
void loop_in_allocator(void *arg)
{
    for (volatile int *forever = arg; *forever;) {
        void *volatile block = malloc(2000); /* more than what malloc keeps for a thread; volatile: it is used */
        free(block);
    }
}

/* In a system call that signals do not end: *arg is a pipe that nobody writes to. */
FOREIGN_EXPORT void loop_in_system(void *arg);
void loop_in_system(void *arg)
{
    char byte;
    const int *pipe_end = arg;
    while (read(*pipe_end, &byte, 1) != 1) continue;
}

FOREIGN_EXPORT void *count_until_told(void *arg);
void *count_until_told(void *arg)
{
    struct foreign_count *count = arg;
    while (!atomic_load(&count->stop)) atomic_fetch_add(&count->n, 1);
    return NULL;
}
