/*
 * stack.h - stacks on which the library calls foreign code.
 *
 *     high    own part        frames of the library
 *             fence           no access
 *             foreign part    frames of foreign code, and of the functions that it calls
 *     low     guard region    no access: an overflow
 *
 * Foreign code begins right below the fence. So a wrong offset to one of its variables, or a wrong stack pointer, does
 * not reach the frames of the library: it meets the fence, and the fault ends the guarded call.
 */
#ifndef TG_OS_STACK_H
#define TG_OS_STACK_H

#include <stddef.h>

#include <tilegraph/tilegraph.h>

struct tg_stack {
    char *low;           /* begin of the guard region; NULL: no stack */
    size_t bytes;        /* everything, guard region and fence included */
    size_t region_bytes; /* of the guard region, and of the fence */
    char *fence;         /* begin of the fence, which is the end of the foreign part */
    size_t own_bytes;
    unsigned valgrind[2]; /* valgrind's handles of the two parts */
};

static inline char *tg_stack_foreign(const struct tg_stack *stack) { return stack->low + stack->region_bytes; }
static inline char *tg_stack_own(const struct tg_stack *stack) { return stack->fence + stack->region_bytes; }

/* Map a stack with parts of at least these sizes. TG_ERR_MEMORY. */
enum tg_status tg_stack_map(struct tg_stack *stack, size_t own_bytes, size_t foreign_bytes);
void tg_stack_unmap(struct tg_stack *stack);

#endif
