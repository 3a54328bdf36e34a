/* spin.h - a kernel that takes as long as one asks, and what it takes by itself: for bench_workers and its peers alike. C
 * and C++. */
#ifndef BENCH_SPIN_H
#define BENCH_SPIN_H

#include <stdint.h>
#include <time.h>

enum { SPIN_ALONE_CALLS = 4096, SPIN_TRIES = 9 };

static inline double spin_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

/* The loop of modules/spin.c. Not inlined: a call is part of the work. */
static __attribute__((noinline)) void spin(int64_t turns)
{
    for (; turns > 0; turns--) __asm__ volatile("" : : : "memory");
}

/* Nanoseconds of a call, one of many that follow each other on one thread. */
static inline double spin_alone_ns(int64_t turns, int n_calls)
{
    const double start = spin_now_ns();
    for (int i = 0; i < n_calls; i++) spin(turns);
    return (spin_now_ns() - start) / n_calls;
}

/* Turns of a call that takes `ns`. */
static inline int64_t spin_turns_of(double ns)
{
    double best = 1e9;
    for (int i = 0; i < SPIN_TRIES; i++) {
        const double turn = spin_alone_ns(1000000, 1) / 1e6;
        if (turn < best) best = turn;
    }
    return (int64_t)(ns / best);
}

#endif
