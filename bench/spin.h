/* spin.h - a kernel that takes as long as one asks, and what it takes by itself: for bench_workers and its peers alike.
 * C and C++, with _GNU_SOURCE. */
#ifndef BENCH_SPIN_H
#define BENCH_SPIN_H

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum { SPIN_CALLS = 4096, SPIN_TRIES = 9, SPIN_THREADS_MAX = 16 };

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

/* Nanoseconds of a call, one of many that follow each other. */
static inline double spin_ns(int64_t turns, int n_calls)
{
    const double start = spin_now_ns();
    for (int i = 0; i < n_calls; i++) spin(turns);
    return (spin_now_ns() - start) / n_calls;
}

struct spin_thread {
    int64_t turns;
    size_t processor;
    double ns;
    pthread_t id;
};

static inline void *spin_thread_main(void *arg)
{
    struct spin_thread *thread = (struct spin_thread *)arg;
    cpu_set_t place;
    CPU_ZERO(&place);
    CPU_SET(thread->processor, &place);
    /* Where it may. Otherwise it stays where a runtime may have bound who asks. */
    (void)pthread_setaffinity_np(pthread_self(), sizeof place, &place);
    thread->ns = spin_ns(thread->turns, SPIN_CALLS);
    return NULL;
}

/* The same on n_threads at a time, a processor each: the average of one processor while the others work as
 * well. n_threads: up to SPIN_THREADS_MAX. */
static inline double spin_alone_ns(int64_t turns, int n_threads)
{
    struct spin_thread threads[SPIN_THREADS_MAX];
    double sum = 0;
    for (int i = 0; i < n_threads; i++) {
        threads[i].turns = turns;
        threads[i].processor = (size_t)i;
        if (pthread_create(&threads[i].id, NULL, spin_thread_main, &threads[i]) != 0) exit(5);
    }
    for (int i = 0; i < n_threads; i++) {
        pthread_join(threads[i].id, NULL);
        sum += threads[i].ns;
    }
    return sum / n_threads;
}

/* Turns of a call that takes `ns`. */
static inline int64_t spin_turns_of(double ns)
{
    double best = 1e9;
    for (int i = 0; i < SPIN_TRIES; i++) {
        const double turn = spin_ns(1000000, 1) / 1e6;
        if (turn < best) best = turn;
    }
    return (int64_t)(ns / best);
}

#endif
