/* Start and end of a launch on workers. */
#include "worker/workers.h"

#include <stdlib.h>
#include <string.h>

#include "orchestrate/launch_graph.h"
#include "os/foreign.h"
#include "worker/ticks.h"

enum {
    SPIN_ROUNDS = 200,
    SLOW_US = 2,
    WAKE_US = 20, /* about the time that a sleeping thread takes to come */
    UNCOUNTED_OF_WINDOW = 64
};

enum tg_status tg_workers_open(const struct tg_control_launch *launch, struct tg_workers **out)
{
    const struct tg_launch_data *data = launch->data;
    const uint32_t n = data->n_threads;
    struct tg_launch_place *place = launch->place;
    struct tg_task *ready;
    TG_TRY(tg_launch_graph(launch, &ready));
    const size_t bytes = sizeof(struct tg_workers) + n * sizeof(struct tg_worker);
    struct tg_workers *all = aligned_alloc(64, bytes);
    if (!all) return tg_error(TG_ERR_MEMORY, "no memory for %u workers", n);
    memset(all, 0, bytes);
    all->config = *launch;
    all->place = place;
    all->ready = ready;
    all->progress = place->progress && !place->machine->catch_faults;
    all->n = n;
    all->timed = tg_observed_tasks(place->machine->observers);
    all->spin_rounds = SPIN_ROUNDS;
    all->slow_ticks = tg_ticks_of_us(SLOW_US);
    all->wake_ticks = tg_ticks() + tg_ticks_of_us(WAKE_US);
    atomic_init(&all->window, data->window);
    atomic_init(&all->phase, tg_launch_has_plugin(data) ? TG_WORKERS_BUILDING : TG_WORKERS_BUILT);
    atomic_init(&all->n_idle, n - 1); /* workers that are not there are idle */
    atomic_init(&all->n_asleep, n - 1);
    atomic_init(&all->over, false);
    /* A window holds completions back that workers have not counted yet. All workers together hold back at most 1/64 of
     * the window. */
    const uint32_t share = data->window / UNCOUNTED_OF_WINDOW / n;
    for (uint32_t i = 0; i < n; i++) {
        struct tg_worker *w = &all->worker[i];
        w->last = &w->first;
        w->index = i;
        w->all = all;
        w->uncounted.limit = data->window == 0 || share > TG_PAGE_TASKS ? TG_PAGE_TASKS : share;
        w->first_start_ns = UINT64_MAX;
        atomic_flag_clear(&w->lock);
        atomic_init(&w->n_shared, 0);
        atomic_init(&w->asleep, i != 0);
    }
    place->graph->alone = n == 1;
    if (tg_launch_has_plugin(data)) tg_graph_keep_ready(place->graph);
    *out = all;
    return TG_OK;
}

void tg_workers_close(struct tg_workers *all, struct tg_launch_report *report)
{
    *report = (struct tg_launch_report){
        .first_start_ns = UINT64_MAX,
        .last_publish_ns = all->last_publish_ns,
        .window = atomic_load_explicit(&all->window, memory_order_relaxed),
    };
    for (uint32_t i = 0; i < all->n; i++) {
        const struct tg_worker *w = &all->worker[i];
        if (w->first_start_ns < report->first_start_ns) report->first_start_ns = w->first_start_ns;
        if (w->core) report->n_instructions += w->core->n_instructions;
        report->n_aic += w->ran[TG_AIC];
        report->n_aiv += w->ran[TG_AIV];
    }
    tg_launch_report_graph(all->place->graph, report);
    if (!all->place->machine->lost) free(all);
}

void tg_workers_main(void *arg, uint32_t worker)
{
    struct tg_workers *all = arg;
    struct tg_worker *w = &all->worker[worker];
    struct tg_machine *machine = all->place->machine;
    if (worker != 0) {
        atomic_fetch_sub(&all->n_idle, 1);
        /* It may come late: the launch that called it is over, and this one has not called it. */
        if (atomic_exchange(&w->asleep, 0) == 1) atomic_fetch_sub(&all->n_asleep, 1);
    }
    if (!w->core) {
        enum tg_status status = machine->ops->worker_core(machine, worker, &w->core);
        if (status != TG_OK) tg_failure_set(all->place->failure, status, "%s", tg_last_message());
        /* Kernels may write to their arguments, and damaged ones beyond them. */
        int64_t *room = tg_foreign_room(tg_coro_current(), sizeof w->own_args);
        if (room) memset(room, 0, sizeof w->own_args); /* those of the last launch are still there */
        w->args = room ? room : w->own_args;
    }
    if (worker == 0) tg_worker_push(w, all->ready);
    if (worker == 0 && tg_launch_has_plugin(all->config.data)) tg_workers_build(all);
    tg_worker_work(w, NULL, NULL, true);
}
