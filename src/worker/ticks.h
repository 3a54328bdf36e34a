/* ticks.h - a clock that costs little and is compared with itself only. */
#ifndef TG_WORKER_TICKS_H
#define TG_WORKER_TICKS_H

#include <stdint.h>

#include "base/now.h"

#if defined(__x86_64__)
static inline uint64_t tg_ticks(void) { return __builtin_ia32_rdtsc(); }
/* Give or take a factor of 2: the counter runs at 1 to 4 GHz. */
static inline uint64_t tg_ticks_of_us(uint64_t us) { return 2048 * us; }
#elif defined(__aarch64__)
static inline uint64_t tg_ticks(void)
{
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
}
static inline uint64_t tg_ticks_of_us(uint64_t us)
{
    uint64_t hz;
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(hz));
    return hz / 1000000 * us;
}
#else
static inline uint64_t tg_ticks(void) { return tg_now_ns(CLOCK_MONOTONIC); }
static inline uint64_t tg_ticks_of_us(uint64_t us) { return 1000 * us; }
#endif

#endif
