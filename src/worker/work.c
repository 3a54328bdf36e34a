/* The loop of a worker: take a task, run its kernel, complete it, go on with a successor; search, sleep. */
#include <stdio.h>
#include <string.h>

#include "base/prefetch.h"
#include "graph/verdict.h"
#include "os/park.h"
#include "worker/ticks.h"
#include "worker/workers.h"

enum {
    PROGRESS_NS = 100000000,    /* host time between two calls of progress */
    PROGRESS_TASKS = 16,        /* tasks of worker 0 between two reads of the clock */
    CALL_TASKS = 8,             /* tasks between two looks whether a sleeping thread may be called */
    SLEEP_LIMIT_NS = 1000000000 /* a sleeper searches once a second in any case */
};

/* ---- ready tasks ---- */

enum { PREFETCH_BYTES = 4 * sizeof(struct tg_task), LINE_BYTES = 64 };

/* Prefetch a task that runs soon, and the tasks after it: tasks that were added together usually wait for each other.
 */
static void prefetch(const struct tg_task *task)
{
    for (size_t at = 0; at < PREFETCH_BYTES; at += LINE_BYTES) tg_prefetch_write((const char *)task + at);
}

static struct tg_task *pop(struct tg_worker *w)
{
    struct tg_task *task = w->first;
    if (!task) return NULL;
    w->first = task->next_ready;
    if (w->first) prefetch(w->first);
    else w->last = &w->first;
    w->n_own--;
    return task;
}

static void drop_own(struct tg_worker *w)
{
    w->first = NULL;
    w->last = &w->first;
    w->n_own = 0;
}

void tg_worker_push(struct tg_worker *w, struct tg_task *list)
{
    const uint64_t now = w->all->timed && list ? tg_workers_now(w->all) : 0;
    for (struct tg_task *task = list, *next; task; task = next) {
        next = task->next_ready;
        task->ready_ns = now;
        task->next_ready = NULL;
        *w->last = task;
        w->last = &task->next_ready;
        w->n_own++;
    }
}

/* Acquire, pairs with the release in unlock(): the list and its tasks are visible. */
static void lock(struct tg_worker *w)
{
    while (atomic_flag_test_and_set_explicit(&w->lock, memory_order_acquire)) tg_park_pause();
}

static void unlock(struct tg_worker *w) { atomic_flag_clear_explicit(&w->lock, memory_order_release); }

/* Move all tasks that `from` shares to the own list of `w`. false: it shares no task. */
static bool take(struct tg_worker *w, struct tg_worker *from)
{
    if (atomic_load_explicit(&from->n_shared, memory_order_relaxed) == 0) return false; /* a hint, see below */
    lock(from);
    const uint32_t n = atomic_load_explicit(&from->n_shared, memory_order_relaxed); /* under the lock */
    struct tg_task *first = from->shared, *last = from->shared_last;
    from->shared = from->shared_last = NULL;
    atomic_store_explicit(&from->n_shared, 0, memory_order_relaxed); /* written under the lock */
    unlock(from);
    if (n == 0) return false;
    if (w != from) prefetch(first);
    *w->last = first;
    w->last = &last->next_ready;
    w->n_own += n;
    return true;
}

/*
 * ---- sleeping and waking ----
 *
 * No wake-up is lost (store buffering): each side first writes, then reads, and all four operations are sequentially
 * consistent.
 *
 *     a worker falls asleep                   a thread has news (tasks to share, a completion, the end)
 *     asleep = 1                              n_shared, successors, n_complete, over = news
 *     read the news once more                 asleep == 1: asleep = 0, wake
 *     sleep while asleep == 1
 *
 * With weaker orders (a release store, then an acquire load) both sides may read the old values. tests/model tries it.
 */

/* Wake `w` if it sleeps, or call it if it is not there. */
static bool wake(struct tg_worker *w)
{
    struct tg_machine *machine = w->all->place->machine;
    if (atomic_load(&w->asleep) == 0 || atomic_exchange(&w->asleep, 0) == 0) return false;
    atomic_fetch_sub(&w->all->n_asleep, 1);
    if (w->index == 0) tg_unpark(&w->asleep);
    else machine->ops->call_worker(machine, w->index);
    return true;
}

/* Tasks are shared: tell a worker that is asleep or not there. While a launch is young, only one whose thread is awake
 * between launches: waking another would take longer than the tasks may. */
static void wake_one(struct tg_worker *self)
{
    struct tg_workers *all = self->all;
    struct tg_machine *machine = all->place->machine;
    const bool young = (int64_t)(tg_ticks() - all->wake_ticks) < 0;
    self->unheard = false;
    for (uint32_t i = 1; i < all->n; i++) {
        struct tg_worker *w = &all->worker[(self->index + i) % all->n];
        if (atomic_load(&w->asleep) == 0) continue;
        if (young && w->index != 0 && machine->ops->worker_sleeps(machine, w->index)) self->unheard = true;
        else if (wake(w)) return;
    }
}

void tg_worker_share(struct tg_worker *w)
{
    struct tg_workers *all = w->all;
    if (w->n_own == 0 || all->n == 1) return;
    /* Relaxed: a hint. A stale value leaves the tasks to this worker for one more task. */
    if (atomic_load_explicit(&w->n_shared, memory_order_relaxed) > 0) {
        if (w->unheard && w->n_run % CALL_TASKS == 0) wake_one(w);
        return;
    }
    uint32_t n = (w->n_own + 1) / 2;
    if (n > TG_SHARE_MAX) n = TG_SHARE_MAX;
    struct tg_task *first = w->first, *last = NULL;
    for (uint32_t i = 0; i < n; i++) {
        last = last ? last->next_ready : first;
        if (w->index == 0) tg_graph_hand_out(all->place->graph, last); /* the builder's thread */
    }
    w->first = last->next_ready;
    if (!w->first) w->last = &w->first;
    w->n_own -= n;
    last->next_ready = NULL;
    lock(w); /* empty: only this worker fills it */
    w->shared = first;
    w->shared_last = last;
    /* Sequentially consistent, like the load of n_asleep: either this thread sees the sleeper, or the sleeper the
     * tasks. */
    atomic_store(&w->n_shared, n);
    unlock(w);
    if (atomic_load(&all->n_asleep) > 0) wake_one(w);
}

/* ---- running ---- */

static void tell_progress(struct tg_worker *w)
{
    const struct tg_launch_place *place = w->all->place;
    const uint64_t now = tg_workers_now(w->all);
    if (now - w->progress_ns < PROGRESS_NS) return;
    w->progress_ns = now;
    place->progress(place->progress_context, now);
}

/* A kernel gets its own copy of the arguments, with zeros behind them: its writes must not reach the graph. */
static void copy_args(struct tg_worker *w, const struct tg_task *task)
{
    const uint32_t n = task->n_args;
    memcpy(w->args, task->inline_args, sizeof task->inline_args);
    if (n <= TG_INLINE_ARGS && w->n_args <= TG_INLINE_ARGS) return;
    if (n > TG_INLINE_ARGS) memcpy(w->args, task->args, n * sizeof *w->args);
    for (uint32_t i = n > TG_INLINE_ARGS ? n : TG_INLINE_ARGS; i < w->n_args; i++) w->args[i] = 0;
    w->n_args = n;
}

/* Tell the observers of the kernel. false: one of them has no memory, and the kernel must not run. */
static bool tell_begin(struct tg_worker *w, const struct tg_task *task)
{
    bool accepted = true;
    const struct tg_kernel_begin begin = {.kernel = task->kernel,
                                          .args = w->args,
                                          .n_args = task->n_args,
                                          .core = w->index,
                                          .core_type = task->kernel->core_type,
                                          .task_id = task->id};
    TG_OBSERVE_ASKING(w->all->place->machine->observers, &accepted, kernel_begins, &begin);
    return accepted;
}

/* A task is complete: a sleeping builder may have waited for it. */
static void tell_builder(struct tg_worker *w)
{
    struct tg_workers *all = w->all;
    /* Relaxed: a hint. A builder that begins to wait later misses at most uncounted_limit uncounted completions. */
    enum tg_workers_phase phase = atomic_load_explicit(&all->phase, memory_order_relaxed);
    if (phase == TG_WORKERS_IN_WINDOW) tg_graph_count(all->place->graph, &w->uncounted);
    /* Sequentially consistent, like the completion: either this thread sees the sleeper, or the sleeper the
     * completion. */
    if (atomic_load(&all->worker[0].asleep) == 0) return;
    /* Relaxed: the builder set its phase before it fell asleep, and its sleep was just read. */
    phase = atomic_load_explicit(&all->phase, memory_order_relaxed);
    if (phase == TG_WORKERS_IN_WINDOW || phase == TG_WORKERS_IN_WAIT) wake(&all->worker[0]);
}

/* Run a task and complete it. Returns the task to run next, or NULL. */
static struct tg_task *run(struct tg_worker *w, struct tg_task *task)
{
    struct tg_workers *all = w->all;
    const struct tg_kernel *kernel = task->kernel;
    const bool recorded = all->timed;
    uint64_t start = 0, n_instructions = w->core->n_instructions;
    copy_args(w, task);
    w->running = task;
    w->ran[kernel->core_type] = true;
    if (recorded || w->n_run == 0) start = tg_workers_now(all);
    if (w->n_run++ == 0) w->first_start_ns = start;
    w->core->type = kernel->core_type;
    w->core->task_id = task->id;
    w->core->running = true;
    w->core->n_kernels++;
    tg_graph_expect_complete(all->place->graph, task);
    if (!tell_begin(w, task)) {
        w->core->status = TG_ERR_MEMORY;
        strcpy(w->core->message, "no host memory for the observers of the run");
        tg_guard_raise();
    }
    tg_guard_resume(w->guard, kernel->module->text);
    /* Where no fault is caught, a damaged kernel ends the process in any case. A plain call is 4 ns faster. */
    if (w->guard->coro->fence) tg_guard_foreign(w->guard, (tg_foreign_fn *)kernel->entry, w->args, NULL, 0);
    else kernel->entry(w->args);
    tg_guard_pause(w->guard);
    w->core->running = false;
    TG_OBSERVE(all->place->machine->observers, kernel_ends, w->index, true);
    if (recorded) {
        const uint64_t end = tg_workers_now(all);
        const struct tg_ran ran = {.ready_ns = task->ready_ns,
                                   .dispatched_ns = start,
                                   .start_ns = start,
                                   .end_ns = end,
                                   .complete_ns = end,
                                   .task_id = task->id,
                                   .func_id = kernel->func_id,
                                   .core = (uint16_t)w->index,
                                   .file = task->file,
                                   .line = task->line,
                                   .kernel.n_instructions = w->core->n_instructions - n_instructions};
        TG_OBSERVE(all->place->machine->observers, ran, w->index, &ran);
    }
    w->running = NULL;
    struct tg_task *ready = tg_graph_complete(all->place->graph, task, &w->uncounted);
    tell_builder(w);
    if (w->index == 0 && all->progress && w->n_run % PROGRESS_TASKS == 0) tell_progress(w);
    if (!ready) return NULL;
    if (ready->next_ready) tg_worker_push(w, ready->next_ready);
    ready->ready_ns = recorded ? tg_workers_now(all) : 0;
    return ready;
}

/* ---- nothing to do ---- */

/* Sequentially consistent, like the store in all_idle(): worker 0 sees the store, or is woken. */
static bool is_over(struct tg_workers *all) { return atomic_load(&all->over); }

/* `w` is the last worker that became idle. While the builder builds, the builder handles the stall. */
static void all_idle(struct tg_worker *w)
{
    struct tg_workers *all = w->all;
    /* Acquire, pairs with the builder's release: its counts are visible. */
    if (atomic_load_explicit(&all->phase, memory_order_acquire) != TG_WORKERS_BUILT) {
        if (w->index != 0) wake(&all->worker[0]);
        return;
    }
    /* No thread builds and no task can move: if tasks are left, the graph's verdict is the failure. */
    struct tg_graph *graph = all->place->graph;
    if (!tg_workers_failed(all) && tg_graph_n_complete(graph) != graph->n_added) {
        char why[TG_MESSAGE_BYTES];
        enum tg_status status = tg_graph_verdict(graph, why, sizeof why);
        if (status == TG_OK) {
            status = TG_ERR_MISUSE;
            strcpy(why, "nothing can move, and no task waits for another: this is a defect of the scheduler");
        }
        tg_failure_set(all->place->failure, status, "%s", why);
    }
    atomic_store(&all->over, true);
    wake(&all->worker[0]); /* the others are awake and see it, or not there */
}

/* The result of an idle worker's search. */
enum found { FOUND_NOTHING, FOUND_TASKS, FOUND_ENOUGH, FOUND_STALL, FOUND_LEFT, FOUND_OVER };

/* Search once, while idle. TASKS is a hint. */
static enum found look(struct tg_worker *w, tg_work_enough_fn *enough, void *context)
{
    struct tg_workers *all = w->all;
    if (is_over(all)) return FOUND_OVER;
    if (enough) {
        const bool stalled = atomic_load(&all->n_idle) ==
                             all->n; /* before enough(), so that enough() sees every completion */
        if (enough(w, context)) return FOUND_ENOUGH;
        if (stalled) return FOUND_STALL;
    }
    if (tg_workers_failed(all)) return FOUND_NOTHING;
    for (uint32_t i = 1; i < all->n; i++)
        if (atomic_load(&all->worker[(w->index + i) % all->n].n_shared) > 0) return FOUND_TASKS;
    return FOUND_NOTHING;
}

/* Worker 0 sleeps until another thread wakes it. The others leave: asleep stays 1 until they are called. */
static enum found sleep_idle(struct tg_worker *w, tg_work_enough_fn *enough, void *context)
{
    struct tg_workers *all = w->all;
    const bool tells = w->index == 0 && all->progress;
    atomic_store(&w->asleep, 1);
    atomic_fetch_add(&all->n_asleep, 1);
    enum found found = look(w, enough, context);
    if (found == FOUND_NOTHING && w->index != 0) return FOUND_LEFT;
    if (found == FOUND_NOTHING) {
        tg_park(&w->asleep, 1, tells ? PROGRESS_NS : SLEEP_LIMIT_NS);
        if (tells) tell_progress(w);
    }
    /* The waking thread counts the worker as awake. */
    if (atomic_exchange(&w->asleep, 0) == 1) atomic_fetch_sub(&all->n_asleep, 1);
    return found;
}

/* Be idle until there is a reason to stop: for TASKS, the tasks are in the own list then. */
static enum found idle(struct tg_worker *w, tg_work_enough_fn *enough, void *context)
{
    struct tg_workers *all = w->all;
    enum found found = FOUND_NOTHING;
    tg_graph_count(all->place->graph, &w->uncounted);
    while (found == FOUND_NOTHING) {
        if (atomic_fetch_add(&all->n_idle, 1) + 1 == all->n) all_idle(w);
        do {
            for (int round = 0; round < all->spin_rounds && found == FOUND_NOTHING; round++) {
                found = look(w, enough, context);
                if (found == FOUND_NOTHING) tg_park_pause();
            }
            if (found == FOUND_NOTHING) found = sleep_idle(w, enough, context);
        } while (found == FOUND_NOTHING);
        if (found == FOUND_LEFT) return found; /* idle until it comes back */
        atomic_fetch_sub(&all->n_idle, 1);
        if (found != FOUND_TASKS) continue;
        found = FOUND_NOTHING;
        for (uint32_t i = 1; i < all->n && found == FOUND_NOTHING; i++)
            if (take(w, &all->worker[(w->index + i) % all->n])) found = FOUND_TASKS;
    }
    return found;
}

/* ---- the loop ---- */

/* Run tasks until there is a reason to return, inside the guarded call of tg_worker_work. */
static enum tg_work_end loop(struct tg_worker *w, tg_work_enough_fn *enough, void *context, bool may_sleep)
{
    struct tg_workers *all = w->all;
    tg_guard_pause(w->guard);
    for (;;) {
        if (tg_workers_failed(all)) drop_own(w);
        if (enough && enough(w, context)) return TG_WORK_ENOUGH;
        struct tg_task *task = pop(w);
        if (!task && !tg_workers_failed(all) && take(w, w)) task = pop(w);
        if (!task && !may_sleep) return TG_WORK_ENOUGH;
        if (!task) {
            switch (idle(w, enough, context)) {
            case FOUND_NOTHING:
            case FOUND_TASKS: continue;
            case FOUND_ENOUGH: return TG_WORK_ENOUGH;
            case FOUND_STALL: return TG_WORK_STALLED;
            case FOUND_LEFT: return TG_WORK_LEFT;
            case FOUND_OVER: return TG_WORK_OVER;
            }
        }
        while (task && !tg_workers_failed(all)) {
            if (w->n_own > 0) tg_worker_share(w);
            task = run(w, task);
        }
    }
}

void tg_worker_report(struct tg_worker *w, const struct tg_guard *guard)
{
    const struct tg_task *task = w->running;
    enum tg_status status = TG_ERR_KERNEL_FAULT;
    char name[256], what[128];
    tg_guard_describe(guard, what, sizeof what);
    const char *why = what;
    if (guard->end == TG_GUARD_STUCK) status = TG_ERR_KERNEL_TIMEOUT;
    if (guard->end == TG_GUARD_RAISED) {
        status = w->core->status;
        why = w->core->message;
    }
    const uint64_t n_waiting = tg_task_n_waiting(w->running);
    TG_OBSERVE(w->all->place->machine->observers, kernel_ends, w->index, false);
    tg_failure_set(w->all->place->failure, status, "%s on worker %u: %s; %llu tasks wait for it",
                   tg_task_describe(task, name, sizeof name), w->index, why, (unsigned long long)n_waiting);
}

void tg_worker_retire(struct tg_worker *w)
{
    w->core->running = false;
    w->running = NULL;
    drop_own(w);
    tg_graph_count(w->all->place->graph, &w->uncounted);
    if (atomic_fetch_add(&w->all->n_idle, 1) + 1 == w->all->n) all_idle(w);
}

enum tg_work_end tg_worker_work(struct tg_worker *w, tg_work_enough_fn *enough, void *context, bool may_sleep)
{
    const struct tg_text_range none = {0, 0};
    struct tg_guard guard;
    w->guard = &guard;
    for (;;) {
        volatile enum tg_work_end end = TG_WORK_OVER; /* a fault leaves loop() by a jump */
        tg_guard_begin(&guard, none);
        if (sigsetjmp(guard.jump, 0) == 0) {
            tg_guard_arm(&guard);
            end = loop(w, enough, context, may_sleep);
        }
        if (tg_guard_finish(&guard) == TG_GUARD_RETURNED) return end;
        tg_worker_report(w, &guard);
        w->core->running = false;
        w->running = NULL;
    }
}
