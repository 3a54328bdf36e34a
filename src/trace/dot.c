#include "trace/dot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/output.h"

/* ---- what both forms have ---- */

static const char *fill_color(uint16_t func_id)
{
    static const char *const colors[] = {"#cfe0f5", "#fbdcc0", "#cdebd3", "#e4d7f2",
                                         "#f6d0d4", "#d3ecef", "#f3e9bf", "#e2e5ea"};
    return colors[func_id % (sizeof colors / sizeof colors[0])];
}

/* Inside of a quoted string, where a backslash begins an escape. */
static void write_text(FILE *file, const char *text)
{
    while (*text) {
        size_t n = tg_output_utf8_bytes(text);
        if (n == 0) fputc('?', file);
        else if (*text == '"' || *text == '\\') fprintf(file, "\\%c", *text);
        else if (*text == '\n') fputs("\\n", file);
        else if ((unsigned char)*text >= 0x20) fwrite(text, 1, n, file);
        text += n > 0 ? n : 1;
    }
}

static void write_node(FILE *file, const struct tg_record *record, const struct tg_record_task *task, uint32_t name)
{
    bool is_cube = record->core_type[task->core] == TG_AIC;
    fprintf(file, "  n%u [style=\"filled%s\", fillcolor=\"%s\", label=\"", name, is_cube ? "" : ",rounded",
            fill_color(task->func_id));
    write_text(file, tg_task_name(record, task));
}

static void write_head(FILE *file, const struct tg_record *record, size_t n_edges)
{
    fprintf(file,
            "digraph tasks {\n"
            "  label=\"%zu tasks, %zu edges, %.2f us; boxes run on AIC, rounded ones on AIV\";\n"
            "  rankdir=LR;\n"
            "  node [shape=box, fontname=\"Helvetica\", fontsize=11, color=\"#5b6472\"];\n"
            "  edge [fontname=\"Helvetica\", fontsize=10, color=\"#5b6472\", arrowsize=0.7];\n",
            record->n_tasks, n_edges, (double)record->device_ns / 1e3);
}

/* ---- a node for each task ---- */

struct plain {
    const struct tg_index *index;
    const bool *on_path; /* [n_tasks] */
};

static void write_plain(const void *context, FILE *file)
{
    const struct plain *plain = context;
    const struct tg_index *index = plain->index;
    const struct tg_record *record = index->record;
    write_head(file, record, index->n_links);
    for (uint32_t i = 0; i < record->n_tasks; i++) {
        const struct tg_record_task *task = &record->tasks[i];
        write_node(file, record, task, i);
        fprintf(file, "\\ntask %" PRId32, task->task_id);
        if (task->label) {
            fputs(": ", file);
            write_text(file, task->label);
        }
        fprintf(file, "\\n%.2f us\"%s];\n", (double)tg_task_kernel_ns(task) / 1e3,
                plain->on_path[i] ? ", penwidth=2.5, color=\"#1c2330\"" : "");
    }
    for (uint32_t to = 0; to < record->n_tasks; to++)
        for (uint32_t link = index->first_before[to]; link < index->first_before[to + 1]; link++)
            fprintf(file, "  n%u -> n%u;\n", index->before[link], to);
    fputs("}\n", file);
}

/* ---- folded ---- */

/* A node: tasks of one kernel that wait for the same set of kernels. */
struct place {
    uint64_t n_tasks, total_ns;
    uint32_t first; /* the first of its tasks */
};

/* The edges between two nodes. */
struct bundle {
    uint32_t from, to;
    size_t n;
};

struct fold {
    const struct tg_index *index;
    uint32_t *place_of;   /* [n_tasks] */
    struct place *places; /* [n_places], by their first tasks */
    uint32_t n_places;
    struct bundle *bundles; /* [n_bundles] by from and to */
    size_t n_bundles;
};

struct key {
    uint64_t waits_for; /* the sum of the marks of the kernels that the task waits for */
    uint32_t func_id, task;
};

static int by_key(const void *left, const void *right)
{
    const struct key *a = left, *b = right;
    if (a->func_id != b->func_id) return a->func_id < b->func_id ? -1 : 1;
    if (a->waits_for != b->waits_for) return a->waits_for < b->waits_for ? -1 : 1;
    return (a->task > b->task) - (a->task < b->task);
}

static int by_ends(const void *left, const void *right)
{
    const struct bundle *a = left, *b = right;
    if (a->from != b->from) return a->from < b->from ? -1 : 1;
    return (a->to > b->to) - (a->to < b->to);
}

/* A well mixed number for each kernel, so that different sets have different sums. */
static uint64_t mark_of(uint16_t func_id)
{
    uint64_t mark = (func_id + UINT64_C(1)) * UINT64_C(0x9E3779B97F4A7C15);
    mark = (mark ^ mark >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    return mark ^ mark >> 31;
}

/* One key a task. counted[func_id]: the last task that has counted this kernel, to count each once. */
static void make_keys(const struct tg_index *index, struct key *keys, uint32_t *counted)
{
    const struct tg_record *record = index->record;
    for (uint32_t i = 0; i < record->kernels->n; i++) counted[i] = TG_NO_TASK;
    for (uint32_t i = 0; i < record->n_tasks; i++) {
        keys[i] = (struct key){0, record->tasks[i].func_id, i};
        for (uint32_t link = index->first_before[i]; link < index->first_before[i + 1]; link++) {
            uint16_t func_id = record->tasks[index->before[link]].func_id;
            if (counted[func_id] != i) keys[i].waits_for += mark_of(func_id);
            counted[func_id] = i;
        }
    }
}

/* From sorted keys to places, which are numbered in the order of their first tasks. `number`: [n_tasks]. */
static void find_places(struct fold *fold, const struct key *keys, uint32_t *number)
{
    const struct tg_record *record = fold->index->record;
    uint32_t n_groups = 0;
    for (size_t i = 0; i < record->n_tasks; i++) {
        bool same = i > 0 && keys[i].func_id == keys[i - 1].func_id && keys[i].waits_for == keys[i - 1].waits_for;
        n_groups += !same;
        fold->place_of[keys[i].task] = n_groups - 1;
    }
    for (uint32_t i = 0; i < n_groups; i++) number[i] = TG_NO_TASK;
    for (uint32_t i = 0; i < record->n_tasks; i++) {
        uint32_t *place = &number[fold->place_of[i]];
        if (*place == TG_NO_TASK) {
            fold->places[fold->n_places] = (struct place){.first = i};
            *place = fold->n_places++;
        }
        fold->place_of[i] = *place;
        fold->places[*place].n_tasks++;
        fold->places[*place].total_ns += tg_task_kernel_ns(&record->tasks[i]);
    }
}

static void find_bundles(struct fold *fold)
{
    const struct tg_index *index = fold->index;
    struct bundle *bundles = fold->bundles;
    size_t n = 0;
    for (uint32_t to = 0; to < index->record->n_tasks; to++)
        for (uint32_t link = index->first_before[to]; link < index->first_before[to + 1]; link++)
            bundles[n++] = (struct bundle){fold->place_of[index->before[link]], fold->place_of[to], 1};
    qsort(bundles, n, sizeof *bundles, by_ends);
    for (size_t i = 0; i < n; i++) {
        struct bundle *last = fold->n_bundles > 0 ? &bundles[fold->n_bundles - 1] : NULL;
        if (last && last->from == bundles[i].from && last->to == bundles[i].to) last->n++;
        else bundles[fold->n_bundles++] = bundles[i];
    }
}

static void write_folded(const void *context, FILE *file)
{
    const struct fold *fold = context;
    const struct tg_record *record = fold->index->record;
    write_head(file, record, fold->index->n_links);
    for (uint32_t i = 0; i < fold->n_places; i++) {
        const struct place *place = &fold->places[i];
        write_node(file, record, &record->tasks[place->first], i);
        fprintf(file, " x %" PRIu64 "\\nmean %.2f us\"];\n", place->n_tasks,
                (double)place->total_ns / (double)place->n_tasks / 1e3);
    }
    for (size_t i = 0; i < fold->n_bundles; i++)
        fprintf(file, "  n%u -> n%u [label=\"%zu\"];\n", fold->bundles[i].from, fold->bundles[i].to,
                fold->bundles[i].n);
    fputs("}\n", file);
}

/* ---- all ---- */

static enum tg_status no_memory(const struct tg_index *index)
{
    return tg_error(TG_ERR_MEMORY, "no memory for a graph of %zu tasks", index->record->n_tasks);
}

static enum tg_status fold_and_write(const struct tg_index *index, const char *path)
{
    size_t n = index->record->n_tasks;
    struct fold fold = {.index = index,
                        .place_of = malloc((n + 1) * sizeof *fold.place_of),
                        .places = malloc((n + 1) * sizeof *fold.places),
                        .bundles = malloc((index->n_links + 1) * sizeof *fold.bundles)};
    struct key *keys = malloc((n + 1) * sizeof *keys);
    uint32_t *counted = malloc((index->record->kernels->n + 1) * sizeof *counted);
    uint32_t *number = malloc((n + 1) * sizeof *number);
    enum tg_status status;
    if (fold.place_of && fold.places && fold.bundles && keys && counted && number) {
        make_keys(index, keys, counted);
        qsort(keys, n, sizeof *keys, by_key);
        find_places(&fold, keys, number);
        find_bundles(&fold);
        status = tg_output(path, write_folded, &fold);
    } else {
        status = no_memory(index);
    }
    free(fold.place_of);
    free(fold.places);
    free(fold.bundles);
    free(keys);
    free(counted);
    free(number);
    return status;
}

enum tg_status tg_dot_write(const struct tg_index *index, const struct tg_findings *findings, const char *path)
{
    if (index->record->n_tasks > TG_DOT_TASKS_MAX) return fold_and_write(index, path);
    bool on_path[TG_DOT_TASKS_MAX] = {false};
    for (size_t i = 0; i < findings->n_path_parts; i++) {
        const struct tg_path_part *part = &findings->path[i];
        bool ran = part->bound == TG_BOUND_KERNEL || part->bound == TG_BOUND_MEMORY;
        if (ran && part->task != TG_NO_TASK) on_path[part->task] = true;
    }
    const struct plain plain = {index, on_path};
    return tg_output(path, write_plain, &plain);
}
