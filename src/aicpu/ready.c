#include "aicpu/ready.h"

#include "base/random.h"

enum { DRAW_FROM = 16 }; /* a random pop draws from this many tasks */

void tg_ready_init(struct tg_ready *ready)
{
    atomic_flag_clear(&ready->lock);
    ready->first = NULL;
    ready->last = &ready->first;
    atomic_init(&ready->n, 0);
}

/* Acquire, pairs with the release in unlock(): the list and the tasks on it are visible. */
static void lock(struct tg_ready *ready)
{
    while (atomic_flag_test_and_set_explicit(&ready->lock, memory_order_acquire)) continue;
}

static void unlock(struct tg_ready *ready) { atomic_flag_clear_explicit(&ready->lock, memory_order_release); }

static void count(struct tg_ready *ready, uint32_t change)
{
    uint32_t n = atomic_load_explicit(&ready->n, memory_order_relaxed);
    atomic_store_explicit(&ready->n, n + change, memory_order_relaxed);
}

void tg_ready_push(struct tg_ready *ready, struct tg_task *task)
{
    lock(ready);
    task->next_ready = NULL;
    *ready->last = task;
    ready->last = &task->next_ready;
    count(ready, 1);
    unlock(ready);
}

struct tg_task *tg_ready_pop(struct tg_ready *ready, uint64_t *random)
{
    if (tg_ready_count(ready) == 0) return NULL;
    lock(ready);
    uint32_t n = tg_ready_count(ready);
    struct tg_task **at = &ready->first;
    if (random && n > 1)
        for (uint32_t skip = tg_random_below(random, n < DRAW_FROM ? n : DRAW_FROM); skip > 0; skip--)
            at = &(*at)->next_ready;
    struct tg_task *task = *at;
    if (task) {
        *at = task->next_ready;
        if (!*at) ready->last = at;
        count(ready, UINT32_MAX); /* minus one */
    }
    unlock(ready);
    return task;
}
