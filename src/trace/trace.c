#include "trace/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

void tg_trace_add(struct tg_trace *trace, const struct tg_trace_task *task)
{
    if (trace->n == trace->capacity) {
        size_t capacity = trace->capacity ? 2 * trace->capacity : 256;
        struct tg_trace_task *tasks = realloc(trace->tasks, capacity * sizeof *tasks);
        if (!tasks) {
            trace->n_lost++;
            return;
        }
        trace->tasks = tasks;
        trace->capacity = capacity;
    }
    trace->tasks[trace->n++] = *task;
}

static int compare(const void *left, const void *right)
{
    const struct tg_trace_task *a = left, *b = right;
    if (a->start_ns != b->start_ns) return a->start_ns < b->start_ns ? -1 : 1;
    if (a->core != b->core) return a->core < b->core ? -1 : 1;
    return a->task_id < b->task_id ? -1 : a->task_id > b->task_id;
}

void tg_trace_take(struct tg_trace *trace, struct tg_trace *from)
{
    for (size_t i = 0; i < from->n; i++) tg_trace_add(trace, &from->tasks[i]);
    trace->n_lost += from->n_lost;
    if (trace->n > 0) qsort(trace->tasks, trace->n, sizeof trace->tasks[0], compare);
    tg_trace_fini(from);
}

void tg_trace_fini(struct tg_trace *trace)
{
    free(trace->tasks);
    memset(trace, 0, sizeof *trace);
}

/* A kernel's name as a JSON string: its author chose it, so quotes and control characters are possible. */
static void write_string(FILE *file, const char *text)
{
    fputc('"', file);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '"' || *c == '\\') fprintf(file, "\\%c", *c);
        else if (*c < 0x20) fprintf(file, "\\u%04x", *c);
        else fputc(*c, file);
    }
    fputc('"', file);
}

static void write_core(FILE *file, uint32_t core, enum tg_core_type type)
{
    fprintf(file, "{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\",\"args\":{\"name\":\"block %u %s\"}},\n",
            core, core / 3, tg_core_type_name(type));
    fprintf(file, "{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%u}},\n",
            core, core);
}

static void write_task(FILE *file, const struct tg_trace_task *task, const struct tg_kernels *kernels)
{
    uint64_t duration = task->end_ns - task->start_ns;
    fprintf(file, "{\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%llu.%03u,\"dur\":%llu.%03u,\"name\":", task->core,
            (unsigned long long)(task->start_ns / 1000), (unsigned)(task->start_ns % 1000),
            (unsigned long long)(duration / 1000), (unsigned)(duration % 1000));
    write_string(file, kernels->by_id[task->func_id].name);
    fprintf(file, ",\"args\":{\"task\":%d,\"func_id\":%u}},\n", task->task_id, task->func_id);
}

static void write_all(FILE *file, const struct tg_trace *trace, const struct tg_kernels *kernels,
                      const enum tg_core_type *core_type, uint32_t n_cores)
{
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", file);
    for (uint32_t core = 0; core < n_cores; core++) write_core(file, core, core_type[core]);
    for (size_t i = 0; i < trace->n; i++) write_task(file, &trace->tasks[i], kernels);
    fputs("{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"tilegraph\"}}\n]}\n", file);
}

enum tg_status tg_trace_write_chrome(const struct tg_trace *trace, const struct tg_kernels *kernels,
                                     const enum tg_core_type *core_type, uint32_t n_cores, const char *path)
{
    if (trace->n_lost > 0)
        return tg_error(TG_ERR_MEMORY, "%llu tasks found no memory in the trace", (unsigned long long)trace->n_lost);

    /* Under another name first, so that a failure leaves no half file. */
    size_t n = strlen(path) + sizeof ".partial";
    char *partial = malloc(n);
    if (!partial) return tg_error(TG_ERR_MEMORY, "no memory for the name of %s", path);
    snprintf(partial, n, "%s.partial", path);
    FILE *file = fopen(partial, "w");
    bool written = file != NULL;
    if (file) {
        write_all(file, trace, kernels, core_type, n_cores);
        written = !ferror(file);
        written = fclose(file) == 0 && written;
        written = written && rename(partial, path) == 0;
        if (!written) unlink(partial);
    }
    enum tg_status status = TG_OK;
    if (!written) status = tg_error(TG_ERR_FILE, "cannot write %s: %s", path, strerror(errno));
    free(partial);
    return status;
}
