#include "trace/chrome.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/output.h"
#include "trace/spans.h"
#include "trace/summary.h"

enum { THREADS = 1, CORES = 2, PIPES = 3 };  /* processes */
enum { FIRST_THREAD = 1, FIRST_CORE = 100 }; /* ids of tracks; viewers keep 0 for themselves */
enum { FIRST_PIPE = 1000 };
#define NO_LINK UINT32_MAX

struct trace {
    const struct tg_index *index;
    uint32_t *by_start;           /* [n_tasks] */
    struct tg_record_span *spans; /* [n_spans] */
    size_t n_spans;
    /* A chain is a flow through several tasks. A slice can be part of one chain; other edges are flows of their own. */
    uint32_t *chain_link; /* [n_tasks] the link into the task that is part of a chain; NO_LINK: none */
    uint32_t *chain;      /* [n_tasks] the chain's number: the position of its first task */
    bool *goes_on;        /* [n_tasks] a chain leaves the task */
    bool *pipe_named;     /* [n_cores x TG_RECORD_PIPES] the pipe has a track */
};

/* ---- chains ---- */

/* Each task takes up the chain of the first one before it whose chain nobody has taken up yet. */
static void find_chains(struct trace *trace)
{
    const struct tg_index *index = trace->index;
    for (size_t i = 0; i < index->record->n_tasks; i++) {
        uint32_t to = index->by_dispatch[i];
        trace->chain_link[to] = NO_LINK;
        trace->chain[to] = to;
        for (uint32_t link = index->first_before[to]; link < index->first_before[to + 1]; link++) {
            uint32_t from = index->before[link];
            if (trace->goes_on[from]) continue;
            trace->goes_on[from] = true;
            trace->chain_link[to] = link;
            trace->chain[to] = trace->chain[from];
            break;
        }
    }
}

/* ---- events ---- */

static void write_us(FILE *file, const char *name, uint64_t ns)
{
    fprintf(file, ",\"%s\":%" PRIu64 ".%03u", name, ns / 1000, (unsigned)(ns % 1000));
}

static void write_process(FILE *file, int process, const char *name)
{
    fprintf(file, "{\"ph\":\"M\",\"pid\":%d,\"name\":\"process_name\",\"args\":{\"name\":\"%s\"}},\n", process, name);
    fprintf(file, "{\"ph\":\"M\",\"pid\":%d,\"name\":\"process_sort_index\",\"args\":{\"sort_index\":%d}},\n", process,
            process);
}

static void write_track(FILE *file, int process, uint32_t track, const char *name, uint32_t number, const char *kind)
{
    fprintf(file,
            "{\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"name\":\"thread_name\",\"args\":{\"name\":\"%s %u %s\"}},\n"
            "{\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%u}},\n",
            process, track, name, number, kind, process, track, track);
}

static void write_tracks(const struct tg_record *record, FILE *file)
{
    const char *thread = record->has_workers ? "thread" : "AICPU", *core = record->has_workers ? "worker" : "core";
    write_process(file, THREADS, record->has_workers ? "orchestration" : "AICPU");
    write_process(file, CORES, record->has_workers ? "workers" : "cores");
    for (uint32_t i = 0; i < record->n_threads; i++)
        write_track(file, THREADS, FIRST_THREAD + i, thread, i,
                    record->has_builder && i == 0 ? "builder" : "scheduler");
    for (uint32_t i = 0; i < record->n_cores; i++)
        write_track(file, CORES, FIRST_CORE + i, core, i,
                    record->has_workers ? "" : tg_core_type_name(record->core_type[i]));
}

/* ---- pipes ---- */

static uint32_t pipe_track(const struct tg_record_step *step)
{
    return FIRST_PIPE + step->core * (uint32_t)TG_RECORD_PIPES + step->pipe;
}

/* A track for each pipe that did anything. */
static void write_pipe_tracks(const struct trace *trace, FILE *file)
{
    const struct tg_record *record = trace->index->record;
    if (record->n_steps > 0) write_process(file, PIPES, "pipes");
    for (size_t i = 0; i < record->n_steps; i++) {
        const struct tg_record_step *step = &record->steps[i];
        bool *named = &trace->pipe_named[step->core * TG_RECORD_PIPES + step->pipe];
        if (!*named) write_track(file, PIPES, pipe_track(step), "core", step->core, tg_pipe_name(step->pipe));
        *named = true;
    }
}

static void write_step(const struct tg_record_step *step, FILE *file)
{
    fprintf(file, "{\"ph\":\"X\",\"pid\":%d,\"tid\":%u", PIPES, pipe_track(step));
    write_us(file, "ts", step->start_ns);
    write_us(file, "dur", step->end_ns - step->start_ns);
    fprintf(file, ",\"name\":\"%s\"},\n", tg_instruction_name(step->op));
}

/* ---- threads and cores ---- */

static void write_span(const struct tg_record_span *span, FILE *file)
{
    fprintf(file, "{\"ph\":\"X\",\"pid\":%d,\"tid\":%u", THREADS, FIRST_THREAD + span->thread);
    write_us(file, "ts", span->start_ns);
    write_us(file, "dur", span->end_ns - span->start_ns);
    fprintf(file, ",\"name\":\"%s\"},\n", tg_span_name(span->kind));
}

/* What chain the task is part of. */
static void write_chain(const struct trace *trace, uint32_t i, FILE *file)
{
    bool in = trace->chain_link[i] != NO_LINK, out = trace->goes_on[i];
    if (in || out) fprintf(file, ",\"bind_id\":\"0x%x\"", trace->chain[i] + 1);
    if (in) fputs(",\"flow_in\":true", file);
    if (out) fputs(",\"flow_out\":true", file);
}

static void write_task(const struct trace *trace, uint32_t i, FILE *file)
{
    const struct tg_record *record = trace->index->record;
    const struct tg_record_task *task = &record->tasks[i];
    fprintf(file, "{\"ph\":\"X\",\"pid\":%d,\"tid\":%u", CORES, FIRST_CORE + task->core);
    write_us(file, "ts", task->start_ns);
    write_us(file, "dur", tg_task_kernel_ns(task));
    fputs(",\"name\":", file);
    tg_output_json_string(file, tg_task_name(record, task));
    write_chain(trace, i, file);
    fprintf(file, ",\"args\":{\"task\":%" PRId32, task->task_id);
    if (task->label) {
        fputs(",\"label\":", file);
        tg_output_json_string(file, task->label);
    }
    for (int pipe = 0; pipe < TG_RECORD_PIPES; pipe++)
        if (task->kernel.pipe_busy_ns[pipe] > 0) write_us(file, tg_pipe_name(pipe), task->kernel.pipe_busy_ns[pipe]);
    if (task->kernel.memory_wait_ns > 0) write_us(file, "memory wait", task->kernel.memory_wait_ns);
    fputs("}},\n", file);
}

/* An event of a flow touches the slice that its track shows at that time: the task's, from its start on. */
static void write_flow(const struct tg_record_task *task, const char *phase, uint32_t flow, FILE *file)
{
    fprintf(file, "{\"ph\":%s,\"pid\":%d,\"tid\":%u", phase, CORES, FIRST_CORE + task->core);
    write_us(file, "ts", task->start_ns);
    fprintf(file, ",\"name\":\"edge\",\"cat\":\"edge\",\"id\":%u},\n", flow);
}

/* The other edges into a task. A slice stands before the events that touch it, and a predecessor started before. */
static void write_edges(const struct trace *trace, uint32_t to, FILE *file)
{
    const struct tg_index *index = trace->index;
    const struct tg_record_task *tasks = index->record->tasks;
    for (uint32_t link = index->first_before[to]; link < index->first_before[to + 1]; link++) {
        if (link == trace->chain_link[to]) continue;
        write_flow(&tasks[index->before[link]], "\"s\"", link + 1, file);
        write_flow(&tasks[to], "\"f\",\"bp\":\"e\"", link + 1, file);
    }
}

static void write_all(const void *context, FILE *file)
{
    const struct trace *trace = context;
    const struct tg_record *record = trace->index->record;
    fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", file);
    write_tracks(record, file);
    write_pipe_tracks(trace, file);
    for (size_t i = 0; i < trace->n_spans; i++) write_span(&trace->spans[i], file);
    for (size_t i = 0; i < record->n_tasks; i++) {
        write_task(trace, trace->by_start[i], file);
        write_edges(trace, trace->by_start[i], file);
    }
    for (size_t i = 0; i < record->n_steps; i++) write_step(&record->steps[i], file);
    /* JSON allows no comma behind the last event, so this one is written last. */
    fprintf(file, "{\"ph\":\"M\",\"pid\":%d,\"name\":\"process_labels\",\"args\":{\"labels\":\"tilegraph\"}}\n]}\n",
            CORES);
}

/* ---- all ---- */

static uint64_t start_ns(const struct tg_record_task *task) { return task->start_ns; }

enum tg_status tg_chrome_write(const struct tg_index *index, const char *path)
{
    size_t n = index->record->n_tasks;
    struct trace trace = {.index = index,
                          .by_start = tg_index_sorted(index->record, start_ns),
                          .chain_link = malloc((n + 1) * sizeof *trace.chain_link),
                          .chain = malloc((n + 1) * sizeof *trace.chain),
                          .goes_on = calloc(n + 1, sizeof *trace.goes_on),
                          .pipe_named = calloc((size_t)index->record->n_cores * TG_RECORD_PIPES + 1, 1)};
    trace.spans = tg_spans_shown(index->record, &trace.n_spans);
    enum tg_status status = TG_ERR_MEMORY;
    if (trace.by_start && trace.spans && trace.chain_link && trace.chain && trace.goes_on && trace.pipe_named) {
        find_chains(&trace);
        status = tg_output(path, write_all, &trace);
    } else {
        tg_error(status, "no memory for a trace of %zu tasks", n);
    }
    free(trace.by_start);
    free(trace.spans);
    free(trace.chain_link);
    free(trace.chain);
    free(trace.goes_on);
    free(trace.pipe_named);
    return status;
}
