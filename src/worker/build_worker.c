/* Worker 0 as the builder: the plugin builds; in between, the worker runs ready tasks. */
#include "graph/verdict.h"
#include "worker/ticks.h"
#include "worker/workers.h"

enum {
    SHARE_FROM = 16 /* ready tasks that a fast builder collects before it shares the older half */
};

static void set_phase(struct tg_workers *all, enum tg_workers_phase phase)
{
    /* Release, pairs with the load in all_idle(): a thread that reads the phase sees the tasks built before. */
    atomic_store_explicit(&all->phase, phase, memory_order_release);
}

static uint64_t now(void *context) { return tg_workers_now(context); }

/* Log the builder's activity until now; the next one begins here. */
static void span(struct tg_workers *all, enum tg_span_kind kind)
{
    const struct tg_observer *observers = all->place->machine->observers;
    if (!observers) return;
    const uint64_t end = tg_workers_now(all);
    TG_OBSERVE(observers, span, 0, kind, all->since_ns, end);
    all->since_ns = end;
}

/* ---- plenty is ready ---- */

static bool few_are_ready(struct tg_worker *w, void *context)
{
    (void)context;
    return w->n_own <= TG_BUILDER_AHEAD_MAX / 2;
}

/* ---- the window ---- */

/* A builder with tasks of its own runs a quarter of the window before it builds on. A builder that would idle builds on
 * at once. */
static bool has_room(struct tg_worker *w, void *context)
{
    (void)context;
    struct tg_workers *all = w->all;
    const uint32_t window = atomic_load_explicit(&all->window, memory_order_relaxed); /* own counter */
    const uint32_t most = w->n_own > 0 ? window - window / 4 : window;
    return tg_graph_in_flight(all->place->graph) <= most || tg_workers_failed(all);
}

static void wait_for_window(struct tg_workers *all)
{
    span(all, TG_SPAN_BUILD);
    set_phase(all, TG_WORKERS_IN_WINDOW);
    while (tg_worker_work(&all->worker[0], has_room, NULL, true) == TG_WORK_STALLED) {
        const uint32_t window = atomic_load_explicit(&all->window, memory_order_relaxed);
        atomic_store_explicit(&all->window, window > UINT32_MAX / 2 ? UINT32_MAX : 2 * window, memory_order_relaxed);
    }
    set_phase(all, TG_WORKERS_BUILDING);
    span(all, TG_SPAN_WINDOW);
}

static void published(void *context, struct tg_task *ready)
{
    struct tg_workers *all = context;
    struct tg_worker *w = &all->worker[0];
    if (ready) {
        ready->next_ready = NULL;
        tg_worker_push(w, ready);
    }
    if (all->config.data->sequential) return;
    if (ready && all->n > 1) {
        const uint64_t now_ticks = tg_ticks();
        if (w->n_own >= SHARE_FROM || now_ticks - all->ready_ticks >= all->slow_ticks) tg_worker_share(w);
        all->ready_ticks = now_ticks;
    }
    if (w->n_own > TG_BUILDER_AHEAD_MAX) tg_worker_work(w, few_are_ready, NULL, false);
    const uint32_t window = atomic_load_explicit(&all->window, memory_order_relaxed); /* own counter */
    if (window > 0 && tg_graph_in_flight(all->place->graph) > window) wait_for_window(all);
}

/* ---- wait_task ---- */

struct waited {
    struct tg_graph *graph;
    int64_t id;
};

static bool is_complete(struct tg_worker *w, void *context)
{
    const struct waited *waited = context;
    return tg_graph_is_complete(waited->graph, waited->id) || tg_workers_failed(w->all);
}

static bool wait_task(void *context, int64_t id)
{
    struct tg_workers *all = context;
    struct waited waited = {all->place->graph, id};
    /* Not into the loop, where each round is a sign of life: an endless wait for this task must give none. */
    if (tg_graph_is_complete(waited.graph, id)) return true;
    span(all, TG_SPAN_BUILD);
    set_phase(all, TG_WORKERS_IN_WAIT);
    while (tg_worker_work(&all->worker[0], is_complete, &waited, true) == TG_WORK_STALLED) {
        char why[TG_MESSAGE_BYTES];
        enum tg_status status = tg_graph_verdict_wait(waited.graph, id, why, sizeof why);
        tg_failure_set(all->place->failure, status, "%s", why);
    }
    set_phase(all, TG_WORKERS_BUILDING);
    span(all, TG_SPAN_WINDOW);
    return tg_graph_is_complete(waited.graph, id);
}

void tg_workers_lost(void *arg, uint32_t index, bool on_core, const struct tg_guard *how)
{
    (void)on_core;
    struct tg_workers *all = arg;
    struct tg_worker *w = &all->worker[index];
    if (w->running) tg_worker_report(w, how);
    else tg_builder_report(all->place->builder, tg_launch_function_name(all->config.data), how);
    if (index == 0) set_phase(all, TG_WORKERS_BUILT); /* after the failure, so that no verdict reports missing tasks */
    tg_worker_retire(w);
}

void tg_workers_build(struct tg_workers *all)
{
    const struct tg_builder_hooks hooks = {
        .context = all,
        .now = now,
        .published = published,
        .wait_task = all->config.data->sequential ? NULL : wait_task,
    };
    all->place->plugin = tg_builder_run_embedded(&all->config, &hooks);
    span(all, TG_SPAN_BUILD);
    all->last_publish_ns = tg_workers_now(all);
    set_phase(all, TG_WORKERS_BUILT);
}
