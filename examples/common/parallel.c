#define _POSIX_C_SOURCE 200809L

#include "parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { MAX_THREADS = 16 };

/* Below this, starting a thread costs more than it saves. */
static const uint64_t large_cost = UINT64_C(1) << 18;

struct loop {
    _Atomic uint64_t next; /* the first index that nobody has taken; may run past n */
    _Atomic bool failed;
    uint64_t n;
    parallel_fn *work;
    void *context;
};

/* Indices are taken one by one: iterations may differ much in length. Relaxed: an index is all that is handed over;
 * pthread_create and pthread_join order everything else. */
static void *run_loop(void *argument)
{
    struct loop *loop = argument;
    while (!atomic_load_explicit(&loop->failed, memory_order_relaxed)) {
        uint64_t index = atomic_fetch_add_explicit(&loop->next, 1, memory_order_relaxed);
        if (index >= loop->n) break;
        if (!loop->work(loop->context, index)) {
            atomic_store_explicit(&loop->failed, true, memory_order_relaxed);
        }
    }
    return NULL;
}

static uint64_t choose_threads(uint64_t n, uint64_t cost)
{
    if (cost < large_cost) return 1;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t n_threads = online > 1 ? (uint64_t)online : 1;
    if (n_threads > MAX_THREADS) n_threads = MAX_THREADS;
    return n_threads < n ? n_threads : n;
}

bool parallel_for(uint64_t n, uint64_t cost, parallel_fn *work, void *context)
{
    struct loop loop = {.n = n, .work = work, .context = context};
    pthread_t threads[MAX_THREADS];
    uint64_t n_threads = choose_threads(n, cost), n_started = 0;
    while (n_started + 1 < n_threads && pthread_create(&threads[n_started], NULL, run_loop, &loop) == 0) n_started++;
    run_loop(&loop); /* the calling thread is one of them */
    while (n_started > 0) pthread_join(threads[--n_started], NULL);
    return !atomic_load_explicit(&loop.failed, memory_order_relaxed);
}
