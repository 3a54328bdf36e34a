/*
 * random_kernel.h - vector kernels drawn at random, and an oracle's verdict on each.
 *
 * Kernels load, compute, store and touch device memory by plain accesses. Tiles are whole or parts by rows or columns.
 * Flags, waits and barriers stand anywhere; some kernels end with a drain. The oracle works byte by byte and asks for
 * paths of ends and starts; it knows nothing of clocks and segments.
 */
#ifndef TESTS_COMMON_RANDOM_KERNEL_H
#define TESTS_COMMON_RANDOM_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A number below `n`, from the test's source of chance. */
typedef uint32_t random_kernel_fn(void *context, uint32_t n);

/* The possible errors of a kernel. */
struct random_kernel_verdict {
    bool hazard;    /* two accesses of the same bytes, one of them a write, in no order */
    bool unwritten; /* bytes of UB are read that the kernel has not written */
    bool undrained; /* something may be at work when it returns */
    bool cached;    /* a plain store is in the cache when a transfer uses its line, or when the kernel returns */
};

/* Draw a kernel and let both judge it. text: the kernel, one instruction a line. */
void random_kernel_judge(random_kernel_fn *draw, void *context, struct random_kernel_verdict *check,
                         struct random_kernel_verdict *oracle, char *text, size_t n_text);

#endif
