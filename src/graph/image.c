#include "graph/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"

/* ---- writing ---- */

/* The distinct names of source files. A builder keeps one copy of each name, so equal names have equal addresses. */
struct files {
    const char **names; /* [n] owned */
    size_t n, capacity;
};

/* The position of a name, from 1 on; 0: no name. UINT32_MAX: no memory. */
static uint32_t file_position(struct files *files, const char *name)
{
    if (!name) return 0;
    for (size_t i = files->n; i > 0; i--) /* the latest first: neighbours come from one file */
        if (files->names[i - 1] == name) return (uint32_t)i;
    if (!tg_grow((void **)&files->names, files->n + 1, &files->capacity, sizeof *files->names)) return UINT32_MAX;
    files->names[files->n++] = name;
    return (uint32_t)files->n;
}

/* A section after another, each of `n` items; they begin at multiples of the size of their items. */
struct sections {
    struct tg_task_image *tasks;
    uint64_t *args;
    uint32_t *successors, *ready;
    char *files;
};

static struct sections sections_of(const struct tg_graph_image *header, void *image)
{
    struct sections at;
    at.tasks = (void *)((uint8_t *)image + sizeof *header);
    at.args = (void *)(at.tasks + header->n_tasks);
    at.successors = (void *)(at.args + header->n_args);
    at.ready = at.successors + header->n_edges;
    at.files = (void *)(at.ready + header->n_ready);
    return at;
}

static uint64_t bytes_of(const struct tg_graph_image *header)
{
    const uint64_t bytes = sizeof *header + header->n_tasks * sizeof(struct tg_task_image) + 8 * header->n_args +
                           4 * header->n_edges + 4 * (uint64_t)header->n_ready + header->file_bytes;
    return (bytes + 7) / 8 * 8;
}

enum tg_status tg_graph_image_measure(struct tg_graph *graph, struct tg_task *ready, struct tg_graph_image *header)
{
    struct files files = {0};
    *header = (struct tg_graph_image){.n_tasks = (uint32_t)graph->n_added, .n_edges = graph->n_waits};
    enum tg_status status = TG_OK;
    for (int64_t id = 0; id < header->n_tasks && status == TG_OK; id++) {
        const struct tg_task *task = tg_graph_find(graph, id);
        header->n_args += task->n_args;
        if (file_position(&files, task->file) == UINT32_MAX)
            status = tg_error(TG_ERR_MEMORY, "no memory for the names of source files");
    }
    for (const struct tg_task *task = ready; task; task = task->next_ready) header->n_ready++;
    header->n_files = (uint32_t)files.n;
    for (size_t i = 0; i < files.n; i++) header->file_bytes += (uint32_t)strlen(files.names[i]) + 1;
    free(files.names);
    header->n_bytes = bytes_of(header);
    return status;
}

enum tg_status tg_graph_image_write(struct tg_graph *graph, struct tg_task *ready, const struct tg_graph_image *header,
                                    void *to)
{
    struct files files = {0};
    struct sections at = sections_of(header, to);
    memset(to, 0, header->n_bytes);
    memcpy(to, header, sizeof *header);
    for (int64_t id = 0; id < header->n_tasks; id++) {
        struct tg_task *task = tg_graph_find(graph, id);
        struct tg_task_image *image = at.tasks++;
        *image = (struct tg_task_image){.func_id = task->kernel->func_id,
                                        .n_args = task->n_args,
                                        .file = file_position(&files, task->file),
                                        .line = task->line};
        if (image->file == UINT32_MAX) {
            free(files.names);
            return tg_error(TG_ERR_MEMORY, "no memory for the names of source files");
        }
        memcpy(at.args, task->args, task->n_args * sizeof *at.args);
        at.args += task->n_args;
        for (const struct tg_edge *edge = tg_task_successors(task); edge; edge = edge->next) image->n_successors++;
        /* The newest edge is the first of the list, and the last of the image. */
        at.successors += image->n_successors;
        uint32_t *before = at.successors;
        for (const struct tg_edge *edge = tg_task_successors(task); edge; edge = edge->next)
            *--before = (uint32_t)edge->to->id;
    }
    for (const struct tg_task *task = ready; task; task = task->next_ready) *at.ready++ = (uint32_t)task->id;
    for (size_t i = 0; i < files.n; i++) {
        const size_t n_bytes = strlen(files.names[i]) + 1;
        memcpy(at.files, files.names[i], n_bytes);
        at.files += n_bytes;
    }
    free(files.names);
    return TG_OK;
}

/* ---- reading ---- */

static enum tg_status damaged(const char *what)
{
    return tg_error(TG_ERR_ABI, "the graph of the launch is damaged: %s", what);
}

/* Do the sections and the counts of all tasks fit into the image? Later steps then read inside it. */
static enum tg_status check_image(const struct tg_graph_image *header, uint64_t n_bytes)
{
    if (header->n_bytes > n_bytes) return damaged("it ends before its last byte");
    if (header->n_args > n_bytes / 8 || header->n_edges > n_bytes / 4 || header->n_tasks > INT32_MAX)
        return damaged("it counts more than it holds");
    if (bytes_of(header) != header->n_bytes) return damaged("its sections have another length");
    const struct sections at = sections_of(header, (void *)(uintptr_t)header); /* read only */
    uint64_t n_args = 0, n_edges = 0;
    for (uint32_t i = 0; i < header->n_tasks; i++) {
        if (at.tasks[i].n_args > TG_TASK_ARGS_MAX) return damaged("a task has too many arguments");
        if (at.tasks[i].file > header->n_files) return damaged("a task names an unknown source file");
        n_args += at.tasks[i].n_args;
        n_edges += at.tasks[i].n_successors;
    }
    if (n_args != header->n_args || n_edges != header->n_edges) return damaged("its tasks count otherwise");
    uint32_t n_files = 0;
    for (uint32_t i = 0; i < header->file_bytes; i++) n_files += at.files[i] == '\0';
    const bool ends = header->file_bytes == 0 || at.files[header->file_bytes - 1] == '\0';
    return n_files == header->n_files && ends ? TG_OK : damaged("its file names do not end");
}

static enum tg_status add_tasks(const struct tg_graph_image *header, struct sections at,
                                const struct tg_kernels *kernels, struct tg_graph *graph)
{
    const char **names = calloc((size_t)header->n_files + 1, sizeof *names); /* [0] is NULL */
    graph->names = malloc((size_t)header->file_bytes + 1);
    enum tg_status status = TG_OK;
    if (!names || !graph->names) status = tg_error(TG_ERR_MEMORY, "no memory for the names of source files");
    else memcpy(graph->names, at.files, header->file_bytes);
    const char *name = graph->names;
    for (uint32_t i = 1; i <= header->n_files && status == TG_OK; i++, name += strlen(name) + 1) names[i] = name;
    for (uint32_t i = 0; i < header->n_tasks && status == TG_OK; i++) {
        const struct tg_task_image *task = &at.tasks[i];
        const struct tg_task_spec spec = {.args = at.args,
                                          .n_args = task->n_args,
                                          .kernel = tg_kernels_at(kernels, task->func_id),
                                          .file = names[task->file],
                                          .line = task->line};
        int32_t id;
        if (spec.kernel) status = tg_graph_add(graph, &spec, &id);
        else
            status = tg_error(TG_ERR_UNKNOWN_FUNC, "task %u of the launch: no kernel has func_id %u", i, task->func_id);
        at.args += task->n_args;
    }
    free(names);
    return status;
}

enum tg_status tg_graph_image_read(const void *image, uint64_t n_bytes, const struct tg_kernels *kernels,
                                   struct tg_graph *graph, struct tg_task **ready)
{
    const struct tg_graph_image *header = image;
    if (n_bytes < sizeof *header) return damaged("it ends before its header");
    TG_TRY(check_image(header, n_bytes));
    const struct sections at = sections_of(header, (void *)(uintptr_t)image); /* read only */
    TG_TRY(add_tasks(header, at, kernels, graph));
    const uint32_t *to = at.successors;
    for (uint32_t from = 0; from < header->n_tasks; from++)
        for (uint32_t i = 0; i < at.tasks[from].n_successors; i++) TG_TRY(tg_graph_edge(graph, from, *to++));
    struct tg_task *first = NULL, **last = &first, *task = NULL;
    for (uint32_t i = 0; i < header->n_ready; i++) {
        TG_TRY(tg_graph_publish(graph, at.ready[i], &task));
        if (!task) return damaged("a task that waits for others is in the list of ready ones");
        *last = task;
        last = &task->next_ready;
    }
    *last = NULL;
    tg_graph_publish_all(graph, &task);
    if (task) return damaged("a ready task is not in the list of them");
    *ready = first;
    return TG_OK;
}
