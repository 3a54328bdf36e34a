#include "trace/recorder.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static struct tg_record_log *builder_log(struct tg_recorder *r) { return &r->logs[r->n_threads]; }

static void added(void *context, const struct tg_added *task)
{
    tg_record_added(builder_log(context), task->task_id, task->now_ns, task->file, task->line);
}

static void edge(void *context, int32_t from, int32_t to) { tg_record_edge(builder_log(context), from, to); }

static void published(void *context, int32_t task_id, uint64_t now_ns)
{
    tg_record_published(builder_log(context), task_id, now_ns);
}

static void labelled(void *context, int32_t task_id, const char *label)
{
    tg_record_label(builder_log(context), task_id, label);
}

static void ran(void *context, uint32_t thread, const struct tg_ran *ran)
{
    struct tg_recorder *r = context;
    const struct tg_record_task task = {.ready_ns = ran->ready_ns,
                                        .dispatched_ns = ran->dispatched_ns,
                                        .start_ns = ran->start_ns,
                                        .end_ns = ran->end_ns,
                                        .complete_ns = ran->complete_ns,
                                        .task_id = ran->task_id,
                                        .func_id = ran->func_id,
                                        .core = ran->core,
                                        .file = ran->file,
                                        .line = ran->line,
                                        .kernel = ran->kernel};
    tg_record_ran(&r->logs[thread], &task);
}

static void span(void *context, uint32_t thread, enum tg_span_kind kind, uint64_t start_ns, uint64_t end_ns)
{
    struct tg_recorder *r = context;
    tg_record_span(&r->logs[thread], kind, thread, start_ns, end_ns);
}

static void step(void *context, uint32_t core, enum tg_pipe pipe, uint32_t op, uint64_t start_ns, uint64_t end_ns)
{
    struct tg_recorder *r = context;
    const struct tg_record_step logged = {start_ns, end_ns, (uint16_t)core, (uint8_t)pipe, (uint8_t)op};
    tg_record_step(&r->pipes, &logged);
}

static bool kernel_begins(void *context, const struct tg_kernel_begin *begin)
{
    struct tg_recorder *r = context;
    r->cores->kernels[begin->core] = begin->kernel->name;
    return true;
}

static void spent(void *context, uint32_t core, const struct tg_spent *spent)
{
    struct tg_recorder *r = context;
    if (!tg_lines_add(&r->cores->lines[core], r->cores->kernels[core], spent)) r->cores->lost[core] = true;
}

#define TG_RECORDED_EVENTS                                                                                             \
    .added = added, .edge = edge, .published = published, .labelled = labelled, .ran = ran, .span = span,              \
    .kernel_begins = kernel_begins, .spent = spent
static const struct tg_observer_ops without_pipes = {TG_RECORDED_EVENTS};
static const struct tg_observer_ops with_pipes = {TG_RECORDED_EVENTS, .step = step};

enum tg_status tg_recorder_open(struct tg_recorder *r, uint32_t n_threads, bool takes_pipes)
{
    memset(r, 0, sizeof *r);
    r->n_threads = n_threads;
    r->logs = calloc(n_threads + 1, sizeof *r->logs);
    r->cores = calloc(1, sizeof *r->cores);
    if (!r->logs || !r->cores) {
        tg_recorder_close(r);
        return tg_error(TG_ERR_MEMORY, "no memory for the record of a run");
    }
    r->takes_pipes = takes_pipes;
    r->observer = (struct tg_observer){.ops = takes_pipes ? &with_pipes : &without_pipes, .context = r};
    return TG_OK;
}

void tg_recorder_close(struct tg_recorder *r)
{
    for (uint32_t i = 0; r->logs && i <= r->n_threads; i++) tg_record_log_fini(&r->logs[i]);
    free(r->logs);
    r->logs = NULL;
    tg_record_log_fini(&r->pipes);
    for (uint32_t core = 0; r->cores && core < TG_CORES_MAX; core++) tg_lines_fini(&r->cores->lines[core]);
    free(r->cores);
    r->cores = NULL;
}

enum tg_status tg_recorder_take(struct tg_recorder *r, struct tg_record *record)
{
    enum tg_status status = tg_record_merge(record, r->logs, r->n_threads + 1);
    if (r->takes_pipes) tg_record_take_pipes(record, &r->pipes);
    for (uint32_t core = 0; core < TG_CORES_MAX; core++) record->lost |= r->cores->lost[core];
    record->lost |= !tg_lines_join(r->cores->lines, TG_CORES_MAX, &record->lines, &record->n_lines);
    return status;
}
