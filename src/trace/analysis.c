#include "trace/analysis.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/grow.h"
#include "trace/cause.h"
#include "trace/retime.h"

/* ---- the path ---- */

struct walk {
    const struct tg_index *index;
    const struct tg_causes *causes;
    struct tg_findings *out;
    size_t capacity; /* of out->path */
    uint64_t at;     /* everything from here to the end of the run is accounted for */
    bool failed;
};

/* Account for the time from `from` to where the walk is; nothing if it is past `from` already. */
static void take(struct walk *w, uint64_t from, enum tg_bound bound, uint32_t task)
{
    struct tg_findings *out = w->out;
    if (from >= w->at) return;
    void *path = out->path;
    if (!tg_grow(&path, out->n_path_parts + 1, &w->capacity, sizeof *out->path)) {
        w->failed = true;
        return;
    }
    out->path = path;
    out->path[out->n_path_parts++] = (struct tg_path_part){from, w->at, task, (uint32_t)bound};
    out->figures.bound_ns[bound] += w->at - from;
    w->at = from;
}

static void take_kernel(struct walk *w, uint32_t i)
{
    const struct tg_record_task *task = &w->index->record->tasks[i];
    uint64_t at = w->at;
    uint64_t held_up = tg_task_memory_ns(task);
    /* Where in a kernel it was held up is not known; it is put to its end. */
    take(w, task->end_ns - held_up, TG_BOUND_MEMORY, i);
    take(w, task->start_ns, TG_BOUND_KERNEL, i);
    w->out->kernels[task->func_id].path_ns += at - w->at;
    w->out->figures.n_path++;
}

/* Everything before here is the builder's, up to where it waited for a task, which is returned. */
static uint32_t before_builder(struct walk *w)
{
    const struct tg_record *record = w->index->record;
    if (!record->has_builder) {
        take(w, 0, TG_BOUND_SCHEDULER, TG_NO_TASK);
        return TG_NO_TASK;
    }
    for (size_t n = tg_causes_waits_until(w->causes, w->at); n > 0; n--) {
        uint32_t task = w->causes->waits[n - 1].task;
        if (task == TG_NO_TASK) continue;
        take(w, record->tasks[task].complete_ns, TG_BOUND_BUILDER, TG_NO_TASK);
        take(w, record->tasks[task].end_ns, TG_BOUND_SCHEDULER, task);
        return task;
    }
    take(w, w->causes->builder_start_ns, TG_BOUND_BUILDER, TG_NO_TASK);
    take(w, 0, TG_BOUND_SCHEDULER, TG_NO_TASK);
    return TG_NO_TASK;
}

/* Account for what the task waited for before it was dispatched; the task that it waited for last. */
static uint32_t before_dispatch(struct walk *w, uint32_t i)
{
    const struct tg_record_task *tasks = w->index->record->tasks, *task = &tasks[i];
    const struct tg_causes *causes = w->causes;
    uint32_t freed = causes->core[i], dependency = causes->dependency[i];
    if (freed != TG_NO_TASK) {
        take(w, tasks[freed].complete_ns, TG_BOUND_SCHEDULER, i);
        take(w, tasks[freed].end_ns, TG_BOUND_SCHEDULER, freed);
        return freed;
    }
    if (causes->built_first && tg_task_ready(task) < causes->built_ns) {
        take(w, causes->built_ns, TG_BOUND_SCHEDULER, i);
        return before_builder(w);
    }
    take(w, tg_task_ready(task), TG_BOUND_SCHEDULER, i);
    if (dependency == TG_NO_TASK) return before_builder(w);
    take(w, tasks[dependency].end_ns, TG_BOUND_DEPENDENCY, i);
    return dependency;
}

/* Account for the task's kernel and what it waited for; the task that it waited for last. */
static uint32_t before_task(struct walk *w, uint32_t i)
{
    const struct tg_record_task *tasks = w->index->record->tasks;
    uint32_t previous = w->index->previous[i];
    take_kernel(w, i);
    if (previous != TG_NO_TASK && tasks[previous].end_ns > tasks[i].dispatched_ns) {
        take(w, tasks[previous].end_ns, TG_BOUND_SCHEDULER, i); /* sent to a core that was at work */
        return previous;
    }
    take(w, tasks[i].dispatched_ns, TG_BOUND_SCHEDULER, i);
    return before_dispatch(w, i);
}

static void reverse_path(struct tg_findings *out)
{
    for (size_t i = 0, j = out->n_path_parts; i + 1 < j; i++) {
        struct tg_path_part part = out->path[i];
        out->path[i] = out->path[--j];
        out->path[j] = part;
    }
}

static bool walk_path(const struct tg_index *index, const struct tg_causes *causes, struct tg_findings *out)
{
    const struct tg_record *record = index->record;
    struct walk w = {.index = index, .causes = causes, .out = out, .at = record->device_ns};
    uint32_t task = TG_NO_TASK;
    if (record->n_tasks > 0) {
        task = index->by_complete[record->n_tasks - 1];
        take(&w, record->tasks[task].complete_ns, TG_BOUND_SCHEDULER, TG_NO_TASK);
        take(&w, record->tasks[task].end_ns, TG_BOUND_SCHEDULER, task);
    } else {
        task = before_builder(&w);
    }
    /* Each step goes back in time, so no task comes twice. Inconsistent times end the walk. */
    for (size_t n = 0; task != TG_NO_TASK && n < record->n_tasks && !w.failed; n++) task = before_task(&w, task);
    take(&w, 0, TG_BOUND_SCHEDULER, TG_NO_TASK);
    reverse_path(out);
    for (size_t i = 0; i < out->n_path_parts; i++)
        if (out->path[i].bound == TG_BOUND_SCHEDULER && out->path[i].task == TG_NO_TASK)
            out->figures.launch_ns += out->path[i].end_ns - out->path[i].start_ns;
    for (uint32_t bound = 0; bound < TG_BOUNDS; bound++)
        if (tg_bound_part(&out->figures, bound) > tg_bound_part(&out->figures, out->figures.bound_by))
            out->figures.bound_by = bound;
    return !w.failed;
}

uint64_t tg_bound_part(const struct tg_analysis *figures, uint32_t bound)
{
    return figures->bound_ns[bound] - (bound == TG_BOUND_SCHEDULER ? figures->launch_ns : 0);
}

/* ---- use ---- */

static void use_of_tasks(const struct tg_record *record, struct tg_findings *out)
{
    for (size_t i = 0; i < record->n_tasks; i++) {
        const struct tg_record_task *task = &record->tasks[i];
        struct tg_kernel_use *use = &out->kernels[task->func_id];
        uint64_t ns = tg_task_kernel_ns(task);
        use->n_tasks++;
        use->total_ns += ns;
        use->memory_ns += tg_task_memory_ns(task);
        if (ns > use->longest_ns) use->longest_ns = ns;
        out->figures.kernel_ns += ns;
        for (int pipe = 0; pipe < TG_RECORD_PIPES; pipe++)
            out->pipe_ns[record->core_type[task->core]][pipe] += task->kernel.pipe_busy_ns[pipe];
    }
}

/* Move a core's clock to `until`, which is no longer than the run; returns by how much. */
static uint64_t advance(uint64_t *at, uint64_t until, uint64_t device_ns)
{
    uint64_t from = *at;
    if (until > device_ns) until = device_ns;
    if (until > from) *at = until;
    return *at - from;
}

static void use_core(struct tg_core_use *use, uint64_t *at, const struct tg_record_task *task,
                     const struct tg_record_task *next, uint64_t device_ns)
{
    use->idle_ns += advance(at, task->dispatched_ns, device_ns);
    use->control_ns += advance(at, task->start_ns, device_ns);
    use->kernel_ns += advance(at, task->end_ns - tg_task_memory_ns(task), device_ns);
    use->memory_ns += advance(at, task->end_ns, device_ns);
    bool overlaps = next && next->start_ns < task->complete_ns; /* it was sent to a core that was at work */
    use->control_ns += advance(at, overlaps ? next->start_ns : task->complete_ns, device_ns);
}

static bool use_of_cores(const struct tg_index *index, struct tg_findings *out)
{
    const struct tg_record *record = index->record;
    uint64_t *at = calloc(record->n_cores + 1, sizeof *at);
    uint32_t *next = malloc((record->n_tasks + 1) * sizeof *next);
    bool enough = at && next;
    if (enough) {
        for (size_t i = 0; i < record->n_tasks; i++) next[i] = TG_NO_TASK;
        for (size_t i = 0; i < record->n_tasks; i++)
            if (index->previous[i] != TG_NO_TASK) next[index->previous[i]] = (uint32_t)i;
        for (size_t i = 0; i < record->n_tasks; i++) {
            uint32_t n = index->by_dispatch[i], core = record->tasks[n].core;
            use_core(&out->cores[core], &at[core], &record->tasks[n],
                     next[n] == TG_NO_TASK ? NULL : &record->tasks[next[n]], record->device_ns);
        }
        for (uint32_t i = 0; i < record->n_cores; i++) out->cores[i].idle_ns += record->device_ns - at[i];
    }
    free(next);
    free(at);
    return enough;
}

static void use_of_threads(const struct tg_record *record, struct tg_findings *out)
{
    for (size_t i = 0; i < record->n_spans; i++) {
        const struct tg_record_span *span = &record->spans[i];
        if (span->thread < record->n_threads && span->kind < TG_SPAN_KINDS)
            out->threads[span->thread].span_ns[span->kind] += span->end_ns - span->start_ns;
    }
}

static void mean_busy(const struct tg_record *record, struct tg_findings *out)
{
    uint64_t busy_ns[2] = {0}, n_cores[2] = {0};
    for (uint32_t i = 0; i < record->n_cores; i++) {
        n_cores[record->core_type[i]]++;
        busy_ns[record->core_type[i]] += out->cores[i].kernel_ns + out->cores[i].memory_ns;
    }
    for (int type = TG_AIC; type <= TG_AIV; type++)
        if (n_cores[type] > 0 && record->device_ns > 0)
            out->figures.busy[type] = (double)busy_ns[type] / (double)(n_cores[type] * record->device_ns);
}

/* The tasks with the longest kernels, the longest first, equal ones by id. */
static void find_longest(const struct tg_record *record, struct tg_findings *out)
{
    for (uint32_t i = 0; i < record->n_tasks; i++) {
        uint64_t ns = tg_task_kernel_ns(&record->tasks[i]);
        uint32_t place = out->n_longest;
        while (place > 0 && ns > tg_task_kernel_ns(&record->tasks[out->longest[place - 1]])) place--;
        if (place == TG_LONGEST_MAX) continue;
        if (out->n_longest < TG_LONGEST_MAX) out->n_longest++;
        for (uint32_t k = out->n_longest - 1; k > place; k--) out->longest[k] = out->longest[k - 1];
        out->longest[place] = i;
    }
}

struct interval {
    uint64_t start_ns, end_ns;
};

static int by_start(const void *a, const void *b)
{
    const uint64_t x = ((const struct interval *)a)->start_ns, y = ((const struct interval *)b)->start_ns;
    return (x > y) - (x < y);
}

/* The time from the builder's start to the last kernel's end in which no task was ready or at work. */
static bool find_lulls(const struct tg_record *record, const struct tg_causes *causes, struct tg_findings *out)
{
    struct interval *busy = malloc((record->n_tasks + 1) * sizeof *busy);
    if (!busy) return false;
    for (size_t i = 0; i < record->n_tasks; i++)
        busy[i] = (struct interval){tg_task_ready(&record->tasks[i]), record->tasks[i].end_ns};
    qsort(busy, record->n_tasks, sizeof *busy, by_start);
    uint64_t at = record->has_builder ? causes->builder_start_ns : record->n_tasks > 0 ? busy[0].start_ns : 0;
    const uint64_t start = at;
    for (size_t i = 0; i < record->n_tasks; i++) {
        if (busy[i].start_ns > at) out->lull_ns += busy[i].start_ns - at;
        if (busy[i].end_ns > at) at = busy[i].end_ns;
    }
    out->at_work_ns = at - start;
    free(busy);
    return true;
}

/* ---- what it would be ---- */

/* The longest chain of kernels that wait for each other. */
static bool find_chain(const struct tg_index *index, struct tg_findings *out)
{
    const struct tg_record *record = index->record;
    uint64_t *chain = calloc(record->n_tasks + 1, sizeof *chain); /* up to the end of each task */
    if (!chain) return false;
    for (size_t i = 0; i < record->n_tasks; i++) {
        uint32_t task = index->by_dispatch[i]; /* after everything that it waits for */
        for (uint32_t k = index->first_before[task]; k < index->first_before[task + 1]; k++)
            if (chain[index->before[k]] > chain[task]) chain[task] = chain[index->before[k]];
        chain[task] += tg_task_kernel_ns(&record->tasks[task]);
        if (chain[task] > out->figures.critical_path_ns) out->figures.critical_path_ns = chain[task];
    }
    free(chain);
    return true;
}

static enum tg_status retime_all(const struct tg_index *index, const struct tg_causes *causes, struct tg_analysis *out)
{
    TG_TRY(tg_retime(index, causes, &(struct tg_retime){.unlimited_cores = true}, &out->unlimited_cores_ns));
    TG_TRY(tg_retime(index, causes, &(struct tg_retime){.free_control = true}, &out->free_control_ns));
    return tg_retime(index, causes, &(struct tg_retime){.free_memory = true}, &out->free_memory_ns);
}

/* ---- all ---- */

static enum tg_status analyse(const struct tg_index *index, const struct tg_causes *causes, struct tg_findings *out)
{
    const struct tg_record *record = index->record;
    out->kernels = calloc(record->kernels->n + 1, sizeof *out->kernels);
    out->cores = calloc(record->n_cores + 1, sizeof *out->cores);
    out->threads = calloc(record->n_threads + 1, sizeof *out->threads);
    if (!out->kernels || !out->cores || !out->threads || !use_of_cores(index, out) || !find_chain(index, out) ||
        !walk_path(index, causes, out))
        return tg_error(TG_ERR_MEMORY, "no memory to analyse a run of %zu tasks", record->n_tasks);
    out->figures.device_ns = record->device_ns;
    use_of_tasks(record, out);
    use_of_threads(record, out);
    mean_busy(record, out);
    find_longest(record, out);
    if (!find_lulls(record, causes, out))
        return tg_error(TG_ERR_MEMORY, "no memory to analyse a run of %zu tasks", record->n_tasks);
    return retime_all(index, causes, &out->figures);
}

enum tg_status tg_analyse(const struct tg_index *index, struct tg_findings *out)
{
    struct tg_causes causes;
    *out = (struct tg_findings){0};
    TG_TRY(tg_causes_init(&causes, index));
    enum tg_status status = analyse(index, &causes, out);
    tg_causes_fini(&causes);
    if (status != TG_OK) tg_findings_fini(out);
    return status;
}

void tg_findings_fini(struct tg_findings *findings)
{
    free(findings->path);
    free(findings->kernels);
    free(findings->cores);
    free(findings->threads);
    *findings = (struct tg_findings){0};
}

const char *tg_bound_name(enum tg_bound bound)
{
    static const char *const names[TG_BOUNDS] = {"kernel", "memory", "dependency", "scheduler", "builder"};
    return (unsigned)bound < TG_BOUNDS ? names[bound] : "unknown";
}
