#include "trace/chrome.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/output.h"

static int by_start(const void *left, const void *right)
{
    const struct tg_record_task *a = *(const struct tg_record_task *const *)left;
    const struct tg_record_task *b = *(const struct tg_record_task *const *)right;
    if (a->start_ns != b->start_ns) return a->start_ns < b->start_ns ? -1 : 1;
    if (a->core != b->core) return a->core < b->core ? -1 : 1;
    return (a->task_id > b->task_id) - (a->task_id < b->task_id);
}

static void write_core(FILE *file, uint32_t core, enum tg_core_type type)
{
    fprintf(file, "{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\",\"args\":{\"name\":\"block %u %s\"}},\n",
            core, core / 3, tg_core_type_name(type));
    fprintf(file, "{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%u}},\n",
            core, core);
}

static void write_task(FILE *file, const struct tg_record_task *task, const struct tg_kernels *kernels)
{
    uint64_t duration = task->end_ns - task->start_ns;
    fprintf(file, "{\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%llu.%03u,\"dur\":%llu.%03u,\"name\":", task->core,
            (unsigned long long)(task->start_ns / 1000), (unsigned)(task->start_ns % 1000),
            (unsigned long long)(duration / 1000), (unsigned)(duration % 1000));
    tg_output_json_string(file, kernels->by_id[task->func_id].name);
    fprintf(file, ",\"args\":{\"task\":%d,\"func_id\":%u}},\n", task->task_id, task->func_id);
}

struct sorted {
    const struct tg_record *record;
    const struct tg_record_task **tasks; /* [record->n_tasks] by start */
};

static void write_all(const void *context, FILE *file)
{
    const struct sorted *sorted = context;
    const struct tg_record *record = sorted->record;
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", file);
    for (uint32_t core = 0; core < record->n_cores; core++) write_core(file, core, record->core_type[core]);
    for (size_t i = 0; i < record->n_tasks; i++) write_task(file, sorted->tasks[i], record->kernels);
    fputs("{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"tilegraph\"}}\n]}\n", file);
}

enum tg_status tg_chrome_write(const struct tg_record *record, const char *path)
{
    if (record->lost) return tg_error(TG_ERR_MEMORY, "some tasks found no memory in the record");
    struct sorted sorted = {record, calloc(record->n_tasks + 1, sizeof *sorted.tasks)};
    if (!sorted.tasks) return tg_error(TG_ERR_MEMORY, "no memory for a trace of %zu tasks", record->n_tasks);
    for (size_t i = 0; i < record->n_tasks; i++) sorted.tasks[i] = &record->tasks[i];
    qsort((void *)sorted.tasks, record->n_tasks, sizeof *sorted.tasks, by_start);
    enum tg_status status = tg_output(path, write_all, &sorted);
    free((void *)sorted.tasks);
    return status;
}
