/*
 * threads.h - the worker threads of platform cpu. They live as long as the device and wait between the parts of
 * launches that they carry out.
 *
 *     caller                                thread of a worker
 *     tg_threads_run: call worker 0 ----->  waits for a call: spins, then sleeps
 *                                           n_working += 1
 *     tg_threads_call(w), by a worker ---->   control_main(arg, w)     its part: until it finds no task any more
 *                                           n_working -= 1
 *     worker 0 has ended, n_working == 0
 *
 * Worker 0 is called for each launch. A worker calls the others when it has tasks to share, and a called worker takes
 * part if the launch still runs. So a short launch does not wait for a thread that the system has no processor for.
 *
 * A worker whose processor was taken away during its part (another program runs there) holds back: for a while it takes
 * part only in launches that have lasted longer than the system lets a thread wait. A launch never waits for its thread
 * without need.
 *
 * Where faults are caught the caller supervises, and worker 0 has a thread like the others. Otherwise the caller is
 * worker 0.
 */
#ifndef TG_MACHINE_CPU_THREADS_H
#define TG_MACHINE_CPU_THREADS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "machine/machine.h"

struct tg_threads;

struct tg_threads_config {
    uint32_t n;             /* workers */
    const cpu_set_t *place; /* [n] each one's processor, borrowed; NULL: any */
    bool catch_faults;
    /* On the new thread of a worker, before any launch. */
    void (*prepare)(void *context, uint32_t worker);
    /* On the thread of a worker, before each of its parts: the thread runs kernels as that worker. After it, with
     * UINT32_MAX: as no worker. */
    void (*enter)(void *context, uint32_t worker);
    void *context;
};

/* Start the threads. Threads that the system refuses are tried again at the next launch. Errors: NULL, no memory. */
struct tg_threads *tg_threads_open(const struct tg_threads_config *config);

/* Wait for the threads to end, but not for lost ones. */
void tg_threads_close(struct tg_threads *threads);

/* Carry out a launch. *start_ns is its start on CLOCK_MONOTONIC, set before a worker sees the launch.
 * Returns when worker 0 and all threads that took part have ended their parts. *lost becomes true if a thread still
 * runs foreign code. Errors: TG_ERR_MEMORY, no thread for a worker; TG_ERR_MISUSE, no signal for time limits. */
enum tg_status tg_threads_run(struct tg_threads *threads, const struct tg_machine_run *run, uint64_t *start_ns,
                              bool *lost);

/* A worker of the launch asks worker `index` to take part. */
void tg_threads_call(struct tg_threads *threads, uint32_t index);

/* Does the thread of this worker need a wake-up? */
bool tg_threads_sleeps(struct tg_threads *threads, uint32_t index);

#endif
