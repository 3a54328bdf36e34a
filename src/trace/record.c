#include "trace/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/grow.h"

struct tg_record_label {
    char *text; /* owned */
    int32_t task_id;
};

/* ---- logs ---- */

static bool append(struct tg_record_log *log, struct tg_log *items, const void *item, size_t bytes)
{
    if (!tg_grow(&items->items, items->n + 1, &items->capacity, bytes)) {
        log->lost = true;
        return false;
    }
    memcpy((char *)items->items + items->n++ * bytes, item, bytes);
    return true;
}

void tg_record_ran(struct tg_record_log *log, const struct tg_record_task *task)
{
    append(log, &log->ran, task, sizeof *task);
}

void tg_record_added(struct tg_record_log *log, int32_t task_id, uint64_t now, const char *file, int32_t line)
{
    const struct tg_record_task task = {.task_id = task_id, .added_ns = now, .file = file, .line = line};
    append(log, &log->built, &task, sizeof task);
}

void tg_record_published(struct tg_record_log *log, int32_t task_id, uint64_t now)
{
    /* One builder adds every task, so tasks stand at their ids unless some were lost. */
    struct tg_record_task *built = log->built.items;
    if ((size_t)task_id < log->built.n && built[task_id].task_id == task_id) built[task_id].published_ns = now;
}

void tg_record_edge(struct tg_record_log *log, int32_t from, int32_t to)
{
    const struct tg_record_edge edge = {from, to};
    append(log, &log->edges, &edge, sizeof edge);
}

void tg_record_label(struct tg_record_log *log, int32_t task_id, const char *text)
{
    const struct tg_record_label label = {strdup(text), task_id};
    if (!label.text) log->lost = true;
    else if (!append(log, &log->labels, &label, sizeof label)) free(label.text);
}

void tg_record_span(struct tg_record_log *log, enum tg_span_kind kind, uint32_t thread, uint64_t start, uint64_t end)
{
    if (start == end) return;
    /* What goes on where it stopped is one span. */
    struct tg_record_span *spans = log->spans.items;
    struct tg_record_span *last = log->spans.n > 0 ? &spans[log->spans.n - 1] : NULL;
    if (last && last->kind == kind && last->thread == thread && last->end_ns == start) {
        last->end_ns = end;
        return;
    }
    const struct tg_record_span span = {start, end, (uint8_t)kind, (uint8_t)thread};
    append(log, &log->spans, &span, sizeof span);
}

void tg_record_step(struct tg_record_log *log, const struct tg_record_step *step)
{
    append(log, &log->steps, step, sizeof *step);
}

void tg_record_take_pipes(struct tg_record *record, struct tg_record_log *log)
{
    record->steps = log->steps.items;
    record->n_steps = log->steps.n;
    record->lost |= log->lost;
    log->steps = (struct tg_log){0};
}

void tg_record_log_fini(struct tg_record_log *log)
{
    struct tg_record_label *labels = log->labels.items;
    for (size_t i = 0; i < log->labels.n; i++) free(labels[i].text);
    free(log->ran.items);
    free(log->built.items);
    free(log->edges.items);
    free(log->labels.items);
    free(log->spans.items);
    free(log->steps.items);
    memset(log, 0, sizeof *log);
}

/* ---- merge ---- */

static int by_id(const void *left, const void *right)
{
    const struct tg_record_task *a = left, *b = right;
    return (a->task_id > b->task_id) - (a->task_id < b->task_id);
}

static int by_start(const void *left, const void *right)
{
    const struct tg_record_span *a = left, *b = right;
    if (a->start_ns != b->start_ns) return a->start_ns < b->start_ns ? -1 : 1;
    return (a->thread > b->thread) - (a->thread < b->thread);
}

/* All logs' arrays of one kind behind each other. `where`: offset of that tg_log in a tg_record_log. */
static void *join(const struct tg_record_log *logs, size_t n_logs, size_t where, size_t bytes, size_t *n, bool *failed)
{
    *n = 0;
    for (size_t i = 0; i < n_logs; i++)
        *n += ((const struct tg_log *)(const void *)((const char *)&logs[i] + where))->n;
    if (*n == 0) return NULL;
    char *all = malloc(*n * bytes), *at = all;
    for (size_t i = 0; all && i < n_logs; i++) {
        const struct tg_log *log = (const struct tg_log *)(const void *)((const char *)&logs[i] + where);
        if (log->n > 0) memcpy(at, log->items, log->n * bytes);
        at += log->n * bytes;
    }
    *failed |= !all;
    return all;
}

static struct tg_record_task *find(struct tg_record_task *tasks, size_t n, int32_t task_id)
{
    const struct tg_record_task key = {.task_id = task_id};
    return n > 0 ? bsearch(&key, tasks, n, sizeof *tasks, by_id) : NULL;
}

static void add_built(struct tg_record *record, const struct tg_record_log *log)
{
    const struct tg_record_task *built = log->built.items;
    for (size_t i = 0; i < log->built.n; i++) {
        struct tg_record_task *task = find(record->tasks, record->n_tasks, built[i].task_id);
        if (!task) continue;
        task->added_ns = built[i].added_ns;
        task->published_ns = built[i].published_ns;
        task->file = built[i].file;
        task->line = built[i].line;
    }
}

/* Labels move into one block of text, which the record owns. */
static bool add_labels(struct tg_record *record, const struct tg_record_log *log)
{
    const struct tg_record_label *labels = log->labels.items;
    size_t bytes = 0;
    for (size_t i = 0; i < log->labels.n; i++) bytes += strlen(labels[i].text) + 1;
    if (bytes == 0) return true;
    record->labels = malloc(bytes);
    char *at = record->labels;
    for (size_t i = 0; at && i < log->labels.n; i++) {
        struct tg_record_task *task = find(record->tasks, record->n_tasks, labels[i].task_id);
        size_t n = strlen(labels[i].text) + 1;
        memcpy(at, labels[i].text, n);
        if (task) task->label = at;
        at += n;
    }
    return record->labels != NULL;
}

enum tg_status tg_record_merge(struct tg_record *record, struct tg_record_log *logs, size_t n_logs)
{
    bool failed = false;
    record->tasks = join(logs, n_logs, offsetof(struct tg_record_log, ran), sizeof *record->tasks, &record->n_tasks,
                         &failed);
    record->edges = join(logs, n_logs, offsetof(struct tg_record_log, edges), sizeof *record->edges, &record->n_edges,
                         &failed);
    record->spans = join(logs, n_logs, offsetof(struct tg_record_log, spans), sizeof *record->spans, &record->n_spans,
                         &failed);
    if (!failed) {
        if (record->n_tasks > 0) qsort(record->tasks, record->n_tasks, sizeof *record->tasks, by_id);
        if (record->n_spans > 0) qsort(record->spans, record->n_spans, sizeof *record->spans, by_start);
        /* Only one log has what the builder knows. */
        for (size_t i = 0; i < n_logs; i++) {
            add_built(record, &logs[i]);
            if (logs[i].labels.n > 0) failed |= !add_labels(record, &logs[i]);
        }
    }
    for (size_t i = 0; i < n_logs; i++) {
        record->lost |= logs[i].lost;
        tg_record_log_fini(&logs[i]);
    }
    if (!failed) return TG_OK;
    tg_record_fini(record);
    return tg_error(TG_ERR_MEMORY, "no memory for the record of a run");
}

void tg_record_fini(struct tg_record *record)
{
    free(record->tasks);
    free(record->edges);
    free(record->spans);
    free(record->steps);
    free(record->lines);
    free(record->labels);
    memset(record, 0, sizeof *record);
}

const struct tg_record_task *tg_record_find(const struct tg_record *record, int32_t task_id)
{
    return find(record->tasks, record->n_tasks, task_id);
}
