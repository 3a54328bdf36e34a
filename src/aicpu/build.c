/* The builder thread: open the plugin from its bytes, let it build, announce the end of building. */
#include "aicpu/control.h"

#include "graph/verdict.h"

enum { BUILDER_THREAD = 0 };

static struct tg_machine *machine_of(struct tg_control *control) { return control->place->machine; }

static void set_phase(struct tg_control *control, enum tg_builder_phase phase)
{
    /* Release, pairs with tg_control_phase: a thread that sees the phase sees the tasks built before it. */
    atomic_store_explicit(&control->phase, phase, memory_order_release);
}

static uint64_t now(void *context)
{
    struct tg_machine *machine = machine_of(context);
    return machine->ops->now(machine);
}

/* Log the builder's activity until now; the next one begins here. */
static void span(struct tg_control *control, enum tg_span_kind kind)
{
    uint64_t end = now(control);
    TG_OBSERVE(machine_of(control)->observers, span, BUILDER_THREAD, kind, control->since_ns, end);
    control->since_ns = end;
}

static void spend(void *context, enum tg_work work, uint32_t n)
{
    struct tg_control *control = context;
    struct tg_machine *machine = machine_of(control);
    machine->ops->spend(machine, work, n);
}

static bool window_is_full(struct tg_control *control)
{
    uint32_t window = atomic_load_explicit(&control->window, memory_order_relaxed); /* own counter */
    return window > 0 && tg_graph_in_flight(control->place->graph) > window;
}

/* More tasks are published and unfinished than the window allows: wait for one to finish. If all of them depend on
 * unpublished tasks, the window must grow: waiting would be a deadlock of our making. */
static void wait_for_window(struct tg_control *control)
{
    struct tg_machine *machine = machine_of(control);
    if (!window_is_full(control)) return;
    span(control, TG_SPAN_BUILD);
    set_phase(control, TG_BUILDER_IN_WINDOW);
    while (window_is_full(control) && !tg_control_failed(control)) {
        if (machine->ops->idle(machine) == TG_IDLE_WOKEN) continue;
        uint32_t window = atomic_load_explicit(&control->window, memory_order_relaxed);
        atomic_store_explicit(&control->window, window > UINT32_MAX / 2 ? UINT32_MAX : 2 * window,
                              memory_order_relaxed);
    }
    set_phase(control, TG_BUILDING);
    span(control, TG_SPAN_WINDOW);
}

static void published(void *context, struct tg_task *ready)
{
    struct tg_control *control = context;
    struct tg_machine *machine = machine_of(control);
    machine->ops->sync(machine);
    control->last_publish_ns = machine->ops->now(machine);
    if (ready) {
        ready->next_ready = NULL;
        tg_control_offer(control, ready, BUILDER_THREAD);
    }
    wait_for_window(control);
}

static bool wait_task(void *context, int64_t id)
{
    struct tg_control *control = context;
    struct tg_machine *machine = machine_of(control);
    span(control, TG_SPAN_BUILD);
    set_phase(control, TG_BUILDER_IN_WAIT);
    machine->ops->sync(machine);
    bool complete;
    while (!(complete = tg_graph_is_complete(control->place->graph, id)) && !tg_control_failed(control)) {
        if (machine->ops->idle(machine) == TG_IDLE_WOKEN) continue;
        char why[TG_MESSAGE_BYTES];
        enum tg_status status = tg_graph_verdict_wait(control->place->graph, id, why, sizeof why);
        tg_failure_set(control->place->failure, status, "%s", why);
    }
    set_phase(control, TG_BUILDING);
    span(control, TG_SPAN_WINDOW);
    return complete;
}

void tg_control_build(struct tg_control *control)
{
    struct tg_machine *machine = machine_of(control);
    const struct tg_builder_hooks hooks = {
        .context = control,
        .now = now,
        .spend = spend,
        .published = published,
        .wait_task = control->config.data->sequential ? NULL : wait_task,
    };
    control->since_ns = now(control);
    control->place->plugin = tg_builder_run_embedded(&control->config, &hooks);
    span(control, TG_SPAN_BUILD);
    machine->ops->sync(machine);
    set_phase(control, TG_BUILT);
    tg_control_wake_all(control, BUILDER_THREAD);
}
