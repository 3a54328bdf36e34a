#include "trace/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

uint32_t tg_index_of(const struct tg_record *record, int32_t task_id)
{
    /* Ids count up from 0: a task stands at its id unless one before it did not run. */
    if (task_id >= 0 && (size_t)task_id < record->n_tasks && record->tasks[task_id].task_id == task_id)
        return (uint32_t)task_id;
    const struct tg_record_task *task = tg_record_find(record, task_id);
    return task ? (uint32_t)(task - record->tasks) : TG_NO_TASK;
}

const char *tg_task_name(const struct tg_record *record, const struct tg_record_task *task)
{
    const struct tg_kernel *kernel = tg_kernels_at(record->kernels, task->func_id);
    return kernel && kernel->name ? kernel->name : "?";
}

/* ---- order ---- */

struct key {
    uint64_t time;
    uint32_t position;
};

static int by_key(const void *left, const void *right)
{
    const struct key *a = left, *b = right;
    if (a->time != b->time) return a->time < b->time ? -1 : 1;
    return (a->position > b->position) - (a->position < b->position);
}

uint32_t *tg_index_sorted(const struct tg_record *record, tg_index_time_fn *time_of)
{
    size_t n = record->n_tasks;
    struct key *keys = malloc((n + 1) * sizeof *keys);
    uint32_t *order = malloc((n + 1) * sizeof *order);
    if (keys && order) {
        for (size_t i = 0; i < n; i++) keys[i] = (struct key){time_of(&record->tasks[i]), (uint32_t)i};
        qsort(keys, n, sizeof *keys, by_key);
        for (size_t i = 0; i < n; i++) order[i] = keys[i].position;
    } else {
        free(order);
        order = NULL;
    }
    free(keys);
    return order;
}

static uint64_t dispatched(const struct tg_record_task *task) { return task->dispatched_ns; }
static uint64_t complete(const struct tg_record_task *task) { return task->complete_ns; }

/* ---- links ---- */

/* From counts at [i + 1] to the place of each task's first link. */
static void accumulate(uint32_t *first, size_t n)
{
    for (size_t i = 0; i < n; i++) first[i + 1] += first[i];
}

/* Filling moves each first link to the next task's; move them back. */
static void restore(uint32_t *first, size_t n)
{
    memmove(first + 1, first, n * sizeof *first);
    first[0] = 0;
}

static void link_tasks(struct tg_index *index)
{
    const struct tg_record *record = index->record;
    for (size_t i = 0; i < record->n_edges; i++) {
        uint32_t from = tg_index_of(record, record->edges[i].from), to = tg_index_of(record, record->edges[i].to);
        if (from == TG_NO_TASK || to == TG_NO_TASK) continue;
        index->first_after[from + 1]++;
        index->first_before[to + 1]++;
        index->n_links++;
    }
    accumulate(index->first_after, record->n_tasks);
    accumulate(index->first_before, record->n_tasks);
    for (size_t i = 0; i < record->n_edges; i++) {
        uint32_t from = tg_index_of(record, record->edges[i].from), to = tg_index_of(record, record->edges[i].to);
        if (from == TG_NO_TASK || to == TG_NO_TASK) continue;
        index->after[index->first_after[from]++] = to;
        index->before[index->first_before[to]++] = from;
    }
    restore(index->first_after, record->n_tasks);
    restore(index->first_before, record->n_tasks);
}

static bool find_previous(struct tg_index *index)
{
    const struct tg_record *record = index->record;
    uint32_t *last = malloc((record->n_cores + 1) * sizeof *last);
    if (!last) return false;
    for (uint32_t i = 0; i < record->n_cores; i++) last[i] = TG_NO_TASK;
    for (size_t i = 0; i < record->n_tasks; i++) {
        uint32_t task = index->by_dispatch[i], core = record->tasks[task].core;
        index->previous[task] = last[core];
        last[core] = task;
    }
    free(last);
    return true;
}

enum tg_status tg_index_init(struct tg_index *index, const struct tg_record *record)
{
    size_t n = record->n_tasks;
    *index = (struct tg_index){.record = record};
    if (record->lost) return tg_error(TG_ERR_MEMORY, "memory ran out during the run: its record is incomplete");
    index->first_before = calloc(n + 1, sizeof *index->first_before);
    index->first_after = calloc(n + 1, sizeof *index->first_after);
    index->before = malloc((record->n_edges + 1) * sizeof *index->before);
    index->after = malloc((record->n_edges + 1) * sizeof *index->after);
    index->previous = malloc((n + 1) * sizeof *index->previous);
    index->by_dispatch = tg_index_sorted(record, dispatched);
    index->by_complete = tg_index_sorted(record, complete);
    if (index->first_before && index->first_after && index->before && index->after && index->previous &&
        index->by_dispatch && index->by_complete && find_previous(index)) {
        link_tasks(index);
        return TG_OK;
    }
    tg_index_fini(index);
    return tg_error(TG_ERR_MEMORY, "no memory to look at a run of %zu tasks", n);
}

void tg_index_fini(struct tg_index *index)
{
    free(index->first_before);
    free(index->before);
    free(index->first_after);
    free(index->after);
    free(index->by_dispatch);
    free(index->by_complete);
    free(index->previous);
    *index = (struct tg_index){0};
}
