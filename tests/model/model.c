#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "os/coro.h"

enum {
    STACK_BYTES = 256 << 10,
    CHOICES_MAX = 4096,
    LOCATIONS_MAX = 512,
    STORES_MAX = 64,
    SITES_MAX = 64,
    SHADOW_SLOTS = 1 << 16,
    NOBODY = MODEL_THREADS_MAX
};
enum order { RELAXED = 0, CONSUME, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST };
enum { SPINS_MAX = 2 }; /* exchanges in a row that change nothing, before a thread waits for somebody else's */

struct clock {
    uint32_t at[MODEL_THREADS_MAX];
};

struct store {
    uint64_t value;
    struct clock released; /* what an acquiring thread learns */
    int thread;
    uint32_t time; /* of that thread */
};

struct location {
    const void *address;
    struct store stores[STORES_MAX];
    int n_stores;
    int seen[MODEL_THREADS_MAX]; /* the oldest store that a thread may still read */
    int seen_in_order;           /* the oldest that a sequentially consistent load may still read */
};

struct shadow {
    uintptr_t address; /* of one byte */
    uint32_t execution;
    int writer;
    uint32_t write_time;
    struct clock reads;
};

struct thread {
    struct tg_coro coro;
    struct clock clock;
    enum { READY, WAITING, DONE } state;
    const void *waits_at; /* a location: until somebody stores there, or wakes who sleeps there */
    bool sleeps;          /* the latter */
    int n_spins;          /* its last operations, all of them exchanges that changed nothing */
    void *mail;
    bool has_mail;
    struct clock mail_clock;
};

static struct {
    const struct model_program *program;
    struct thread threads[MODEL_THREADS_MAX];
    struct tg_coro *main;
    int running; /* NOBODY: outside */
    int n_switches;
    /* The choices of this execution; those of the last one up to n_trail come first. */
    struct {
        int chosen, n;
    } trail[CHOICES_MAX];
    int n_trail, at;
    struct location locations[LOCATIONS_MAX];
    int n_locations;
    uint32_t execution;
    const char *wrong;
    const struct model_site *weak;
    struct model_site sites[SITES_MAX];
    size_t n_sites;
} model;
static struct shadow shadows[SHADOW_SLOTS];

/* ---- choices ---- */

static int choose(int n)
{
    if (n <= 1) return 0;
    if (model.at == model.n_trail) {
        CHECK(model.n_trail < CHOICES_MAX, "an execution of %s has no end", model.program->name);
        model.trail[model.n_trail].chosen = 0;
        model.trail[model.n_trail].n = n;
        model.n_trail++;
    }
    CHECK(model.trail[model.at].n == n, "%s is not the same from execution to execution", model.program->name);
    return model.trail[model.at++].chosen;
}

/* The next execution's choices. false: all executions are done. */
static bool next_trail(void)
{
    while (model.n_trail > 0 && model.trail[model.n_trail - 1].chosen + 1 == model.trail[model.n_trail - 1].n)
        model.n_trail--;
    if (model.n_trail == 0) return false;
    model.trail[model.n_trail - 1].chosen++;
    return true;
}

/* ---- threads ---- */

static struct thread *self(void) { return &model.threads[model.running]; }

static void switch_to(int thread);

void model_wrong(const char *what)
{
    if (!model.wrong) model.wrong = what;
    if (model.running != NOBODY) switch_to(NOBODY); /* for good: a wrong execution may crash soon */
}

static void switch_to(int thread)
{
    struct tg_coro *to = thread == NOBODY ? model.main : &model.threads[thread].coro;
    model.running = thread;
    tg_coro_switch(to);
}

/* Who goes on: `from` first, if it can. */
static int choose_thread(int from)
{
    int options[MODEL_THREADS_MAX], n = 0;
    const bool can_stay = from != NOBODY && model.threads[from].state == READY;
    if (can_stay) options[n++] = from;
    for (int i = 0; i < model.program->n_threads; i++) {
        if (can_stay && (i == from || model.n_switches >= model.program->switches_max)) continue;
        if (model.threads[i].state == READY) options[n++] = i;
    }
    if (n == 0) return NOBODY;
    int chosen = options[choose(n)];
    if (can_stay && chosen != from) model.n_switches++;
    return chosen;
}

static void step(void)
{
    const int from = model.running, to = choose_thread(from);
    if (to != from) switch_to(to);
}

/* Let who waits at a location go on. */
static void let_go(const void *address, bool sleepers)
{
    for (int i = 0; i < model.program->n_threads; i++) {
        struct thread *thread = &model.threads[i];
        if (thread->state != WAITING || thread->waits_at != address || thread->sleeps != sleepers) continue;
        thread->waits_at = NULL;
        thread->state = READY;
    }
}

static void wait_at(const void *address, bool sleeps)
{
    struct thread *thread = self();
    thread->waits_at = address;
    thread->sleeps = sleeps;
    thread->state = WAITING;
    step();
}

static void thread_main(void *arg)
{
    struct thread *thread = arg;
    model.program->thread[thread - model.threads]();
    thread->state = DONE;
    for (;;) switch_to(choose_thread(NOBODY));
}

/* ---- order ---- */

static void join(struct clock *into, const struct clock *clock)
{
    for (int i = 0; i < MODEL_THREADS_MAX; i++)
        if (clock->at[i] > into->at[i]) into->at[i] = clock->at[i];
}

static bool acquires(int order) { return order == ACQUIRE || order == ACQ_REL || order == SEQ_CST || order == CONSUME; }
static bool releases(int order) { return order == RELEASE || order == ACQ_REL || order == SEQ_CST; }

void model_post(int to, void *pointer)
{
    step();
    struct thread *thread = &model.threads[to];
    thread->mail = pointer;
    thread->has_mail = true;
    self()->clock.at[model.running]++;
    thread->mail_clock = self()->clock;
    if (thread->state == WAITING) thread->state = READY;
}

void *model_take(void)
{
    struct thread *thread = self();
    while (!thread->has_mail) {
        thread->state = WAITING;
        step();
    }
    thread->has_mail = false;
    join(&thread->clock, &thread->mail_clock);
    return thread->mail;
}

/* ---- plain accesses ---- */

static struct shadow *shadow_of(uintptr_t address)
{
    size_t slot = (address * 0x9E3779B97F4A7C15u) >> 48;
    for (;; slot = (slot + 1) % SHADOW_SLOTS) {
        struct shadow *shadow = &shadows[slot];
        if (shadow->execution != model.execution) {
            *shadow = (struct shadow){.address = address, .execution = model.execution, .writer = NOBODY};
            return shadow;
        }
        if (shadow->address == address) return shadow;
    }
}

static struct {
    uintptr_t low, high;
} of_system_thread;

void model_ignore(const void *address, size_t bytes)
{
    of_system_thread.low = (uintptr_t)address;
    of_system_thread.high = (uintptr_t)address + bytes;
}

/* Does a thread of the model use something that they share? */
static bool is_modelled(const void *address)
{
    const uintptr_t at = (uintptr_t)address;
    return model.running != NOBODY && (at < of_system_thread.low || at >= of_system_thread.high);
}

static void plain(const void *address, size_t bytes, bool is_write)
{
    if (!is_modelled(address)) return;
    const int me = model.running;
    const struct clock *clock = &self()->clock;
    for (size_t i = 0; i < bytes; i++) {
        struct shadow *shadow = shadow_of((uintptr_t)address + i);
        if (shadow->writer != NOBODY && shadow->write_time > clock->at[shadow->writer])
            model_wrong(is_write ? "a plain write that races with a write" : "a plain read that races with a write");
        for (int t = 0; is_write && t < MODEL_THREADS_MAX; t++)
            if (shadow->reads.at[t] > clock->at[t]) model_wrong("a plain write that races with a read");
        if (is_write) {
            shadow->writer = me;
            shadow->write_time = clock->at[me];
        } else {
            shadow->reads.at[me] = clock->at[me];
        }
    }
}

void model_write(int *word, int value)
{
    plain(word, sizeof *word, true);
    *word = value;
}

int model_read(const int *word)
{
    plain(word, sizeof *word, false);
    return *word;
}

/* ---- atomic operations ---- */

static struct location *location_of(const void *address, uint64_t value)
{
    for (int i = 0; i < model.n_locations; i++)
        if (model.locations[i].address == address) return &model.locations[i];
    CHECK(model.n_locations < LOCATIONS_MAX, "%d atomic locations", LOCATIONS_MAX);
    struct location *location = &model.locations[model.n_locations++];
    memset(location, 0, sizeof *location);
    location->address = address;
    location->n_stores = 1;
    location->stores[0].value = value;
    location->stores[0].thread = NOBODY; /* happened before everything */
    return location;
}

/* The oldest store that the running thread may read. Sequentially consistent operations have one order, that of the
 * execution: a load does not read what is older than what an earlier one of them has read or written. */
static int oldest(const struct location *location, int order)
{
    int first = location->seen[model.running];
    if (order == SEQ_CST && location->seen_in_order > first) first = location->seen_in_order;
    for (int i = location->n_stores - 1; i > first; i--) {
        const struct store *store = &location->stores[i];
        if (store->thread == NOBODY || store->time <= self()->clock.at[store->thread]) return i;
    }
    return first;
}

static void read_store(struct location *location, int i, int order)
{
    location->seen[model.running] = i;
    if (order == SEQ_CST && i > location->seen_in_order) location->seen_in_order = i;
    if (acquires(order)) join(&self()->clock, &location->stores[i].released);
}

static void add_store(struct location *location, uint64_t value, int order, const struct clock *inherited)
{
    CHECK(location->n_stores < STORES_MAX, "more than %d stores to one place", STORES_MAX);
    struct thread *thread = self();
    thread->clock.at[model.running]++;
    struct store *store = &location->stores[location->n_stores];
    memset(store, 0, sizeof *store);
    store->value = value;
    store->thread = model.running;
    store->time = thread->clock.at[model.running];
    if (releases(order)) store->released = thread->clock;
    if (inherited) join(&store->released, inherited);
    if (order == SEQ_CST) location->seen_in_order = location->n_stores;
    location->seen[model.running] = location->n_stores++;
    if (location->stores[location->n_stores - 2].value != value) let_go(location->address, false);
}

/* The orders of a site: those of the source, or the weaker ones that are tried. */
static void orders_of(const void *address, const char *what, int *order, int *failure)
{
    size_t i = 0;
    while (i < model.n_sites && model.sites[i].address != address) i++;
    if (i == model.n_sites) {
        CHECK(i < SITES_MAX, "%d sites", SITES_MAX);
        model.sites[model.n_sites++] = (struct model_site){address, *order, *failure, what};
    }
    if (!model.weak || model.weak->address != address) return;
    *order = model.weak->order;
    *failure = model.weak->failure_order;
}

static uint64_t do_load(const void *site, const void *address, uint64_t now, int order)
{
    if (!is_modelled(address)) return now;
    self()->n_spins = 0;
    int failure = RELAXED;
    orders_of(site, "load", &order, &failure);
    step();
    struct location *location = location_of(address, now);
    const int first = oldest(location, order);
    /* The newest first: that is the execution without surprises. */
    const int i = location->n_stores - 1 - choose(location->n_stores - first);
    read_store(location, i, order);
    return location->stores[i].value;
}

static void do_store(const void *site, const void *address, uint64_t before, uint64_t value, int order)
{
    if (!is_modelled(address)) return;
    self()->n_spins = 0;
    int failure = RELAXED;
    orders_of(site, "store", &order, &failure);
    step();
    add_store(location_of(address, before), value, order, NULL);
}

/* A read-modify-write reads the newest store. Call after step(). */
static struct location *begin_rmw(const void *address, uint64_t before, int order)
{
    struct location *location = location_of(address, before);
    read_store(location, location->n_stores - 1, order);
    return location;
}

static void end_rmw(struct location *location, uint64_t value, int order)
{
    const struct clock inherited = location->stores[location->n_stores - 1].released;
    add_store(location, value, order, &inherited);
}

/* Who tries to take a lock that stays taken lets others go on. */
static void spin(const void *address, bool changed)
{
    if (model.running == NOBODY) return;
    struct thread *thread = self();
    thread->n_spins = changed ? 0 : thread->n_spins + 1;
    if (thread->n_spins >= SPINS_MAX) wait_at(address, false); /* which is one place: a lock is tried again and again */
}

static void begin_site(const void *site, const char *what, int *order, int *failure)
{
    if (model.running == NOBODY) return;
    orders_of(site, what, order, failure);
    step();
}

/* What code that is compiled for a thread sanitizer calls. `bits`: of the operand. */
#define SITE __builtin_return_address(0)
#define ATOMICS(bits)                                                                                                  \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at, int order);                           \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *at, uint##bits##_t value, int order);                    \
    uint##bits##_t __tsan_atomic##bits##_exchange(volatile uint##bits##_t *at, uint##bits##_t value, int order);       \
    uint##bits##_t __tsan_atomic##bits##_fetch_add(volatile uint##bits##_t *at, uint##bits##_t value, int order);      \
    uint##bits##_t __tsan_atomic##bits##_fetch_sub(volatile uint##bits##_t *at, uint##bits##_t value, int order);      \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile uint##bits##_t *at, uint##bits##_t *expected,             \
                                                    uint##bits##_t value, int order, int failure);                     \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile uint##bits##_t *at, uint##bits##_t *expected,           \
                                                      uint##bits##_t value, int order, int failure);                   \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(volatile uint##bits##_t *at, uint##bits##_t expected,    \
                                                              uint##bits##_t value, int order, int failure);           \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at, int order)                            \
    {                                                                                                                  \
        return (uint##bits##_t)do_load(SITE, (const void *)(uintptr_t)at, *at, order);                                 \
    }                                                                                                                  \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *at, uint##bits##_t value, int order)                     \
    {                                                                                                                  \
        do_store(SITE, (const void *)(uintptr_t)at, *at, value, order);                                                \
        *at = value;                                                                                                   \
    }                                                                                                                  \
    static uint##bits##_t rmw##bits(const void *site, const char *what, volatile uint##bits##_t *at,                   \
                                    uint##bits##_t add, bool replace, int order)                                       \
    {                                                                                                                  \
        int failure = RELAXED;                                                                                         \
        begin_site(site, what, &order, &failure);                                                                      \
        const uint##bits##_t old = *at, value = (uint##bits##_t)(replace ? add : old + add);                           \
        if (model.running != NOBODY) end_rmw(begin_rmw((const void *)(uintptr_t)at, old, order), value, order);        \
        *at = value;                                                                                                   \
        if (!replace && model.running != NOBODY) self()->n_spins = 0;                                                  \
        if (replace) spin((const void *)(uintptr_t)at, old != value);                                                  \
        return old;                                                                                                    \
    }                                                                                                                  \
    uint##bits##_t __tsan_atomic##bits##_exchange(volatile uint##bits##_t *at, uint##bits##_t value, int order)        \
    {                                                                                                                  \
        return rmw##bits(SITE, "exchange", at, value, true, order);                                                    \
    }                                                                                                                  \
    uint##bits##_t __tsan_atomic##bits##_fetch_add(volatile uint##bits##_t *at, uint##bits##_t value, int order)       \
    {                                                                                                                  \
        return rmw##bits(SITE, "fetch_add", at, value, false, order);                                                  \
    }                                                                                                                  \
    uint##bits##_t __tsan_atomic##bits##_fetch_sub(volatile uint##bits##_t *at, uint##bits##_t value, int order)       \
    {                                                                                                                  \
        return rmw##bits(SITE, "fetch_sub", at, (uint##bits##_t)(0 - value), false, order);                            \
    }                                                                                                                  \
    static uint##bits##_t cas##bits(const void *site, volatile uint##bits##_t *at, uint##bits##_t expected,            \
                                    uint##bits##_t value, int order, int failure)                                      \
    {                                                                                                                  \
        begin_site(site, "compare_exchange", &order, &failure);                                                        \
        const uint##bits##_t old = *at;                                                                                \
        if (model.running != NOBODY) {                                                                                 \
            struct location *location = begin_rmw((const void *)(uintptr_t)at, old,                                    \
                                                  old == expected ? order : failure);                                  \
            if (old == expected) end_rmw(location, value, order);                                                      \
        }                                                                                                              \
        if (old == expected) *at = value;                                                                              \
        return old;                                                                                                    \
    }                                                                                                                  \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile uint##bits##_t *at, uint##bits##_t *expected,             \
                                                    uint##bits##_t value, int order, int failure)                      \
    {                                                                                                                  \
        const uint##bits##_t wanted = *expected;                                                                       \
        *expected = cas##bits(SITE, at, wanted, value, order, failure);                                                \
        return *expected == wanted;                                                                                    \
    }                                                                                                                  \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile uint##bits##_t *at, uint##bits##_t *expected,           \
                                                      uint##bits##_t value, int order, int failure)                    \
    {                                                                                                                  \
        const uint##bits##_t wanted = *expected;                                                                       \
        *expected = cas##bits(SITE, at, wanted, value, order, failure);                                                \
        return *expected == wanted;                                                                                    \
    }                                                                                                                  \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(volatile uint##bits##_t *at, uint##bits##_t expected,    \
                                                              uint##bits##_t value, int order, int failure)            \
    {                                                                                                                  \
        return cas##bits(SITE, at, expected, value, order, failure);                                                   \
    }
ATOMICS(8)
ATOMICS(32)
ATOMICS(64)

#define PLAIN(bytes)                                                                                                   \
    void __tsan_read##bytes(void *at);                                                                                 \
    void __tsan_write##bytes(void *at);                                                                                \
    void __tsan_read##bytes(void *at) { plain(at, bytes, false); }                                                     \
    void __tsan_write##bytes(void *at) { plain(at, bytes, true); }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
/* Some compilers name these when a structure is filled or copied. */
void __tsan_read_range(void *at, size_t bytes);
void __tsan_write_range(void *at, size_t bytes);
void __tsan_read_range(void *at, size_t bytes) { plain(at, bytes, false); }
void __tsan_write_range(void *at, size_t bytes) { plain(at, bytes, true); }
void *__tsan_memset(void *at, int value, size_t bytes);
void *__tsan_memcpy(void *to, const void *from, size_t bytes);
void *__tsan_memset(void *at, int value, size_t bytes)
{
    plain(at, bytes, true);
    return memset(at, value, bytes);
}
void *__tsan_memcpy(void *to, const void *from, size_t bytes)
{
    plain(from, bytes, false);
    plain(to, bytes, true);
    return memcpy(to, from, bytes);
}
void __tsan_init(void) {}
void __tsan_func_entry(void *caller) { (void)caller; }
void __tsan_func_exit(void) {}

/* ---- sleeping ---- */

/* The system compares and falls asleep in one step, and what it compares with is the newest value. Nobody wakes by the
 * clock: who sleeps for ever is found. */
void model_sleep(const void *word, uint32_t value)
{
    step();
    uint32_t now;
    memcpy(&now, word, sizeof now);
    if (now == value) wait_at(word, true);
}

void model_wake(const void *word)
{
    step();
    let_go(word, true);
}

/* ---- executions ---- */

static void execute(void)
{
    model.at = 0;
    model.n_switches = 0;
    model.n_locations = 0;
    model.execution++;
    model.running = NOBODY;
    for (int i = 0; i < model.program->n_threads; i++) {
        struct thread *thread = &model.threads[i];
        memset(&thread->clock, 0, sizeof thread->clock);
        thread->clock.at[i] = 1;
        thread->state = READY;
        thread->has_mail = false;
        thread->waits_at = NULL;
        thread->n_spins = 0;
        tg_coro_start(&thread->coro, thread_main, thread);
    }
    model.program->before();
    const int first = choose_thread(NOBODY);
    if (first != NOBODY) switch_to(first);
    for (int i = 0; i < model.program->n_threads; i++)
        if (!model.wrong && model.threads[i].state != DONE) model_wrong("a thread waits for ever");
    if (!model.wrong) model.program->after();
}

const char *model_run(const struct model_program *program, const struct model_site *weak, uint64_t *n_executions)
{
    model.program = program;
    model.main = tg_coro_current();
    model.weak = weak;
    model.wrong = NULL;
    model.n_trail = 0;
    for (int i = 0; i < program->n_threads; i++) assert_int_equal(tg_coro_init(&model.threads[i].coro, STACK_BYTES), 0);
    do {
        execute();
        ++*n_executions;
    } while (!model.wrong && next_trail());
    for (int i = 0; i < program->n_threads; i++) tg_coro_fini(&model.threads[i].coro);
    return model.wrong;
}

size_t model_sites(const struct model_site **sites)
{
    *sites = model.sites;
    return model.n_sites;
}
