#include "trace/cause.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { KINDS = TG_AIV + 1, BUILDER_THREAD = 0 };

/* ---- cores ---- */

/* Sorted times at which something happened to cores of one kind, and the sums of those up to each. */
struct times {
    uint64_t *at, *sum; /* [n] */
    size_t n;
};

/* When tasks took a core of one kind and when they gave it back. */
struct crowd {
    struct times taken, freed;
    uint32_t n_cores;
};

static bool times_init(struct times *times, size_t capacity)
{
    *times = (struct times){malloc((capacity + 1) * sizeof *times->at), malloc((capacity + 1) * sizeof *times->sum), 0};
    return times->at && times->sum;
}

static void times_add(struct times *times, uint64_t at)
{
    times->at[times->n] = at;
    times->sum[times->n] = at + (times->n > 0 ? times->sum[times->n - 1] : 0);
    times->n++;
}

/* How long it is since each of those that happened by now, all together. */
static uint64_t total_since(const struct times *times, uint64_t now)
{
    size_t low = 0, high = times->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (times->at[middle] <= now) low = middle + 1;
        else high = middle;
    }
    return low > 0 ? low * now - times->sum[low - 1] : 0;
}

static bool gather(struct crowd *crowd, const struct tg_index *index, enum tg_core_type type)
{
    const struct tg_record *record = index->record;
    if (!times_init(&crowd->taken, record->n_tasks) || !times_init(&crowd->freed, record->n_tasks)) return false;
    for (uint32_t i = 0; i < record->n_cores; i++) crowd->n_cores += record->core_type[i] == type;
    for (size_t i = 0; i < record->n_tasks; i++) {
        const struct tg_record_task *taken = &record->tasks[index->by_dispatch[i]];
        const struct tg_record_task *freed = &record->tasks[index->by_complete[i]];
        if (record->core_type[taken->core] == type) times_add(&crowd->taken, taken->dispatched_ns);
        if (record->core_type[freed->core] == type) times_add(&crowd->freed, freed->complete_ns);
    }
    return true;
}

/* The time that cores were taken for up to now, all together. */
static uint64_t taken_until(const struct crowd *crowd, uint64_t now)
{
    uint64_t taken = total_since(&crowd->taken, now), freed = total_since(&crowd->freed, now);
    return taken > freed ? taken - freed : 0;
}

/* Whether more than half of the cores were taken, on average. If not, it was the scheduler that was waited for. */
static bool most_taken(const struct crowd *crowd, uint64_t from, uint64_t to)
{
    return 2 * (taken_until(crowd, to) - taken_until(crowd, from)) > crowd->n_cores * (to - from);
}

static uint32_t freed_core(const struct tg_index *index, const struct crowd *crowds, uint32_t i)
{
    const struct tg_record *record = index->record;
    const struct tg_record_task *task = &record->tasks[i];
    uint32_t previous = index->previous[i];
    if (previous == TG_NO_TASK) return TG_NO_TASK;
    uint64_t ready_ns = tg_task_ready(task), freed_ns = record->tasks[previous].complete_ns;
    if (freed_ns <= ready_ns || freed_ns > task->dispatched_ns) return TG_NO_TASK;
    return most_taken(&crowds[record->core_type[task->core]], ready_ns, freed_ns) ? previous : TG_NO_TASK;
}

static bool find_cores(struct tg_causes *causes, const struct tg_index *index)
{
    struct crowd crowds[KINDS];
    memset(crowds, 0, sizeof crowds);
    bool found = gather(&crowds[TG_AIC], index, TG_AIC) && gather(&crowds[TG_AIV], index, TG_AIV);
    for (size_t i = 0; found && i < index->record->n_tasks; i++)
        causes->core[i] = freed_core(index, crowds, (uint32_t)i);
    for (int type = 0; type < KINDS; type++) {
        free(crowds[type].taken.at);
        free(crowds[type].taken.sum);
        free(crowds[type].freed.at);
        free(crowds[type].freed.sum);
    }
    return found;
}

/* ---- dependencies ---- */

static uint32_t last_dependency(const struct tg_index *index, uint32_t i)
{
    const struct tg_record_task *tasks = index->record->tasks;
    uint32_t last = TG_NO_TASK;
    for (uint32_t k = index->first_before[i]; k < index->first_before[i + 1]; k++) {
        uint32_t before = index->before[k];
        if (last == TG_NO_TASK || tasks[before].complete_ns > tasks[last].complete_ns) last = before;
    }
    if (last == TG_NO_TASK || tasks[last].complete_ns < tg_task_published(&tasks[i])) return TG_NO_TASK;
    return last;
}

/* ---- the builder ---- */

static bool is_wait(const struct tg_record *record, const struct tg_record_span *span)
{
    return record->has_builder && span->thread == BUILDER_THREAD && span->kind == TG_SPAN_WINDOW;
}

static bool find_waits(struct tg_causes *causes, const struct tg_index *index)
{
    const struct tg_record *record = index->record;
    size_t n = 0;
    for (size_t i = 0; i < record->n_spans; i++) n += is_wait(record, &record->spans[i]);
    causes->waits = malloc((n + 1) * sizeof *causes->waits);
    if (!causes->waits) return false;
    size_t n_complete = 0; /* by the end of the wait at hand; waits do not overlap, so it only grows */
    for (size_t i = 0; i < record->n_spans; i++) {
        const struct tg_record_span *span = &record->spans[i];
        if (!is_wait(record, span)) continue;
        while (n_complete < record->n_tasks &&
               record->tasks[index->by_complete[n_complete]].complete_ns <= span->end_ns)
            n_complete++;
        uint32_t last = n_complete > 0 ? index->by_complete[n_complete - 1] : TG_NO_TASK;
        if (last != TG_NO_TASK && record->tasks[last].complete_ns < span->start_ns) last = TG_NO_TASK;
        causes->waits[causes->n_waits++] = (struct tg_builder_wait){span->start_ns, span->end_ns, last};
    }
    return true;
}

size_t tg_causes_waits_until(const struct tg_causes *causes, uint64_t now)
{
    size_t low = 0, high = causes->n_waits;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (causes->waits[middle].end_ns <= now) low = middle + 1;
        else high = middle;
    }
    return low;
}

static void find_builder_start(struct tg_causes *causes, const struct tg_record *record)
{
    for (size_t i = 0; i < record->n_spans && record->has_builder; i++) {
        if (record->spans[i].thread != BUILDER_THREAD) continue;
        causes->builder_start_ns = record->spans[i].start_ns;
        return;
    }
}

static void find_built(struct tg_causes *causes, const struct tg_index *index)
{
    const struct tg_record *record = index->record;
    for (size_t i = 0; i < record->n_tasks; i++)
        if (tg_task_published(&record->tasks[i]) > causes->built_ns)
            causes->built_ns = tg_task_published(&record->tasks[i]);
    causes->built_first = record->has_builder && record->n_tasks > 0 &&
                          record->tasks[index->by_dispatch[0]].dispatched_ns >= causes->built_ns;
}

/* ---- all ---- */

enum tg_status tg_causes_init(struct tg_causes *causes, const struct tg_index *index)
{
    size_t n = index->record->n_tasks;
    *causes = (struct tg_causes){.core = malloc((n + 1) * sizeof *causes->core),
                                 .dependency = malloc((n + 1) * sizeof *causes->dependency)};
    if (!causes->core || !causes->dependency || !find_cores(causes, index) || !find_waits(causes, index)) {
        tg_causes_fini(causes);
        return tg_error(TG_ERR_MEMORY, "no memory to look at a run of %zu tasks", n);
    }
    for (size_t i = 0; i < n; i++) causes->dependency[i] = last_dependency(index, (uint32_t)i);
    find_builder_start(causes, index->record);
    find_built(causes, index);
    return TG_OK;
}

void tg_causes_fini(struct tg_causes *causes)
{
    free(causes->core);
    free(causes->dependency);
    free(causes->waits);
    *causes = (struct tg_causes){0};
}
