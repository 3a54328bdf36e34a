#include "common/made.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/random.h"

static void no_kernel(int64_t *args) { (void)args; }

void made_init(struct made *made, uint32_t n_aic, uint32_t n_aiv, uint64_t device_ns)
{
    static char *const names[] = {"aic_zero", "aiv_one", "aic_two", "aiv_three"};
    memset(made, 0, sizeof *made);
    for (int i = 0; i < 4; i++)
        made->by_id[i] = (struct tg_kernel){.entry = no_kernel, .core_type = i % 2 ? TG_AIV : TG_AIC, .name = names[i]};
    made->kernels = (struct tg_kernels){.by_id = made->by_id, .n = 4};
    assert_true(n_aic + n_aiv <= MADE_CORES_MAX);
    for (uint32_t i = 0; i < n_aic + n_aiv; i++) made->core_type[i] = i < n_aic ? TG_AIC : TG_AIV;
    made->record = (struct tg_record){.tasks = calloc(MADE_TASKS_MAX, sizeof *made->record.tasks),
                                      .edges = calloc(MADE_EDGES_MAX, sizeof *made->record.edges),
                                      .spans = calloc(MADE_SPANS_MAX, sizeof *made->record.spans),
                                      .n_threads = 2,
                                      .n_cores = n_aic + n_aiv,
                                      .has_builder = true,
                                      .core_type = made->core_type,
                                      .kernels = &made->kernels,
                                      .device_ns = device_ns};
    assert_true(made->record.tasks && made->record.edges && made->record.spans);
}

void made_fini(struct made *made)
{
    if (made->is_indexed) {
        tg_findings_fini(&made->findings);
        tg_index_fini(&made->index);
    }
    tg_record_fini(&made->record);
}

int32_t made_task(struct made *made, uint16_t core, struct tg_record_task task)
{
    struct tg_record *record = &made->record;
    assert_true(record->n_tasks < MADE_TASKS_MAX && core < record->n_cores);
    task.core = core;
    task.task_id = (int32_t)record->n_tasks;
    if (task.ready_ns == 0) task.ready_ns = task.published_ns;
    if (task.dispatched_ns == 0) task.dispatched_ns = task.ready_ns;
    if (task.start_ns == 0) task.start_ns = task.dispatched_ns;
    if (task.end_ns == 0) task.end_ns = task.start_ns;
    if (task.complete_ns == 0) task.complete_ns = task.end_ns;
    record->tasks[record->n_tasks++] = task;
    return task.task_id;
}

void made_edge(struct made *made, int32_t from, int32_t to)
{
    assert_true(made->record.n_edges < MADE_EDGES_MAX);
    made->record.edges[made->record.n_edges++] = (struct tg_record_edge){from, to};
}

void made_span(struct made *made, uint8_t thread, enum tg_span_kind kind, uint64_t start_ns, uint64_t end_ns)
{
    assert_true(made->record.n_spans < MADE_SPANS_MAX);
    made->record.spans[made->record.n_spans++] = (struct tg_record_span){start_ns, end_ns, (uint8_t)kind, thread};
}

static int by_start(const void *left, const void *right)
{
    const struct tg_record_span *a = left, *b = right;
    if (a->start_ns != b->start_ns) return a->start_ns < b->start_ns ? -1 : 1;
    return (a->thread > b->thread) - (a->thread < b->thread);
}

void made_index(struct made *made)
{
    qsort(made->record.spans, made->record.n_spans, sizeof *made->record.spans, by_start);
    assert_int_equal(tg_index_init(&made->index, &made->record), TG_OK);
    assert_int_equal(tg_analyse(&made->index, &made->findings), TG_OK);
    made->is_indexed = true;
}

/* ---- random runs ---- */

/* Publish the next task; sometimes wait before it until one of those before is complete. */
static uint64_t publish(struct made *made, uint64_t now, uint64_t *random)
{
    const struct tg_record *record = &made->record;
    uint64_t start = now;
    now += (uint64_t)random_below(random, 40);
    made_span(made, 0, TG_SPAN_BUILD, start, now);
    if (record->n_tasks == 0 || !random_chance(random, 5)) return now;
    const struct tg_record_task *awaited = &record->tasks[random_below(random, (int)record->n_tasks)];
    if (awaited->complete_ns <= now) return now;
    uint64_t woken = awaited->complete_ns + (uint64_t)random_below(random, 20);
    made_span(made, 0, TG_SPAN_WINDOW, now, woken);
    return woken;
}

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* The core of that kind that is free first. */
static uint16_t pick_core(const struct made *made, const uint64_t *free_at, enum tg_core_type type)
{
    uint16_t best = UINT16_MAX;
    for (uint16_t i = 0; i < made->record.n_cores; i++)
        if (made->core_type[i] == type && (best == UINT16_MAX || free_at[i] < free_at[best])) best = i;
    return best;
}

void made_random(struct made *made, uint64_t seed)
{
    uint64_t random = seed, free_at[MADE_CORES_MAX] = {0}, built = (uint64_t)random_below(&random, 100), end = 0;
    uint32_t n_aic = 1 + (uint32_t)random_below(&random, 4), n_aiv = 1 + (uint32_t)random_below(&random, 6);
    int n_tasks = 1 + random_below(&random, 400), delay = 1 + random_below(&random, 200);
    made_init(made, n_aic, n_aiv, 0);
    for (int i = 0; i < n_tasks; i++) {
        uint16_t func_id = (uint16_t)random_below(&random, 4);
        struct tg_record_task t = {.added_ns = built, .func_id = func_id};
        built = publish(made, built, &random);
        t.published_ns = t.ready_ns = built;
        for (int k = random_below(&random, 4); i > 0 && k > 0; k--) {
            int before = random_chance(&random, 70) && i > 8 ? i - 1 - random_below(&random, 8)
                                                             : random_below(&random, i);
            made_edge(made, before, i);
            t.ready_ns = later(t.ready_ns, made->record.tasks[before].complete_ns);
        }
        uint16_t core = pick_core(made, free_at, func_id % 2 ? TG_AIV : TG_AIC);
        t.ready_ns += (uint64_t)random_below(&random, delay);
        t.dispatched_ns = later(t.ready_ns, free_at[core]) + (uint64_t)random_below(&random, delay);
        t.start_ns = t.dispatched_ns + (uint64_t)random_below(&random, delay);
        t.end_ns = t.start_ns + 1 + (uint64_t)random_below(&random, 300);
        t.complete_ns = t.end_ns + (uint64_t)random_below(&random, delay);
        t.kernel.memory_wait_ns = (uint32_t)random_below(&random, 1 + (int)(t.end_ns - t.start_ns));
        free_at[core] = t.complete_ns;
        end = later(end, t.complete_ns);
        made_task(made, core, t);
    }
    made->record.device_ns = end + (uint64_t)random_below(&random, 100);
}
