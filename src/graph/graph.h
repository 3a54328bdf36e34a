/*
 * graph.h - tasks and the edges between them, built and finished at the same time.
 *
 * One builder adds, links and publishes; any number of completers finish tasks. No threads and no policy here: who
 * runs what and where is decided elsewhere.
 *
 *     builder                                   completer
 *     add         pending = U                                                  (U: not published, more than all edges)
 *     edge a->b   push on a.successors   - - -> complete a: take a.successors, close the list,
 *                 (closed: a is complete)                   each b: b.pending -= 1; 0: b is ready
 *                 b.n_waits += 1
 *     publish b   b.pending += b.n_waits - U; 0: b is ready
 *
 * Exactly one of these brings pending to 0, and who makes it gets the task to run. A task that waits for nothing is
 * seen by nobody before it is published, so no atomic operation publishes it: handing it over does.
 *
 * What nobody else can reach needs no atomic operation. A builder may keep tasks that are ready to itself for a while: they,
 * and what waits for such tasks alone, are private. A task's root is the number of the ready task that it waits for, over
 * other tasks or directly, and of several the first; handing out a ready task ends the privacy of all roots up to its own.
 *
 * Memory: tasks stand in pages of 64 with an arena a page for what they have no room for themselves: many arguments, many
 * edges. An edge a->b lives with b: it is
 * used last when a completes, which is before b runs. A page whose tasks are all complete is retired: it goes back to
 * the builder, who alone looks tasks up by id and therefore alone may reuse them. An id without a page is complete.
 */
#ifndef TG_GRAPH_GRAPH_H
#define TG_GRAPH_GRAPH_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/kernels.h"

enum { TG_INLINE_EDGES = 3, TG_INLINE_ARGS = 8, TG_PAGE_TASKS = 64 };

struct tg_task;

/* An entry of `from`'s successors. Writer: the builder, before it is pushed. */
struct tg_edge {
    struct tg_edge *next;
    struct tg_task *to;
};

struct tg_task {
    /* Writers: builder and completers. */
    alignas(64) _Atomic(struct tg_edge *) successors; /* closed (see graph.c) once the task is complete */
    _Atomic uint32_t pending;                         /* edges whose source is not complete; before it is published: U
                                                         less those of its edges whose source is complete */
    /* Writer: the builder, until the task is ready. */
    int32_t id;
    const struct tg_kernel *kernel;
    const uint64_t *args; /* inline_args, or in the page's arena */
    const char *file;     /* where it was added; NULL: not known */
    int32_t line;
    uint32_t n_waits; /* edges into this task that were pushed */
    uint16_t n_args;
    uint8_t n_inline_edges; /* of edges[] in use */
    bool published;
    uint32_t root; /* 0: not known, or not private any more */
    /* Writer: whoever holds the task while it is ready. */
    struct tg_task *next_ready;
    struct tg_edge edges[TG_INLINE_EDGES]; /* into this task. Writer: the builder, until they are pushed */
    uint64_t ready_ns;                     /* when it became ready */
    uint64_t dispatched_ns;                /* when it was given to a core */
    uint64_t inline_args[TG_INLINE_ARGS];  /* zeros behind the task's */
};
_Static_assert(sizeof(struct tg_task) == 192, "a task is three cache lines: what runs it, its edges, its arguments");

struct tg_page;

struct tg_graph {
    /* Written before anybody else sees the graph. A line of its own: everybody reads it all the time. */
    alignas(64) bool alone; /* the builder is also the only completer, on one thread: nothing has to be atomic */
    bool keep;              /* nothing is retired: the graph can be rewound. It is built before the first task runs */
    /* Writer: the builder. */
    alignas(64) struct tg_page **pages; /* [n_pages_max] by id / TG_PAGE_TASKS; NULL: retired */
    uint64_t n_pages_max;
    uint64_t n_added, n_edges;
    uint64_t n_waits;    /* edges that were not from a complete task: they take memory, so there is an end to them */
    uint32_t n_roots;    /* tasks that were ready when they were published */
    uint32_t handed_out; /* roots up to this one are not private */
    struct tg_page *free_pages;
    uint64_t bytes, peak_bytes, limit_bytes; /* host memory of pages, arenas and the table */
    _Atomic uint64_t n_published;            /* writer: the builder. Relaxed: a count, it publishes nothing. */
    /* Writers: completers. */
    alignas(64) _Atomic uint64_t n_complete; /* who sees the last one sees all outputs */
    _Atomic(struct tg_page *) retired_pages; /* stack, taken as a whole by the builder */
};

/* What a task is. Pointers are borrowed: args for the call, the others until the graph ends. */
struct tg_task_spec {
    const uint64_t *args;
    uint32_t n_args;
    const struct tg_kernel *kernel;
    const char *file;
    int32_t line;
};

/* limit_bytes: host memory that the graph may take, give or take one arena block. */
void tg_graph_init(struct tg_graph *graph, uint64_t limit_bytes);
void tg_graph_fini(struct tg_graph *graph);

/* ---- the builder ---- */

/* Add a task; its id is *id. TG_ERR_MEMORY: limit_bytes reached or no memory; nothing was added. */
enum tg_status tg_graph_add(struct tg_graph *graph, const struct tg_task_spec *spec, int32_t *id);

/* Let `to` wait for `from` unless that is complete. TG_ERR_EDGE: unknown, equal, or `to` is published. TG_ERR_MEMORY. */
enum tg_status tg_graph_edge(struct tg_graph *graph, int64_t from, int64_t to);

/* The builder keeps ready tasks to itself until it hands them out. Without this call everybody may have what is published.
 * Before the first task. */
void tg_graph_keep_ready(struct tg_graph *graph);

/* Others are about to see a ready task: on the builder's thread, before they do. What becomes ready on that thread counts,
 * too; what becomes ready elsewhere was handed out with what it waited for. */
void tg_graph_hand_out(struct tg_graph *graph, const struct tg_task *task);

/* Publish. *ready is the task if it can run now, else NULL. TG_ERR_PUBLISH: unknown, or published before. */
enum tg_status tg_graph_publish(struct tg_graph *graph, int64_t id, struct tg_task **ready);

/* Publish what is not published yet. *ready: a list by next_ready of those that can run now. */
void tg_graph_publish_all(struct tg_graph *graph, struct tg_task **ready);

/* Is task `id` complete? Its outputs are visible then. Builder only. */
bool tg_graph_is_complete(struct tg_graph *graph, int64_t id);

/* The task of that id, NULL: there is none, or it was retired. Builder only. */
struct tg_task *tg_graph_find(struct tg_graph *graph, int64_t id);

/* Give argument `index` of a task, which has it, another value. Of a kept graph, while nobody runs. */
void tg_graph_set_arg(struct tg_graph *graph, int64_t id, uint32_t index, uint64_t value);

/* Let all tasks of a kept graph, all of them complete, be incomplete again. *ready: a list by next_ready of those that
 * can run. */
void tg_graph_rewind(struct tg_graph *graph, struct tg_task **ready);

/* Published tasks that are not complete, or not yet counted as such. */
uint64_t tg_graph_in_flight(struct tg_graph *graph);

/* ---- completers ---- */

/* Completions that one completer has not yet counted in the graph, so that a line which all of them write changes hands
 * once for many. Zero is empty. */
struct tg_tally {
    struct tg_page *page; /* that they are of */
    uint32_t n;
    uint32_t limit; /* counted at the latest with that many; 0: with 1 */
};

/* Task `task` has run. Returns the tasks that became ready, a list by next_ready in the order of their edges. `task` may
 * be gone once its completion is counted: when this returns, or at the next tg_graph_settle if it is in the tally. */
struct tg_task *tg_graph_complete(struct tg_graph *graph, struct tg_task *task, struct tg_tally *tally);

/* `task` is about to run: fetch what completing it is going to write first, which another thread may have, meanwhile. */
void tg_graph_expect_complete(const struct tg_graph *graph, const struct tg_task *task);

/* Count what is in the tally. */
void tg_graph_settle(struct tg_graph *graph, struct tg_tally *tally);

/* Sequentially consistent, as completing and settling are: who first says that he sleeps, and then looks at what is complete,
 * is seen by who completes first and then looks for sleepers (worker/work.c); or sees the completion. */
static inline uint64_t tg_graph_n_complete(struct tg_graph *graph)
{
    /* Acquires what the addition in tg_graph_settle releases. */
    return atomic_load(&graph->n_complete);
}

/* ---- when nobody builds or completes ---- */

/* Call visit(task) for every task that is not complete, by id. */
typedef void tg_graph_visit_fn(void *context, struct tg_task *task);
void tg_graph_each_incomplete(struct tg_graph *graph, tg_graph_visit_fn *visit, void *context);

/* The first task that waits for `task`, and the next one after `edge`; NULL at the end. `task` is not complete. */
static inline struct tg_edge *tg_task_successors(struct tg_task *task)
{
    return atomic_load_explicit(&task->successors, memory_order_acquire);
}

/* How many tasks wait for a task that is not complete: each counts once, however many edges lead to it. What a builder adds
 * meanwhile may be counted. 0 where there is no memory to count them. */
uint64_t tg_task_n_waiting(struct tg_task *task);

/* "task 7 (aic_qk_matmul, orchestration.c:120)", cut to n_bytes. Returns text. */
const char *tg_task_describe(const struct tg_task *task, char *text, size_t n_bytes);

#endif
