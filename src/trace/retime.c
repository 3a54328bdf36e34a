#include "trace/retime.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* How long after `from` it was `to`; 0 if it was not after it. */
static uint64_t since(uint64_t from, uint64_t to) { return to > from ? to - from : 0; }

static uint64_t kernel_ns(const struct tg_record_task *task, const struct tg_retime *without)
{
    return tg_task_kernel_ns(task) - (without->free_memory ? tg_task_memory_ns(task) : 0);
}

/* ---- every task at its place --------------------------------------------------------------------------------------
 * Each time is the latest of the times that it waited for, as they are now, plus what it took after that in the record.
 * The latter is never negative, so by induction no time is later than in the record. */

struct replay {
    const struct tg_index *index;
    const struct tg_causes *causes;
    struct tg_retime without;
    uint64_t *end, *complete; /* [n_tasks] now */
    uint64_t *wait_end;       /* [n_waits] of the builder's waits, now */
    size_t n_waits;           /* of wait_end that are known */
};

/* When the builder is now, where it was at `then`. The waits until then are known. */
static uint64_t builder_time(const struct replay *r, uint64_t then)
{
    size_t n = tg_causes_waits_until(r->causes, then);
    uint64_t from_then = n > 0 ? r->causes->waits[n - 1].end_ns : 0, from_now = n > 0 ? r->wait_end[n - 1] : 0;
    return from_now + (r->without.free_control ? 0 : since(from_then, then));
}

static void end_wait(struct replay *r, size_t i)
{
    const struct tg_builder_wait *wait = &r->causes->waits[i];
    uint64_t start = builder_time(r, wait->start_ns);
    if (wait->task == TG_NO_TASK) {
        r->wait_end[i] = start + (r->without.free_control ? 0 : wait->end_ns - wait->start_ns);
        return;
    }
    uint64_t woken = wait->end_ns - r->index->record->tasks[wait->task].complete_ns;
    r->wait_end[i] = later(start, r->complete[wait->task] + (r->without.free_control ? 0 : woken));
}

static uint64_t published(struct replay *r, uint64_t then)
{
    /* Who ended a wait was dispatched before what was published after it, so its time is known. */
    for (size_t n = tg_causes_waits_until(r->causes, then); r->n_waits < n; r->n_waits++) end_wait(r, r->n_waits);
    return builder_time(r, then);
}

/* When the task was published and its dependencies complete: now, and in *then as recorded. */
static uint64_t awaited(struct replay *r, uint32_t i, uint64_t *then)
{
    const struct tg_index *index = r->index;
    const struct tg_record_task *tasks = index->record->tasks;
    *then = tg_task_published(&tasks[i]);
    uint64_t now = published(r, *then);
    for (uint32_t k = index->first_before[i]; k < index->first_before[i + 1]; k++) {
        uint32_t before = index->before[k];
        /* The clocks of two control threads may be a little apart: complete for one after it was so for the other. */
        uint64_t apart = since(tg_task_ready(&tasks[i]), tasks[before].complete_ns);
        if (!r->without.dropped || !r->without.dropped[k]) now = later(now, since(apart, r->complete[before]));
        *then = later(*then, tasks[before].complete_ns - apart);
    }
    return now;
}

static uint64_t dispatched(struct replay *r, uint32_t i)
{
    const struct tg_record_task *tasks = r->index->record->tasks, *task = &tasks[i];
    const struct tg_causes *causes = r->causes;
    uint64_t then, now = awaited(r, i, &then);
    if (!r->without.free_control) now += since(then, tg_task_ready(task));
    then = later(then, tg_task_ready(task));
    if (causes->built_first) {
        now = later(now, published(r, causes->built_ns));
        then = later(then, causes->built_ns);
    }
    uint32_t freed = causes->core[i];
    if (freed != TG_NO_TASK) {
        if (!r->without.unlimited_cores) now = later(now, r->complete[freed]);
        then = later(then, tasks[freed].complete_ns);
    }
    return now + (r->without.free_control ? 0 : since(then, task->dispatched_ns));
}

/* The same, and not before its core is free, which in the record it may have been long before. */
static uint64_t taken(struct replay *r, uint32_t i)
{
    const struct tg_record_task *tasks = r->index->record->tasks;
    uint32_t previous = r->index->previous[i];
    uint64_t now = dispatched(r, i);
    if (previous == TG_NO_TASK || r->without.unlimited_cores) return now;
    return tasks[previous].complete_ns <= tasks[i].dispatched_ns ? later(now, r->complete[previous]) : now;
}

static void replay_task(struct replay *r, uint32_t i)
{
    const struct tg_record_task *tasks = r->index->record->tasks, *task = &tasks[i];
    uint32_t previous = r->index->previous[i];
    uint64_t now = taken(r, i), then = task->dispatched_ns;
    if (previous != TG_NO_TASK) { /* which may still run when the next task is sent to its core */
        if (!r->without.unlimited_cores) now = later(now, r->end[previous]);
        then = later(then, tasks[previous].end_ns);
    }
    uint64_t start = now + (r->without.free_control ? 0 : since(then, task->start_ns));
    r->end[i] = start + kernel_ns(task, &r->without);
    r->complete[i] = r->end[i] + (r->without.free_control ? 0 : since(task->end_ns, task->complete_ns));
}

/* The end of the run: all of its tasks, and what control did after the last one. */
static uint64_t replay_all(struct replay *r)
{
    const struct tg_record *record = r->index->record;
    uint64_t last_now = 0, last_then = 0;
    for (size_t i = 0; i < record->n_tasks; i++) {
        uint32_t task = r->index->by_dispatch[i];
        replay_task(r, task);
        last_now = later(last_now, r->complete[task]);
        last_then = later(last_then, record->tasks[task].complete_ns);
    }
    if (r->without.free_control) return last_now;
    return last_now + since(last_then, record->device_ns);
}

static enum tg_status replay(const struct tg_index *index, const struct tg_causes *causes,
                             const struct tg_retime *without, uint64_t *out_ns)
{
    size_t n = index->record->n_tasks;
    struct replay r = {.index = index,
                       .causes = causes,
                       .without = *without,
                       .end = calloc(n + 1, sizeof *r.end),
                       .complete = calloc(n + 1, sizeof *r.complete),
                       .wait_end = calloc(causes->n_waits + 1, sizeof *r.wait_end)};
    bool enough = r.end && r.complete && r.wait_end;
    if (enough) *out_ns = replay_all(&r);
    free(r.end);
    free(r.complete);
    free(r.wait_end);
    return enough ? TG_OK : tg_error(TG_ERR_MEMORY, "no memory to time a run of %zu tasks again", n);
}

/* ---- the next free core -------------------------------------------------------------------------------------------
 * Tasks run in the order in which they become ready, on the first free core of their kind. Control takes no time. The
 * builder's waits stay: a task that was published after a wait does not come before the end of that wait. */

struct running {
    uint64_t end_ns;
    uint32_t order; /* of the start: equal times end in this order */
    uint32_t task;
};

struct queue {
    uint32_t *tasks; /* [n_tasks] those that are or were ready */
    size_t n_taken, n;
    uint32_t n_idle; /* cores of the kind */
};

struct schedule {
    const struct tg_index *index;
    const struct tg_causes *causes;
    const struct tg_retime *without;
    uint32_t *n_missing;      /* [n_tasks] what the task waits for: dependencies, and being published */
    uint32_t *by_publication; /* [n_tasks] */
    size_t n_published;
    size_t n_waits_over;
    bool *is_complete;      /* [n_tasks] */
    struct queue queues[2]; /* [enum tg_core_type] */
    struct running *heap;   /* [n_running] the earliest end first */
    size_t n_running;
    uint32_t n_started;
};

static bool ends_before(const struct running *a, const struct running *b)
{
    return a->end_ns != b->end_ns ? a->end_ns < b->end_ns : a->order < b->order;
}

static void heap_push(struct schedule *s, struct running item)
{
    size_t i = s->n_running++;
    for (; i > 0 && ends_before(&item, &s->heap[(i - 1) / 2]); i = (i - 1) / 2) s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = item;
}

static struct running heap_pop(struct schedule *s)
{
    struct running first = s->heap[0], last = s->heap[--s->n_running];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < s->n_running; i = child) {
        if (child + 1 < s->n_running && ends_before(&s->heap[child + 1], &s->heap[child])) child++;
        if (!ends_before(&s->heap[child], &last)) break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return first;
}

static void one_less(struct schedule *s, uint32_t i)
{
    if (--s->n_missing[i] > 0) return;
    const struct tg_record *record = s->index->record;
    struct queue *queue = &s->queues[record->core_type[record->tasks[i].core]];
    queue->tasks[queue->n++] = i;
}

/* Publish what the builder can by now: everything up to the first wait whose task is not complete. */
static void publish(struct schedule *s)
{
    const struct tg_record *record = s->index->record;
    const struct tg_builder_wait *waits = s->causes->waits;
    while (s->n_waits_over < s->causes->n_waits) {
        uint32_t awaited = waits[s->n_waits_over].task;
        if (awaited != TG_NO_TASK && !s->is_complete[awaited]) break;
        s->n_waits_over++;
    }
    bool waits_now = s->n_waits_over < s->causes->n_waits;
    uint64_t until = waits_now ? waits[s->n_waits_over].end_ns : UINT64_MAX;
    for (; s->n_published < record->n_tasks; s->n_published++) {
        uint32_t task = s->by_publication[s->n_published];
        if (waits_now && tg_task_published(&record->tasks[task]) >= until) break;
        one_less(s, task);
    }
}

static void start_ready(struct schedule *s, uint64_t now)
{
    for (int type = TG_AIC; type <= TG_AIV; type++) {
        struct queue *queue = &s->queues[type];
        for (; queue->n_idle > 0 && queue->n_taken < queue->n; queue->n_idle--) {
            uint32_t task = queue->tasks[queue->n_taken++];
            uint64_t end = now + kernel_ns(&s->index->record->tasks[task], s->without);
            heap_push(s, (struct running){end, s->n_started++, task});
        }
    }
}

static void complete_task(struct schedule *s, uint32_t i)
{
    const struct tg_record *record = s->index->record;
    s->is_complete[i] = true;
    s->queues[record->core_type[record->tasks[i].core]].n_idle++;
    for (uint32_t k = s->index->first_after[i]; k < s->index->first_after[i + 1]; k++) one_less(s, s->index->after[k]);
}

/* UINT64_MAX: not everything ran. The builder waited for a task that came after what it held back. */
static uint64_t schedule_all(struct schedule *s)
{
    const struct tg_index *index = s->index;
    uint64_t now = 0;
    size_t n_complete = 0;
    for (uint32_t i = 0; i < index->record->n_cores; i++) s->queues[index->record->core_type[i]].n_idle++;
    for (size_t i = 0; i < index->record->n_tasks; i++)
        s->n_missing[i] = 1 + index->first_before[i + 1] - index->first_before[i];
    publish(s);
    start_ready(s, now);
    while (s->n_running > 0) {
        now = s->heap[0].end_ns;
        for (; s->n_running > 0 && s->heap[0].end_ns == now; n_complete++) complete_task(s, heap_pop(s).task);
        publish(s);
        start_ready(s, now);
    }
    return n_complete == index->record->n_tasks ? now : UINT64_MAX;
}

static uint64_t published_ns(const struct tg_record_task *task) { return tg_task_published(task); }

static enum tg_status schedule(const struct tg_index *index, const struct tg_causes *causes,
                               const struct tg_retime *without, uint64_t *out_ns)
{
    size_t n = index->record->n_tasks;
    struct schedule s = {.index = index,
                         .causes = causes,
                         .without = without,
                         .n_missing = malloc((n + 1) * sizeof *s.n_missing),
                         .by_publication = tg_index_sorted(index->record, published_ns),
                         .is_complete = calloc(n + 1, sizeof *s.is_complete),
                         .heap = malloc((n + 1) * sizeof *s.heap)};
    for (int type = TG_AIC; type <= TG_AIV; type++)
        s.queues[type].tasks = malloc((n + 1) * sizeof *s.queues[type].tasks);
    bool enough = s.n_missing && s.by_publication && s.is_complete && s.heap && s.queues[TG_AIC].tasks &&
                  s.queues[TG_AIV].tasks;
    if (enough) *out_ns = schedule_all(&s);
    free(s.n_missing);
    free(s.by_publication);
    free(s.is_complete);
    free(s.heap);
    free(s.queues[TG_AIC].tasks);
    free(s.queues[TG_AIV].tasks);
    return enough ? TG_OK : tg_error(TG_ERR_MEMORY, "no memory to schedule a run of %zu tasks again", n);
}

enum tg_status tg_retime(const struct tg_index *index, const struct tg_causes *causes, const struct tg_retime *without,
                         uint64_t *out_ns)
{
    uint64_t replayed = UINT64_MAX, scheduled = UINT64_MAX;
    TG_TRY(replay(index, causes, without, &replayed));
    if (without->free_control && !without->unlimited_cores) TG_TRY(schedule(index, causes, without, &scheduled));
    *out_ns = replayed < scheduled ? replayed : scheduled;
    return TG_OK;
}
