#include "graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prefetch.h"

struct tg_page {
    struct tg_task tasks[TG_PAGE_TASKS];
    struct tg_arena arena;   /* writer: the builder */
    _Atomic uint32_t n_left; /* incomplete tasks of the page, including those not added yet */
    struct tg_page *next;    /* in the retired or the free list */
    uint64_t index;          /* in graph->pages */
};

/* The pending of an unpublished task: exceeds any number of edges. */
#define UNPUBLISHED ((uint32_t)1 << 31)

/* The successors of a complete task: no edge can be pushed any more. */
static struct tg_edge closed;

void tg_graph_init(struct tg_graph *graph, uint64_t limit_bytes)
{
    memset(graph, 0, sizeof *graph);
    graph->limit_bytes = limit_bytes;
    graph->handed_out = UINT32_MAX;
    atomic_init(&graph->n_published, 0);
    atomic_init(&graph->n_complete, 0);
    atomic_init(&graph->retired_pages, NULL);
}

static void page_free(struct tg_page *page)
{
    tg_arena_fini(&page->arena);
    free(page);
}

static void page_list_free(struct tg_page *page)
{
    for (struct tg_page *next; page; page = next) {
        next = page->next;
        page_free(page);
    }
}

/* Take back the pages that completers have retired: their ids read as complete from now on. */
static void reclaim(struct tg_graph *graph)
{
    /* Acquire, pairs with the release in retire(): the completers are done with these pages. */
    struct tg_page *page = atomic_exchange_explicit(&graph->retired_pages, NULL, memory_order_acquire);
    for (struct tg_page *next; page; page = next) {
        next = page->next;
        graph->pages[page->index] = NULL;
        graph->bytes -= page->arena.bytes;
        tg_arena_reset(&page->arena);
        graph->bytes += page->arena.bytes;
        page->next = graph->free_pages;
        graph->free_pages = page;
    }
}

void tg_graph_fini(struct tg_graph *graph)
{
    reclaim(graph);
    page_list_free(graph->free_pages);
    for (uint64_t i = 0; i < graph->n_pages_max; i++)
        if (graph->pages[i]) page_free(graph->pages[i]);
    free(graph->pages);
    free(graph->names);
    memset(graph, 0, sizeof *graph);
}

static void account(struct tg_graph *graph, uint64_t bytes)
{
    graph->bytes += bytes;
    if (graph->bytes > graph->peak_bytes) graph->peak_bytes = graph->bytes;
}

static enum tg_status out_of_memory(const struct tg_graph *graph, uint64_t bytes)
{
    return tg_error(TG_ERR_MEMORY, "the graph of %llu tasks needs %llu more bytes; it has %llu of at most %llu",
                    (unsigned long long)graph->n_added, (unsigned long long)bytes, (unsigned long long)graph->bytes,
                    (unsigned long long)graph->limit_bytes);
}

/* May the graph take `bytes` more? At its limit it first takes back the retired pages and frees unused pages. */
static bool make_room(struct tg_graph *graph, uint64_t bytes)
{
    if (graph->bytes + bytes <= graph->limit_bytes) return true;
    reclaim(graph);
    while (graph->free_pages && graph->bytes + bytes > graph->limit_bytes) {
        struct tg_page *page = graph->free_pages;
        graph->free_pages = page->next;
        graph->bytes -= sizeof *page + page->arena.bytes;
        page_free(page);
    }
    return graph->bytes + bytes <= graph->limit_bytes;
}

/* Memory from a page's arena, accounted and limited. NULL: out of memory, or over the limit. */
static void *page_alloc(struct tg_graph *graph, struct tg_page *page, size_t bytes)
{
    void *there = tg_arena_take(&page->arena, bytes);
    if (there) return there;
    if (!make_room(graph, bytes)) return NULL; /* may exceed the limit by the rest of one arena block */
    size_t before = page->arena.bytes;
    void *memory = tg_arena_alloc(&page->arena, bytes);
    account(graph, page->arena.bytes - before);
    return memory;
}

static enum tg_status grow_table(struct tg_graph *graph)
{
    uint64_t n = graph->n_pages_max ? 2 * graph->n_pages_max : 64;
    uint64_t more = (n - graph->n_pages_max) * sizeof(struct tg_page *);
    if (!make_room(graph, more)) return out_of_memory(graph, more);
    struct tg_page **pages = realloc(graph->pages, n * sizeof *pages);
    if (!pages) return out_of_memory(graph, n * sizeof *pages);
    memset(pages + graph->n_pages_max, 0, (n - graph->n_pages_max) * sizeof *pages);
    account(graph, more);
    graph->pages = pages;
    graph->n_pages_max = n;
    return TG_OK;
}

/* A page for the ids from n_added on. */
static enum tg_status add_page(struct tg_graph *graph)
{
    uint64_t index = graph->n_added / TG_PAGE_TASKS;
    if (index == graph->n_pages_max) TG_TRY(grow_table(graph));
    if (!graph->free_pages) reclaim(graph);
    struct tg_page *page = graph->free_pages;
    if (page) {
        graph->free_pages = page->next;
    } else {
        if (!make_room(graph, sizeof *page)) return out_of_memory(graph, sizeof *page);
        page = aligned_alloc(alignof(struct tg_page), sizeof *page);
        if (!page) return out_of_memory(graph, sizeof *page);
        memset(&page->arena, 0, sizeof page->arena);
        account(graph, sizeof *page);
    }
    atomic_init(&page->n_left, TG_PAGE_TASKS);
    page->index = index;
    page->next = NULL;
    graph->pages[index] = page;
    return TG_OK;
}

/* A completer on another core owns the cache lines of the page's former tasks: prefetch the lines of the next tasks. */
static void prefetch_ahead(struct tg_page *page, uint32_t slot)
{
    enum { AHEAD = 4, LINE_BYTES = 64 };
    if (slot + AHEAD >= TG_PAGE_TASKS) return;
    const char *next = (const char *)&page->tasks[slot + AHEAD];
    for (size_t at = 0; at < sizeof(struct tg_task); at += LINE_BYTES) tg_prefetch_write(next + at);
}

enum tg_status tg_graph_add(struct tg_graph *graph, const struct tg_task_spec *spec, int32_t *id)
{
    if (graph->n_added >= INT32_MAX) return tg_error(TG_ERR_MEMORY, "a graph has at most %d tasks", INT32_MAX);
    uint32_t slot = (uint32_t)(graph->n_added % TG_PAGE_TASKS);
    uint64_t index = graph->n_added / TG_PAGE_TASKS;
    if (index >= graph->n_pages_max || !graph->pages[index]) TG_TRY(add_page(graph));
    struct tg_page *page = graph->pages[index];
    if (!graph->alone) prefetch_ahead(page, slot);

    struct tg_task *task = &page->tasks[slot];
    uint64_t *args = task->inline_args;
    if (spec->n_args > TG_INLINE_ARGS) {
        args = page_alloc(graph, page, spec->n_args * sizeof *args);
        if (!args) return out_of_memory(graph, spec->n_args * sizeof *args);
    }
    memset(task->inline_args, 0, sizeof task->inline_args);
    for (uint32_t i = 0; i < spec->n_args; i++) args[i] = spec->args[i];
    task->id = (int32_t)graph->n_added;
    task->n_args = (uint16_t)spec->n_args;
    task->args = args;
    task->kernel = spec->kernel;
    task->file = spec->file;
    task->line = spec->line;
    task->n_inline_edges = 0;
    task->published = false;
    task->next_ready = NULL;
    task->n_waits = 0;
    task->oldest_ready = UINT32_MAX; /* no predecessor yet */
    atomic_init(&task->pending, UNPUBLISHED);
    atomic_init(&task->successors, NULL);
    graph->n_added++;
    *id = task->id;
    return TG_OK;
}

/* The task. NULL: retired. `id` was added. */
static struct tg_task *task_at(const struct tg_graph *graph, int64_t id)
{
    struct tg_page *page = graph->pages[(uint64_t)id / TG_PAGE_TASKS];
    return page ? &page->tasks[(uint64_t)id % TG_PAGE_TASKS] : NULL;
}

static bool added(const struct tg_graph *graph, int64_t id) { return id >= 0 && (uint64_t)id < graph->n_added; }

static enum tg_status check_edge(const struct tg_graph *graph, int64_t from, int64_t to)
{
    char text[256];
    long long a = from, b = to;
    if (!added(graph, from) || !added(graph, to))
        return tg_error(TG_ERR_EDGE, "edge %lld -> %lld: there is no task %lld; %llu tasks were added", a, b,
                        added(graph, from) ? b : a, (unsigned long long)graph->n_added);
    const struct tg_task *task = task_at(graph, to);
    if (from == to)
        return tg_error(TG_ERR_EDGE, "edge %lld -> %lld: %s cannot wait for itself", a, b,
                        task ? tg_task_describe(task, text, sizeof text) : "a task");
    if (!task) return tg_error(TG_ERR_EDGE, "edge %lld -> %lld: task %lld is published and complete already", a, b, b);
    if (task->published)
        return tg_error(TG_ERR_EDGE, "edge %lld -> %lld: %s is published already", a, b,
                        tg_task_describe(task, text, sizeof text));
    return TG_OK;
}

static struct tg_edge *edge_new(struct tg_graph *graph, struct tg_task *to)
{
    if (to->n_inline_edges < TG_INLINE_EDGES) return &to->edges[to->n_inline_edges++];
    return page_alloc(graph, graph->pages[(uint64_t)to->id / TG_PAGE_TASKS], sizeof(struct tg_edge));
}

void tg_graph_keep_ready(struct tg_graph *graph) { graph->handed_out = 0; }

void tg_graph_hand_out(struct tg_graph *graph, const struct tg_task *task)
{
    if (task->oldest_ready > graph->handed_out) graph->handed_out = task->oldest_ready;
}

/* Can only the builder's thread reach this published task? */
static bool is_private(const struct tg_graph *graph, const struct tg_task *task)
{
    return task->oldest_ready > graph->handed_out;
}

/* Push an edge on a task's successors. false: the task is complete. */
static bool push(const struct tg_graph *graph, struct tg_task *from, struct tg_edge *edge)
{
    /* Acquire, as on failure of the exchange below. */
    struct tg_edge *head = atomic_load_explicit(&from->successors, memory_order_acquire);
    if (head == &closed) return false;
    if (graph->alone || !from->published || is_private(graph, from)) {
        /* No other thread completes `from` now. Relaxed: publishing `from`, or handing it out, publishes the edge
         * later. */
        edge->next = head;
        atomic_store_explicit(&from->successors, edge, memory_order_relaxed);
        return true;
    }
    do {
        if (head == &closed) return false;
        edge->next = head;
        /* Release, pairs with the exchange in tg_graph_complete: the completer sees the edge. Acquire on failure:
         * `closed` means complete, so the task's outputs are visible. */
    } while (!atomic_compare_exchange_weak_explicit(&from->successors, &head, edge, memory_order_release,
                                                    memory_order_acquire));
    return true;
}

enum tg_status tg_graph_edge(struct tg_graph *graph, int64_t from, int64_t to)
{
    TG_TRY(check_edge(graph, from, to));
    struct tg_task *source = task_at(graph, from), *target = task_at(graph, to);
    /* Acquire, pairs with the exchange in tg_graph_complete: the outputs of a complete source are visible. */
    if (source && atomic_load_explicit(&source->successors, memory_order_acquire) != &closed) {
        if (target->n_waits == UNPUBLISHED - 1)
            return tg_error(TG_ERR_MEMORY, "edge %lld -> %lld: a task waits for at most %u edges", (long long)from,
                            (long long)to, UNPUBLISHED - 1);
        struct tg_edge *edge = edge_new(graph, target);
        if (!edge) return out_of_memory(graph, sizeof *edge);
        edge->to = target;
        if (push(graph, source, edge)) {
            const uint32_t oldest_ready = source->published ? source->oldest_ready : 0;
            if (oldest_ready < target->oldest_ready) target->oldest_ready = oldest_ready;
            target->n_waits++;
            graph->n_waits++;
        }
    }
    graph->n_edges++;
    return TG_OK;
}

/* Remove one edge from pending. true: it was the last one, and the task is published. */
static bool release(const struct tg_graph *graph, struct tg_task *task)
{
    if (graph->alone) {
        const uint32_t left = atomic_load_explicit(&task->pending, memory_order_relaxed) - 1; /* one thread */
        atomic_store_explicit(&task->pending, left, memory_order_relaxed);
        return left == 0;
    }
    /* Release: this side's writes are visible to the thread that runs the task. Acquire: the thread that makes the last
     * decrement sees the writes of all others. */
    return atomic_fetch_sub_explicit(&task->pending, 1, memory_order_acq_rel) == 1;
}

/* true: the task has no incomplete predecessor. */
static bool open_task(struct tg_graph *graph, struct tg_task *task)
{
    const uint32_t change = task->n_waits - UNPUBLISHED;
    if (task->n_waits == 0) task->oldest_ready = ++graph->n_ready_numbered;
    if (graph->alone || task->n_waits == 0 || is_private(graph, task)) {
        /* Relaxed: one thread, or no other thread can reach the task. */
        const uint32_t left = atomic_load_explicit(&task->pending, memory_order_relaxed) + change;
        atomic_store_explicit(&task->pending, left, memory_order_relaxed);
        return left == 0;
    }
    /* As in release(): both sides of it. */
    return atomic_fetch_add_explicit(&task->pending, change, memory_order_acq_rel) + change == 0;
}

static struct tg_task *publish(struct tg_graph *graph, struct tg_task *task)
{
    task->published = true;
    const uint64_t n = atomic_load_explicit(&graph->n_published, memory_order_relaxed); /* own counter */
    atomic_store_explicit(&graph->n_published, n + 1, memory_order_relaxed);
    return open_task(graph, task) ? task : NULL;
}

enum tg_status tg_graph_publish(struct tg_graph *graph, int64_t id, struct tg_task **ready)
{
    long long n = id;
    char text[256];
    if (!added(graph, id))
        return tg_error(TG_ERR_PUBLISH, "publish %lld: there is no such task; %llu tasks were added", n,
                        (unsigned long long)graph->n_added);
    struct tg_task *task = task_at(graph, id);
    if (!task) return tg_error(TG_ERR_PUBLISH, "publish %lld: the task was published and is complete", n);
    if (task->published)
        return tg_error(TG_ERR_PUBLISH, "publish %lld: %s was published before", n,
                        tg_task_describe(task, text, sizeof text));
    *ready = publish(graph, task);
    return TG_OK;
}

void tg_graph_publish_all(struct tg_graph *graph, struct tg_task **ready)
{
    struct tg_task *first = NULL, **last = &first;
    for (uint64_t id = 0; id < graph->n_added; id++) {
        struct tg_task *task = task_at(graph, (int64_t)id);
        if (!task || task->published || !publish(graph, task)) continue;
        *last = task;
        last = &task->next_ready;
    }
    *last = NULL;
    *ready = first;
}

bool tg_graph_is_complete(struct tg_graph *graph, int64_t id)
{
    if (!added(graph, id)) return false;
    struct tg_task *task = task_at(graph, id);
    return !task || atomic_load(&task->successors) == &closed; /* sequentially consistent: see tg_graph_n_complete */
}

uint64_t tg_graph_in_flight(struct tg_graph *graph)
{
    uint64_t complete = tg_graph_n_complete(graph);
    return atomic_load_explicit(&graph->n_published, memory_order_relaxed) - complete;
}

/* n more tasks of the page are complete; with the last one the page returns to the builder. */
static void retire(struct tg_graph *graph, struct tg_page *page, uint32_t n)
{
    /* Acquire-release: the last completer's push happens after all completers' uses, before the builder's reuse. */
    if (atomic_fetch_sub_explicit(&page->n_left, n, memory_order_acq_rel) != n) return;
    struct tg_page *head = atomic_load_explicit(&graph->retired_pages, memory_order_relaxed);
    do page->next = head;
    /* Release, pairs with reclaim(). */
    while (!atomic_compare_exchange_weak_explicit(&graph->retired_pages, &head, page, memory_order_release,
                                                  memory_order_relaxed));
}

void tg_graph_count(struct tg_graph *graph, struct tg_uncounted *uncounted)
{
    if (uncounted->n == 0) return;
    if (!graph->keep) retire(graph, uncounted->page, uncounted->n);
    /* Release, pairs with tg_graph_n_complete: a thread that reads the last count sees all outputs, because the
     * additions form one release sequence. Sequentially consistent for the reads of sleepers that follow. */
    atomic_fetch_add(&graph->n_complete, uncounted->n);
    uncounted->n = 0;
}

static struct tg_page *page_of(struct tg_task *task)
{
    struct tg_task *first = task - (uint32_t)task->id % TG_PAGE_TASKS;
    return (struct tg_page *)(void *)first;
}
_Static_assert(offsetof(struct tg_page, tasks) == 0, "page_of finds the page by its first task");

/* Close a task's list of successors and take it. */
static struct tg_edge *close_successors(const struct tg_graph *graph, struct tg_task *task)
{
    if (graph->keep) {
        /* Relaxed: all edges existed before the first task ran, and the next decrement belongs to the next replay. */
        atomic_store_explicit(&task->pending, task->n_waits, memory_order_relaxed);
        return atomic_load_explicit(&task->successors, memory_order_relaxed);
    }
    if (graph->alone) {
        struct tg_edge *edge = atomic_load_explicit(&task->successors, memory_order_relaxed); /* one thread */
        atomic_store_explicit(&task->successors, &closed, memory_order_relaxed);
        return edge;
    }
    /* Acquire, pairs with push(): edges and their targets are visible. Release: a thread that finds the list closed
     * sees the task's writes. Sequentially consistent for the reads of sleepers that follow. */
    return atomic_exchange(&task->successors, &closed);
}

void tg_graph_expect_complete(const struct tg_graph *graph, const struct tg_task *task)
{
    if (graph->alone) return;
    /* Acquire, pairs with push(): the edge is visible. Its target waits for this task, so the target still exists. */
    const struct tg_edge *edge = atomic_load_explicit(&task->successors, memory_order_acquire);
    if (edge) tg_prefetch_write(edge->to);
}

struct tg_task *tg_graph_complete(struct tg_graph *graph, struct tg_task *task, struct tg_uncounted *uncounted)
{
    struct tg_page *page = page_of(task);
    struct tg_edge *edge = close_successors(graph, task);
    struct tg_task *ready = NULL;
    /* The newest edge comes first, so pushing in front restores the order of adding. */
    for (struct tg_edge *next; edge; edge = next) {
        next = edge->next; /* the edge belongs to its target, which may run and retire once it is released */
        struct tg_task *to = edge->to;
        if (!release(graph, to)) continue;
        to->next_ready = ready;
        ready = to;
    }
    if (uncounted->page != page) tg_graph_count(graph, uncounted);
    uncounted->page = page;
    if (++uncounted->n >= uncounted->limit) tg_graph_count(graph, uncounted);
    return ready;
}

struct tg_task *tg_graph_find(struct tg_graph *graph, int64_t id)
{
    return added(graph, id) ? task_at(graph, id) : NULL;
}

bool tg_graph_set_arg(struct tg_graph *graph, int64_t id, uint32_t index, uint64_t value)
{
    struct tg_task *task = tg_graph_find(graph, id);
    if (!task || index >= task->n_args) return false;
    uint64_t *args = (uint64_t *)(uintptr_t)task->args; /* in the page, which the graph owns */
    args[index] = value;
    return true;
}

void tg_graph_rewind(struct tg_graph *graph, struct tg_task **ready)
{
    struct tg_task *first = NULL, **last = &first;
    for (uint64_t id = 0; id < graph->n_added; id++) {
        struct tg_task *task = task_at(graph, (int64_t)id);
        if (task->n_waits > 0) continue;
        *last = task;
        last = &task->next_ready;
    }
    *last = NULL;
    *ready = first;
    /* Relaxed: no task runs. */
    atomic_store_explicit(&graph->n_complete, 0, memory_order_relaxed);
}

void tg_graph_each_incomplete(struct tg_graph *graph, tg_graph_visit_fn *visit, void *context)
{
    for (uint64_t index = 0; index * TG_PAGE_TASKS < graph->n_added; index++) {
        struct tg_page *page = graph->pages[index];
        if (!page) continue;
        uint64_t n = graph->n_added - index * TG_PAGE_TASKS;
        for (uint64_t i = 0; i < n && i < TG_PAGE_TASKS; i++)
            if (tg_task_successors(&page->tasks[i]) != &closed) visit(context, &page->tasks[i]);
    }
}

static int by_address(const void *left, const void *right)
{
    const struct tg_task *const *a = left, *const *b = right;
    return (*a > *b) - (*a < *b);
}

uint64_t tg_task_n_waiting(struct tg_task *task)
{
    uint64_t n_edges = 0, n = 0;
    for (const struct tg_edge *edge = tg_task_successors(task); edge; edge = edge->next) n_edges++;
    const struct tg_task **targets = malloc((n_edges + 1) * sizeof *targets);
    if (!targets) return 0;
    for (const struct tg_edge *edge = tg_task_successors(task); edge && n < n_edges; edge = edge->next)
        targets[n++] = edge->to;
    qsort(targets, n, sizeof *targets, by_address);
    uint64_t n_tasks = 0;
    for (uint64_t i = 0; i < n; i++) n_tasks += i == 0 || targets[i] != targets[i - 1];
    free(targets);
    return n_tasks;
}

const char *tg_task_describe(const struct tg_task *task, char *text, size_t n_bytes)
{
    const char *kernel = task->kernel ? task->kernel->name : "no kernel";
    if (task->file)
        snprintf(text, n_bytes, "task %d (%s, %s:%d)", task->id, kernel, tg_base_name(task->file), task->line);
    else snprintf(text, n_bytes, "task %d (%s)", task->id, kernel);
    return text;
}
