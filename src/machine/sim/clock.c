#include "machine/sim/clock.h"

#include <string.h>

#include "base/random.h"

/* ---- the heap ---- */

static bool before(const struct tg_actor *a, const struct tg_actor *b)
{
    return a->now != b->now ? a->now < b->now : a->order < b->order;
}

static void put(struct tg_clock *clock, uint32_t slot, struct tg_actor *actor)
{
    clock->heap[slot] = actor;
    actor->heap_slot = slot;
}

static void sift_up(struct tg_clock *clock, uint32_t slot)
{
    struct tg_actor *actor = clock->heap[slot];
    while (slot > 0 && before(actor, clock->heap[(slot - 1) / 2])) {
        put(clock, slot, clock->heap[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    put(clock, slot, actor);
}

static void sift_down(struct tg_clock *clock, uint32_t slot)
{
    struct tg_actor *actor = clock->heap[slot];
    for (;;) {
        uint32_t child = 2 * slot + 1;
        if (child >= clock->n_heap) break;
        if (child + 1 < clock->n_heap && before(clock->heap[child + 1], clock->heap[child])) child++;
        if (!before(clock->heap[child], actor)) break;
        put(clock, slot, clock->heap[child]);
        slot = child;
    }
    put(clock, slot, actor);
}

static void enqueue(struct tg_clock *clock, struct tg_actor *actor, enum tg_actor_state state)
{
    actor->state = state;
    if (clock->random_order) actor->order = tg_random_below(&actor->random, UINT32_MAX);
    put(clock, clock->n_heap, actor);
    sift_up(clock, clock->n_heap++);
}

static struct tg_actor *dequeue(struct tg_clock *clock)
{
    struct tg_actor *first = clock->heap[0];
    struct tg_actor *last = clock->heap[--clock->n_heap];
    if (clock->n_heap > 0) {
        put(clock, 0, last);
        sift_down(clock, 0);
    }
    return first;
}

/* ---- turns ---- */

/* The time that the world has reached. */
static uint64_t latest(const struct tg_clock *clock)
{
    uint64_t now = 0;
    for (uint32_t i = 0; i < clock->n_actors; i++)
        if (clock->actors[i].now > now) now = clock->actors[i].now;
    return now;
}

/* Give a stall to the next sleeper that accepts stalls. NULL: no such sleeper is left. */
static struct tg_actor *stall(struct tg_clock *clock)
{
    while (clock->next_to_stall < clock->n_actors) {
        struct tg_actor *actor = &clock->actors[clock->next_to_stall++];
        if (actor->state != TG_ACTOR_ASLEEP || !actor->can_stall) continue;
        actor->stalled = true;
        if (actor->now < latest(clock)) actor->now = latest(clock);
        return actor;
    }
    return NULL;
}

/* The running actor has stored itself elsewhere: go on with the next actor. */
static void next_turn(struct tg_clock *clock)
{
    struct tg_actor *self = clock->running;
    struct tg_actor *next = clock->n_heap > 0 ? dequeue(clock) : stall(clock);
    if (next) next->state = TG_ACTOR_RUNNING;
    clock->running = next;
    if (next != self) tg_coro_switch(next ? &next->coro : clock->root);
}

void tg_clock_yield(struct tg_clock *clock)
{
    struct tg_actor *self = clock->running;
    if (clock->n_heap == 0 || !before(clock->heap[0], self)) return;
    enqueue(clock, self, TG_ACTOR_QUEUED);
    next_turn(clock);
}

/* Let an actor nap until `time`, or go on at once if its clock is past that time. */
static void nap(struct tg_clock *clock, struct tg_actor *actor, uint64_t time)
{
    actor->since = actor->now;
    if (time > actor->now) actor->now = time;
    enqueue(clock, actor, TG_ACTOR_NAPPING);
}

bool tg_clock_sleep(struct tg_clock *clock)
{
    struct tg_actor *self = clock->running;
    if (self->wake_at == TG_NEVER) self->state = TG_ACTOR_ASLEEP;
    else nap(clock, self, self->wake_at);
    self->wake_at = TG_NEVER;
    next_turn(clock);
    bool stalled = self->stalled;
    self->stalled = false;
    return stalled;
}

_Noreturn void tg_clock_end(struct tg_clock *clock)
{
    clock->running->state = TG_ACTOR_ENDED;
    tg_coro_publish(clock); /* the caller of tg_clock_run reads its results */
    clock->next_to_stall = 0;
    next_turn(clock);
    __builtin_unreachable(); /* no actor switches to one that has ended */
}

void tg_clock_wake(struct tg_clock *clock, struct tg_actor *actor, uint64_t time)
{
    clock->next_to_stall = 0; /* something moves: the next stall is a new one */
    switch (actor->state) {
    case TG_ACTOR_ENDED: break;
    case TG_ACTOR_ASLEEP: nap(clock, actor, time); break;
    case TG_ACTOR_NAPPING:
        /* A later wake can be dropped: a woken actor reads everything, and asks again for later events. */
        if (time >= actor->now) break;
        actor->now = time > actor->since ? time : actor->since;
        sift_up(clock, actor->heap_slot);
        break;
    case TG_ACTOR_QUEUED:
    case TG_ACTOR_RUNNING:
        if (time < actor->wake_at) actor->wake_at = time;
        break;
    }
}

void tg_clock_reset(struct tg_clock *clock, uint64_t seed)
{
    clock->n_actors = 0;
    clock->n_heap = 0;
    clock->running = NULL;
    clock->next_to_stall = 0;
    clock->random_order = seed != 0;
    for (uint32_t i = 0; i < TG_ACTORS_MAX; i++) {
        struct tg_actor *actor = &clock->actors[i];
        actor->random = seed * TG_ACTORS_MAX + i;
        tg_random_next(&actor->random);
    }
}

enum tg_status tg_clock_add(struct tg_clock *clock, uint64_t start, size_t stack_bytes, bool can_stall,
                            tg_coro_fn *entry, void *arg)
{
    struct tg_actor *actor = &clock->actors[clock->n_actors];
    if (actor->coro.stack.own_bytes < stack_bytes) tg_coro_fini(&actor->coro);
    if (!actor->coro.stack.low) TG_TRY(tg_coro_init(&actor->coro, stack_bytes));
    tg_coro_start(&actor->coro, entry, arg);
    actor->now = start;
    actor->wake_at = TG_NEVER;
    actor->order = clock->n_actors;
    actor->can_stall = can_stall;
    actor->stalled = false;
    clock->n_actors++;
    enqueue(clock, actor, TG_ACTOR_QUEUED);
    return TG_OK;
}

bool tg_clock_run(struct tg_clock *clock)
{
    clock->root = tg_coro_current();
    next_turn(clock);
    tg_coro_observe(clock);
    for (uint32_t i = 0; i < clock->n_actors; i++)
        if (clock->actors[i].state != TG_ACTOR_ENDED) return false;
    return true;
}

void tg_clock_fini(struct tg_clock *clock)
{
    for (uint32_t i = 0; i < TG_ACTORS_MAX; i++) tg_coro_fini(&clock->actors[i].coro);
}
