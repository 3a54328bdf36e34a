/*
 * A scheduler thread owns some clusters. Between their cores and the graph it repeats three steps: complete finished
 * tasks, dispatch ready tasks to idle cores, and wait if neither step changed anything.
 */
#include "aicpu/control.h"

#include <string.h>

#include "base/log.h"
#include "base/random.h"
#include "graph/verdict.h"

static struct tg_machine *machine_of(struct tg_control *control) { return control->place->machine; }

/* Tell the observers this thread's activity from `start` until now. */
static void span(struct tg_control *control, uint32_t self, enum tg_span_kind kind, uint64_t start)
{
    struct tg_machine *machine = machine_of(control);
    TG_OBSERVE(machine->observers, span, self, kind, start, machine->ops->now(machine));
}

static void core_is_idle(struct tg_control *control, struct tg_scheduler *s, uint32_t core)
{
    enum tg_core_type type = (enum tg_core_type)control->config.data->core_type[core];
    s->idle[type][s->n_idle[type]++] = core;
}

/* ---- handshake ---- */

/* Wait until every own core has said hello, tell it to be ready, and wait until it is ready. */
static void open_cores(struct tg_control *control, struct tg_scheduler *s)
{
    struct tg_machine *machine = machine_of(control);
    for (uint32_t i = 0; i < s->n_own; i++) {
        struct tg_handshake *handshake = &control->config.handshake[s->core[i]];
        /* Acquire, pairs with the core's release: hello is visible. */
        while (!atomic_load_explicit(&handshake->ready, memory_order_acquire)) machine->ops->idle(machine);
        if (handshake->hello_core != s->core[i] || handshake->hello_type != control->config.data->core_type[s->core[i]])
            tg_failure_set(control->place->failure, TG_ERR_MISUSE, "core %u answers as core %u of type %u", s->core[i],
                           handshake->hello_core, handshake->hello_type);
        machine->ops->write_dispatch(machine, s->core[i], TG_TOKEN_IDLE);
    }
    for (uint32_t i = 0; i < s->n_own; i++) {
        uint32_t core = s->core[s->n_own - 1 - i]; /* idle cores are a stack: the lowest comes out first */
        while (machine->ops->read_cond(machine, core) != TG_TOKEN_IDLE) machine->ops->idle(machine);
        core_is_idle(control, s, core);
    }
}

/* ---- completion ---- */

static void report_fault(struct tg_control *control, uint32_t core, struct tg_task *task, enum tg_status why,
                         const char *words)
{
    char text[256];
    const uint64_t n_waiting = tg_task_n_waiting(task);
    tg_failure_set(control->place->failure, why, "%s on core %u (%s): %s; %llu tasks wait for it",
                   tg_task_describe(task, text, sizeof text), core,
                   tg_core_type_name((enum tg_core_type)control->config.data->core_type[core]), words,
                   (unsigned long long)n_waiting);
}

void tg_control_report_core(struct tg_control *control, uint32_t core, const struct tg_guard *how)
{
    char words[128];
    tg_guard_describe(how, words, sizeof words);
    const uint32_t owner = tg_control_owner(control->config.data, core);
    report_fault(control, core, control->scheduler[owner].running[core],
                 how->end == TG_GUARD_STUCK ? TG_ERR_KERNEL_TIMEOUT : TG_ERR_KERNEL_FAULT, words);
}

/* The task of a core has ended: tell it, complete it, and offer its successors. */
static void finish(struct tg_control *control, struct tg_scheduler *s, uint32_t self, uint32_t core)
{
    struct tg_machine *machine = machine_of(control);
    struct tg_task *task = s->running[core];
    const struct tg_kernel_end *end = &control->config.handshake[core].result;
    s->running[core] = NULL;
    s->n_running--;
    core_is_idle(control, s, core);
    if (end->start_ns < s->first_start_ns) s->first_start_ns = end->start_ns;
    s->n_instructions += end->times.n_instructions;
    s->core_used[core] = true;
    const struct tg_ran ran = {.ready_ns = task->ready_ns,
                               .dispatched_ns = task->dispatched_ns,
                               .start_ns = end->start_ns,
                               .end_ns = end->end_ns,
                               .complete_ns = machine->ops->now(machine),
                               .task_id = task->id,
                               .func_id = task->kernel->func_id,
                               .core = (uint16_t)core,
                               .file = task->file,
                               .line = task->line,
                               .kernel = end->times};
    TG_OBSERVE(machine->observers, ran, self, &ran);
    if (end->status != TG_OK) {
        report_fault(control, core, task, (enum tg_status)end->status, machine->ops->fault(machine, core));
        tg_control_wake_all(control, self);
        return;
    }
    uint64_t start = machine->ops->now(machine);
    machine->ops->spend(machine, TG_WORK_COMPLETE, 1);
    span(control, self, TG_SPAN_COMPLETE, start);
    machine->ops->sync(machine); /* no thread sees the task complete before this thread's time */
    struct tg_uncounted uncounted = {0};
    tg_control_offer(control, tg_graph_complete(control->place->graph, task, &uncounted), self);
    /* A builder at its window or in wait_task, and schedulers at the end of the run, wait for completions. */
    enum tg_builder_phase phase = tg_control_phase(control);
    if (phase == TG_BUILDER_IN_WINDOW || phase == TG_BUILDER_IN_WAIT) machine->ops->wake(machine, 0);
    if (phase == TG_BUILT && tg_graph_n_complete(control->place->graph) == control->place->graph->n_added)
        tg_control_wake_all(control, self);
}

/* Poll every own running core; complete its task if it has finished. Returns whether one had finished. */
static bool poll_cores(struct tg_control *control, struct tg_scheduler *s, uint32_t self)
{
    struct tg_machine *machine = machine_of(control);
    bool moved = false;
    for (uint32_t i = 0, left = s->n_running; i < s->n_own && left > 0; i++) {
        uint32_t core = s->core[i];
        if (!s->running[core]) continue;
        left--;
        uint64_t start = machine->ops->now(machine);
        uint32_t cond = machine->ops->read_cond(machine, core);
        span(control, self, TG_SPAN_POLL, start);
        if (cond != (TG_COND_FIN | s->seq[core])) continue;
        /* Acquire, pairs with the core's release of result_token: result and outputs are visible. */
        uint32_t token = atomic_load_explicit(&control->config.handshake[core].result_token, memory_order_acquire);
        if (token != s->seq[core]) continue;
        finish(control, s, self, core);
        moved = true;
    }
    return moved;
}

/* ---- dispatch ---- */

/* The most recently used idle core, whose buffers are warm. A random schedule draws any idle core. */
static uint32_t take_idle_core(struct tg_control *control, struct tg_scheduler *s, enum tg_core_type type)
{
    uint32_t *idle = s->idle[type];
    uint32_t last = --s->n_idle[type];
    if (control->config.data->schedule_seed != 0) {
        uint32_t drawn = tg_random_below(&s->random, last + 1);
        uint32_t core = idle[drawn];
        idle[drawn] = idle[last];
        return core;
    }
    return idle[last];
}

static void dispatch(struct tg_control *control, struct tg_scheduler *s, uint32_t self, uint32_t core,
                     struct tg_task *task)
{
    struct tg_machine *machine = machine_of(control);
    struct tg_handshake *handshake = &control->config.handshake[core];
    s->seq[core] = s->seq[core] == TG_TOKEN_SEQ_MAX ? 1 : s->seq[core] + 1;
    s->running[core] = task;
    s->n_running++;
    task->dispatched_ns = machine->ops->now(machine);
    handshake->payload = (struct tg_payload){.args = (uint64_t)(uintptr_t)task->args,
                                             .n_args = task->n_args,
                                             .func_id = task->kernel->func_id,
                                             .task_id = task->id};
    /* Release, pairs with the core's acquire: the payload is complete. */
    atomic_store_explicit(&handshake->payload_token, s->seq[core], memory_order_release);
    machine->ops->spend(machine, TG_WORK_DISPATCH, 1);
    machine->ops->write_dispatch(machine, core, s->seq[core]);
    span(control, self, TG_SPAN_DISPATCH, task->dispatched_ns);
}

static bool dispatch_ready(struct tg_control *control, struct tg_scheduler *s, uint32_t self)
{
    struct tg_machine *machine = machine_of(control);
    bool moved = false;
    machine->ops->spend(machine, TG_WORK_SWEEP, 1);
    machine->ops->sync(machine);
    if (tg_control_failed(control)) return false;
    if (control->config.data->sequential && tg_control_phase(control) != TG_BUILT) return false;
    uint64_t *random = control->config.data->schedule_seed ? &s->random : NULL;
    for (int type = TG_AIC; type <= TG_AIV; type++) {
        while (s->n_idle[type] > 0) {
            struct tg_task *task = tg_ready_pop(&control->ready[type], random);
            if (!task) break;
            dispatch(control, s, self, take_idle_core(control, s, (enum tg_core_type)type), task);
            moved = true;
            machine->ops->sync(machine);
        }
    }
    return moved;
}

/* ---- the end ---- */

/* Nothing is left to do. A failed run still waits for its cores and for the builder, whose plugin may use memory that
 * the run owns. */
static bool is_over(struct tg_control *control, const struct tg_scheduler *s)
{
    struct tg_graph *graph = control->place->graph;
    if (s->n_running > 0 || tg_control_phase(control) != TG_BUILT) return false;
    return tg_control_failed(control) || tg_graph_n_complete(graph) == graph->n_added;
}

/* No task can move any more. While the builder builds, the builder handles the stall: its window grows, or the awaited
 * task cannot complete. After that the graph's verdict is the run's failure. */
static void stalled(struct tg_control *control, uint32_t self)
{
    struct tg_machine *machine = machine_of(control);
    if (tg_control_phase(control) != TG_BUILT) {
        machine->ops->wake(machine, 0);
        return;
    }
    char why[TG_MESSAGE_BYTES];
    enum tg_status status = tg_graph_verdict(control->place->graph, why, sizeof why);
    if (status == TG_OK) {
        status = TG_ERR_MISUSE;
        strcpy(why, "nothing can move, and no task waits for another: this is a defect of the scheduler");
    }
    tg_failure_set(control->place->failure, status, "%s", why);
    tg_control_wake_all(control, self);
}

void tg_control_schedule(struct tg_control *control, uint32_t self)
{
    struct tg_machine *machine = machine_of(control);
    struct tg_scheduler *s = &control->scheduler[self];
    for (uint32_t core = 0; core < control->config.data->n_cores; core++)
        if (tg_control_owner(control->config.data, core) == self) s->core[s->n_own++] = core;
    open_cores(control, s);
    for (;;) {
        bool moved = poll_cores(control, s, self);
        moved |= dispatch_ready(control, s, self);
        if (is_over(control, s)) break;
        if (!moved && machine->ops->idle(machine) == TG_IDLE_STALLED) stalled(control, self);
    }
    for (uint32_t i = 0; i < s->n_own; i++) machine->ops->write_dispatch(machine, s->core[i], TG_TOKEN_EXIT);
}
