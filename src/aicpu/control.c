#include "aicpu/control.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "orchestrate/launch_graph.h"

uint32_t tg_control_owner(const struct tg_launch_data *data, uint32_t core)
{
    uint32_t first = tg_launch_has_plugin(data) ? 1 : 0; /* thread 0 builds */
    uint32_t block = core / TG_CORES_PER_BLOCK;
    return first + block % (data->n_threads - first);
}

static void push_list(struct tg_control *control, struct tg_task *list, uint64_t now)
{
    for (struct tg_task *task = list, *next; task; task = next) {
        next = task->next_ready;
        task->ready_ns = now;
        tg_ready_push(&control->ready[task->kernel->core_type], task);
    }
}

enum tg_status tg_control_open(const struct tg_control_launch *launch, struct tg_control **out)
{
    const struct tg_launch_data *data = launch->data;
    struct tg_task *ready;
    TG_TRY(tg_launch_graph(launch, &ready));
    size_t bytes = (sizeof(struct tg_control) + 63) / 64 * 64;
    struct tg_control *control = aligned_alloc(64, bytes);
    if (!control) return tg_error(TG_ERR_MEMORY, "no memory for the control program");
    memset(control, 0, bytes);
    control->config = *launch;
    control->place = launch->place;
    tg_ready_init(&control->ready[TG_AIC]);
    tg_ready_init(&control->ready[TG_AIV]);
    atomic_init(&control->phase, tg_launch_has_plugin(data) ? TG_BUILDING : TG_BUILT);
    atomic_init(&control->window, data->window);
    for (uint32_t i = 0; i < TG_AICPU_THREADS_MAX; i++) {
        struct tg_scheduler *s = &control->scheduler[i];
        s->first_start_ns = UINT64_MAX;
        s->random = data->schedule_seed + i;
        tg_random_next(&s->random);
    }
    push_list(control, ready, 0);
    *out = control;
    return TG_OK;
}

void tg_control_close(struct tg_control *control, struct tg_launch_report *report)
{
    *report = (struct tg_launch_report){
        .first_start_ns = UINT64_MAX,
        .last_publish_ns = control->last_publish_ns,
        .window = atomic_load_explicit(&control->window, memory_order_relaxed),
    };
    for (uint32_t i = 0; i < TG_AICPU_THREADS_MAX; i++) {
        struct tg_scheduler *s = &control->scheduler[i];
        if (s->first_start_ns < report->first_start_ns) report->first_start_ns = s->first_start_ns;
        report->n_instructions += s->n_instructions;
        for (uint32_t core = 0; core < control->config.data->n_cores; core++) {
            if (!s->core_used[core]) continue;
            if (control->config.data->core_type[core] == TG_AIC) report->n_aic++;
            else report->n_aiv++;
        }
    }
    tg_launch_report_graph(control->place->graph, report);
    if (!control->place->machine->lost) free(control);
}

void tg_control_wake_all(struct tg_control *control, uint32_t self)
{
    struct tg_machine *machine = control->place->machine;
    for (uint32_t i = 0; i < control->config.data->n_threads; i++)
        if (i != self) machine->ops->wake(machine, i);
}

void tg_control_offer(struct tg_control *control, struct tg_task *list, uint32_t self)
{
    if (!list) return;
    struct tg_machine *machine = control->place->machine;
    push_list(control, list, machine->ops->now(machine));
    tg_control_wake_all(control, self);
}

void tg_control_lost(void *arg, uint32_t index, bool on_core, const struct tg_guard *how)
{
    struct tg_control *control = arg;
    if (on_core) tg_control_report_core(control, index, how);
    else tg_builder_report(control->place->builder, tg_launch_function_name(control->config.data), how);
}

void tg_control_main(void *arg, uint32_t thread)
{
    struct tg_control *control = arg;
    if (thread == 0 && tg_control_has_builder(control)) tg_control_build(control);
    else tg_control_schedule(control, thread);
}
