/*
 * clock.h - virtual time: coroutines that take turns in the order of their clocks.
 *
 * Every control thread and every core is an actor with its own clock. One actor runs at a time; its work moves its
 * clock. Before it reads shared state it yields to every actor whose clock is behind. So all actors see the world in
 * the order of virtual time, on every host, and runs are deterministic.
 *
 *     running  -- advance, yield -->  queued   -- its time comes -->  running
 *        |
 *        +------ sleep ------------>  asleep   -- tg_clock_wake at some time -->  napping  -- that time -->  running
 *
 * Queued and napping actors are in one heap by time; a napping actor may be woken earlier than planned.
 *
 * When the heap is empty, no actor can ever move: a stall. This is a fact, not a timeout.
 */
#ifndef TG_MACHINE_SIM_CLOCK_H
#define TG_MACHINE_SIM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/machine.h"
#include "os/coro.h"

enum { TG_ACTORS_MAX = TG_AICPU_THREADS_MAX + TG_CORES_MAX };

#define TG_NEVER UINT64_MAX

enum tg_actor_state { TG_ACTOR_ENDED, TG_ACTOR_RUNNING, TG_ACTOR_QUEUED, TG_ACTOR_ASLEEP, TG_ACTOR_NAPPING };

struct tg_actor {
    struct tg_coro coro;
    enum tg_actor_state state;
    uint64_t now;       /* ns since the launch; napping: when it will wake */
    uint64_t since;     /* napping: when it fell asleep */
    uint64_t wake_at;   /* running or queued: a wake that its next sleep must heed; TG_NEVER: no wake */
    uint32_t order;     /* ties at equal times go to the lowest */
    uint32_t heap_slot; /* while queued */
    bool can_stall;     /* stalls may be given to it */
    bool stalled;       /* a stall woke it */
    uint64_t random;    /* state */
};

struct tg_clock {
    struct tg_actor actors[TG_ACTORS_MAX];
    uint32_t n_actors;
    struct tg_actor *heap[TG_ACTORS_MAX]; /* binary heap by (now, order) */
    uint32_t n_heap;
    struct tg_actor *running;
    struct tg_coro *root;   /* the caller of tg_clock_run */
    uint32_t next_to_stall; /* a stall goes to the first sleeper from here on */
    bool random_order;      /* order is drawn anew each time an actor is queued */
};

/* Begin: no actors. seed 0: first come, first served. */
void tg_clock_reset(struct tg_clock *clock, uint64_t seed);

/* Add an actor that starts at time `start` with entry(arg) on a stack of `stack_bytes`; later runs reuse the stack. */
enum tg_status tg_clock_add(struct tg_clock *clock, uint64_t start, size_t stack_bytes, bool can_stall,
                            tg_coro_fn *entry, void *arg);

/* Run until every actor has ended, or all remaining ones sleep forever. Returns whether all have ended. */
bool tg_clock_run(struct tg_clock *clock);

/* Release all stacks. */
void tg_clock_fini(struct tg_clock *clock);

/* ---- the running actor ---- */

/* Let every actor whose clock is behind go first. */
void tg_clock_yield(struct tg_clock *clock);

/* Sleep until woken. Returns whether a stall woke it. A wake that came while it ran ends the sleep at once. */
bool tg_clock_sleep(struct tg_clock *clock);

/* The actor's work is done; does not return. */
_Noreturn void tg_clock_end(struct tg_clock *clock);

/* Wake `actor` at `time`, or earlier, if it sleeps then. */
void tg_clock_wake(struct tg_clock *clock, struct tg_actor *actor, uint64_t time);

/* Time of the earliest queued actor; TG_NEVER for an empty queue. */
static inline uint64_t tg_clock_next(const struct tg_clock *clock)
{
    return clock->n_heap > 0 ? clock->heap[0]->now : TG_NEVER;
}

#endif
