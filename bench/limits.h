/* limits.h - what binds a row of a benchmark: the bandwidth of memory, and the speed of products on registers. */
#ifndef LIMITS_H
#define LIMITS_H

#include <stdbool.h>
#include <stdint.h>

enum { LIMITS_THREADS_MAX = 2, LIMITS_CHUNK = 16 << 20 };

/* Run `body` on threads 0 to n - 1, at most LIMITS_THREADS_MAX; thread 0 is the caller. Returns the seconds from when
 * all threads are there to when all are done. */
double limits_in_parallel(uint32_t n, void (*body)(void *context, uint32_t thread), void *context);

/* GB/s that n threads read together: the best of several patterns (1 to 8 streams, no prefetch and 512 bytes to 4 KiB
 * ahead). Each pattern reads LIMITS_CHUNK bytes a thread of memory[bytes], which no cache should hold; bytes is at
 * least LIMITS_CHUNK a thread. */
double limits_bandwidth(uint32_t n, const void *memory, uint64_t bytes);

/* GFLOP/s of n threads that repeat the instruction by which a device of instruction set `isa` multiplies bf16, or else
 * fp32 and fp16, on registers. 0: not known. A device must have been opened: AMX asks the system for its tiles. */
double limits_products(uint32_t n, const char *isa, bool is_bf16);

#endif
