#include "machine/cpu/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/now.h"
#include "machine/cpu/topology.h"
#include "os/coro.h"
#include "os/guard.h"
#include "os/park.h"
#include "os/ward.h"

enum {
    /* A thread that waits for less does not pay for a sleep and a wake-up. Where other threads of the launch may need
     * its processor it gives way sooner. */
    SPIN_NS = 50000,
    SPIN_CROWDED_NS = 20000,
    SLEEP_NS = 1000000000,     /* a sleeper looks once a second in any case */
    SLICE_NS = 4000000,        /* Linux lets a thread wait for another one's slice: 3 ms, and a tick */
    LOST_NS = 500000,          /* a part that has lost less was only interrupted */
    HOLD_BACK_NS = 64000000,   /* the first time */
    HOLD_BACK_MAX = 2000000000 /* ns */
};

/* One worker's thread. */
struct thread {
    /* Writers: its callers. */
    alignas(64) _Atomic uint32_t calls;
    /* Writer: the thread. */
    alignas(64) _Atomic uint32_t sleeps; /* 1: it needs a wake-up */
    uint64_t hold_ns;                    /* how long it holds back the next time */
    uint64_t hold_until_ns;
    struct tg_threads *all;
    uint32_t worker;
    struct tg_ward ward;
    struct tg_watch watch; /* open while it works, if faults are caught */
    uint32_t seen;         /* calls that it has answered. Writer: the host before its start, then the thread */
    bool started, lost;    /* writer: the waiting thread. lost: it still runs foreign code */
    bool working;          /* under the lock: it has begun its part of the launch */
};

struct tg_threads {
    struct tg_threads_config config;
    uint64_t spin_ns;
    pid_t process;
    pthread_mutex_t lock;
    const struct tg_machine_run *run; /* under the lock. NULL: no launch, or it accepts no more workers */
    uint64_t start_ns;                /* of the launch. Under the lock */
    uint32_t n_working;               /* under the lock: threads that have begun their part and not ended it */
    bool closing;                     /* under the lock */
    _Atomic uint32_t n_ended;         /* launches. The waiting thread sleeps on it */
    _Atomic uint32_t waits;           /* 1: the waiting thread needs a wake-up */
    struct thread thread[];           /* [n] */
};

/*
 * ---- waiting for a word to change ----
 *
 * No wake-up is lost (store buffering): both sides first write, then read, sequentially consistent.
 *
 *     sleeper                          waker
 *     sleeps = 1                       word += 1
 *     read word once more              sleeps == 1: wake
 */

/* Wait until *word differs from `value`, at most limit_ns. A spinning thread whose processor is taken away stops
 * spinning: the processor has better things to do. */
static void wait_for_change(_Atomic uint32_t *word, uint32_t value, _Atomic uint32_t *sleeps, uint64_t spin_ns,
                            uint64_t limit_ns)
{
    const uint64_t start = tg_now_ns(CLOCK_MONOTONIC);
    for (uint64_t last = start, now; atomic_load_explicit(word, memory_order_acquire) == value; last = now) {
        for (int i = 0; i < 16; i++) tg_park_pause();
        now = tg_now_ns(CLOCK_MONOTONIC);
        if (now - start < spin_ns && now - last < spin_ns / 4) continue;
        atomic_store(sleeps, 1);
        if (atomic_load(word) == value) tg_park(word, value, limit_ns);
        atomic_store(sleeps, 0);
        return;
    }
}

static void change(_Atomic uint32_t *word, _Atomic uint32_t *sleeps)
{
    atomic_fetch_add(word, 1);
    if (atomic_load(sleeps)) tg_unpark(word);
}

void tg_threads_call(struct tg_threads *all, uint32_t index)
{
    change(&all->thread[index].calls, &all->thread[index].sleeps);
}

bool tg_threads_sleeps(struct tg_threads *all, uint32_t index)
{
    /* Relaxed: a hint. */
    return atomic_load_explicit(&all->thread[index].sleeps, memory_order_relaxed);
}

/* ---- a worker's part ---- */

/* A part of worker `thread` has taken that much time, of which it had the processor for `used_ns`. */
static void judge_part(struct thread *thread, uint64_t part_ns, uint64_t used_ns)
{
    const uint64_t lost_ns = part_ns > used_ns ? part_ns - used_ns : 0;
    if (lost_ns > LOST_NS && lost_ns > part_ns / 4) {
        thread->hold_ns = thread->hold_ns == 0 ? HOLD_BACK_NS : 2 * thread->hold_ns;
        if (thread->hold_ns > HOLD_BACK_MAX) thread->hold_ns = HOLD_BACK_MAX;
        thread->hold_until_ns = tg_now_ns(CLOCK_MONOTONIC) + thread->hold_ns;
    } else if (part_ns > SLICE_NS) {
        thread->hold_ns = 0;
    }
}

static void work(struct tg_threads *all, const struct tg_machine_run *run, struct thread *thread)
{
    if (all->config.catch_faults && tg_watch_begin(&thread->watch, run->kernel_limit_ms) != TG_OK)
        tg_failure_set(run->failure, TG_ERR_MEMORY, "worker %u: %s", thread->worker, tg_last_message());
    all->config.enter(all->config.context, thread->worker);
    run->control_main(run->control_arg, thread->worker);
    all->config.enter(all->config.context, UINT32_MAX);
    tg_watch_end(&thread->watch);
}

/* Under the lock: the part of `thread` in the launch is over. When worker 0's part is over, no further worker begins.
 */
static void end_part(struct tg_threads *all, struct thread *thread)
{
    if (thread->working) all->n_working--;
    thread->working = false;
    if (thread->worker == 0) all->run = NULL;
    if (!all->run && all->n_working == 0) change(&all->n_ended, &all->waits);
}

/* Let launches that are younger than a slice pass by. */
static void hold_back(struct tg_threads *all, const struct thread *thread)
{
    for (uint64_t now; (now = tg_now_ns(CLOCK_MONOTONIC)) < thread->hold_until_ns;) {
        pthread_mutex_lock(&all->lock);
        const uint64_t age = all->run ? now - all->start_ns : SLICE_NS;
        pthread_mutex_unlock(&all->lock);
        if (age >= SLICE_NS) return;
        const struct timespec rest = {0, (long)(SLICE_NS - age)};
        nanosleep(&rest, NULL);
    }
}

static bool is_in_place(const cpu_set_t *place)
{
    const int processor = sched_getcpu();
    return processor >= 0 && CPU_ISSET((size_t)processor, place);
}

/* Foreign code may have moved the thread. */
static void stay_in_place(const struct tg_threads *all, uint32_t worker)
{
    cpu_set_t before;
    if (all->config.place && !is_in_place(&all->config.place[worker]))
        tg_topology_pin(&all->config.place[worker], &before);
}

static void thread_main(void *arg)
{
    struct thread *thread = arg;
    struct tg_threads *all = thread->all;
    cpu_set_t before;
    if (all->config.catch_faults) tg_coro_adopt(&thread->ward.stack);
    if (all->config.place) tg_topology_pin(&all->config.place[thread->worker], &before);
    all->config.prepare(all->config.context, thread->worker);
    for (;;) {
        /* After SLEEP_NS it looks for a launch without a call. */
        wait_for_change(&thread->calls, thread->seen, &thread->sleeps, all->spin_ns, SLEEP_NS);
        thread->seen = atomic_load(&thread->calls);
        if (thread->worker != 0) hold_back(all, thread);
        pthread_mutex_lock(&all->lock);
        const struct tg_machine_run *run = all->run;
        const bool closing = all->closing;
        if (run) {
            thread->working = true;
            all->n_working++;
        }
        pthread_mutex_unlock(&all->lock);
        if (closing) break;
        if (!run) continue; /* too late: the launch is over */
        stay_in_place(all, thread->worker);
        const uint64_t start_ns = tg_now_ns(CLOCK_MONOTONIC), used_ns = tg_now_ns(CLOCK_THREAD_CPUTIME_ID);
        work(all, run, thread);
        judge_part(thread, tg_now_ns(CLOCK_MONOTONIC) - start_ns, tg_now_ns(CLOCK_THREAD_CPUTIME_ID) - used_ns);
        pthread_mutex_lock(&all->lock);
        end_part(all, thread);
        pthread_mutex_unlock(&all->lock);
    }
}

/* ---- a launch ---- */

/* Start the missing threads. */
static enum tg_status start_missing(struct tg_threads *all)
{
    const uint32_t first = all->config.catch_faults ? 0 : 1;
    if (all->process != getpid()) {
        /* A forked child: it has none of the threads. */
        all->process = getpid();
        for (uint32_t i = 0; i < all->config.n; i++) all->thread[i].started = false;
    }
    for (uint32_t i = first; i < all->config.n; i++) {
        struct thread *thread = &all->thread[i];
        if (thread->started) continue;
        char what[64];
        snprintf(what, sizeof what, "worker %u of %u", i, all->config.n);
        thread->seen = atomic_load(&thread->calls);
        atomic_store(&thread->sleeps, 0);
        TG_TRY(tg_ward_start(&thread->ward, thread_main, thread, what));
        thread->started = true;
    }
    return TG_OK;
}

/* Its thread has ended in foreign code, or is given up. */
static void lose(struct tg_threads *all, const struct tg_machine_run *run, struct thread *thread, enum tg_guard_end end)
{
    const struct tg_guard guard = {.end = end, .limit_ms = run->kernel_limit_ms};
    run->lost(run->control_arg, thread->worker, false, &guard);
    pthread_mutex_lock(&all->lock);
    end_part(all, thread);
    pthread_mutex_unlock(&all->lock);
}

/* Check the signs of life of all threads. */
static void look_at_threads(struct tg_threads *all, const struct tg_machine_run *run, uint32_t elapsed_ms, bool *lost)
{
    for (uint32_t i = 0; i < all->config.n; i++) {
        struct thread *thread = &all->thread[i];
        if (!thread->started || thread->lost) continue;
        if (tg_ward_wait(&thread->ward, 0) != TG_WARD_RUNS) {
            thread->started = false;
            tg_watch_bury(&thread->watch);
            lose(all, run, thread, TG_GUARD_ENDED);
        } else if (tg_watch_look(&thread->watch, elapsed_ms) == TG_WATCH_LOST) {
            thread->lost = *lost = true;
            lose(all, run, thread, TG_GUARD_STUCK);
        }
    }
}

/* Is the launch over? If not, wait until it is, at most about limit_ns. */
static bool wait_for_end(struct tg_threads *all, uint64_t limit_ns)
{
    const uint32_t n_ended = atomic_load(&all->n_ended);
    pthread_mutex_lock(&all->lock);
    const bool over = !all->run && all->n_working == 0;
    pthread_mutex_unlock(&all->lock);
    if (!over) wait_for_change(&all->n_ended, n_ended, &all->waits, all->spin_ns, limit_ns);
    return over;
}

/* The waiting thread's loop, while the others work. */
static void attend(struct tg_threads *all, const struct tg_machine_run *run, bool *lost)
{
    const uint32_t look_ms = tg_watch_look_ms(run->kernel_limit_ms);
    const uint64_t start = tg_now_ns(CLOCK_MONOTONIC);
    uint64_t looked_ms = 0, told_ms = 0; /* since the start */
    bool called = false;
    while (!wait_for_end(all, (uint64_t)look_ms * 1000000)) {
        const uint64_t ms = (tg_now_ns(CLOCK_MONOTONIC) - start) / 1000000;
        if (ms - looked_ms < look_ms) continue;
        look_at_threads(all, run, (uint32_t)(ms - looked_ms), lost);
        looked_ms = ms;
        /* A worker whose kernel waits for another one's does not get to calling. */
        if (!called)
            for (uint32_t i = 1; i < all->config.n; i++) tg_threads_call(all, i);
        called = true;
        if (ms - told_ms < TG_ATTEND_MS || !run->progress) continue;
        run->progress(run->progress_context, tg_now_ns(CLOCK_MONOTONIC) - start);
        told_ms = ms;
    }
}

enum tg_status tg_threads_run(struct tg_threads *all, const struct tg_machine_run *run, uint64_t *start_ns, bool *lost)
{
    TG_TRY(start_missing(all));
    /* The workers' watches find the handlers installed. */
    if (all->config.catch_faults) TG_TRY(tg_handlers_install());
    *start_ns = tg_now_ns(CLOCK_MONOTONIC);
    pthread_mutex_lock(&all->lock);
    all->run = run;
    all->start_ns = *start_ns;
    pthread_mutex_unlock(&all->lock);
    if (all->config.catch_faults) {
        tg_threads_call(all, 0);
        attend(all, run, lost);
        tg_handlers_remove();
        return TG_OK;
    }
    /* The caller is worker 0. If it is in its place it needs no system call: the other workers have other places. */
    sigset_t mask;
    cpu_set_t before;
    const bool pinned = all->config.place && !is_in_place(&all->config.place[0]);
    if (pinned) tg_topology_pin(&all->config.place[0], &before);
    pthread_sigmask(SIG_SETMASK, NULL, &mask); /* foreign code may change it */
    work(all, run, &all->thread[0]);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (pinned) tg_topology_unpin(&before);
    pthread_mutex_lock(&all->lock);
    end_part(all, &all->thread[0]);
    pthread_mutex_unlock(&all->lock);
    while (!wait_for_end(all, SLEEP_NS)) continue;
    return TG_OK;
}

/* ---- all of them ---- */

struct tg_threads *tg_threads_open(const struct tg_threads_config *config)
{
    struct tg_threads *all = aligned_alloc(alignof(struct thread), sizeof *all + config->n * sizeof all->thread[0]);
    if (!all) return NULL;
    memset(all, 0, sizeof *all + config->n * sizeof all->thread[0]);
    all->config = *config;
    all->spin_ns = config->n < tg_topology_processors() ? SPIN_NS : SPIN_CROWDED_NS;
    all->process = getpid();
    pthread_mutex_init(&all->lock, NULL);
    for (uint32_t i = 0; i < config->n; i++) {
        all->thread[i].all = all;
        all->thread[i].worker = i;
        all->thread[i].watch.keeps = config->catch_faults;
    }
    (void)start_missing(all);
    return all;
}

void tg_threads_close(struct tg_threads *all)
{
    if (!all) return;
    bool has_lost = false;
    pthread_mutex_lock(&all->lock);
    all->closing = true;
    pthread_mutex_unlock(&all->lock);
    for (uint32_t i = 0; i < all->config.n; i++) tg_threads_call(all, i);
    for (uint32_t i = 0; i < all->config.n; i++) {
        struct thread *thread = &all->thread[i];
        while (thread->started && !thread->lost && tg_ward_wait(&thread->ward, UINT16_MAX) == TG_WARD_RUNS) continue;
        has_lost |= thread->lost;
        if (!thread->lost) tg_watch_release(&thread->watch);
    }
    if (has_lost) return; /* its thread uses it for ever */
    pthread_mutex_destroy(&all->lock);
    free(all);
}
