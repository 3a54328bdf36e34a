/* now.h - the system's clocks, in ns. */
#ifndef TG_BASE_NOW_H
#define TG_BASE_NOW_H

#include <stdint.h>
#include <time.h>

/* The reading of a clock of clock_gettime; 0: it is that of a thread that has ended. */
static inline uint64_t tg_now_ns(clockid_t clock)
{
    struct timespec now = {0, 0};
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#endif
