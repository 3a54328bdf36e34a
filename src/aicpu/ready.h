/*
 * ready.h - tasks that can run now and need a core: first come, first served, or drawn at random.
 *
 * The builder and the schedulers push; the schedulers pop. A short spin lock protects the list. The list is threaded
 * through the tasks, so it allocates nothing and cannot overflow.
 */
#ifndef TG_AICPU_READY_H
#define TG_AICPU_READY_H

#include <stdatomic.h>
#include <stdint.h>

#include "graph/graph.h"

struct tg_ready {
    atomic_flag lock;
    struct tg_task *first, **last; /* under the lock */
    _Atomic uint32_t n;            /* writer: under the lock; read without it as a hint */
};

void tg_ready_init(struct tg_ready *ready);
void tg_ready_push(struct tg_ready *ready, struct tg_task *task);

/* The oldest task, or one of the oldest few if `random` is a generator's state; NULL: the queue is empty. */
struct tg_task *tg_ready_pop(struct tg_ready *ready, uint64_t *random);

static inline uint32_t tg_ready_count(struct tg_ready *ready)
{
    /* Relaxed: a hint; pop looks again under the lock. */
    return atomic_load_explicit(&ready->n, memory_order_relaxed);
}

#endif
