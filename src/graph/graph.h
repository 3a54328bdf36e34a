/*
 * graph.h - tasks and the edges between them, built and finished at the same time.
 *
 * One builder adds, links and publishes tasks; any number of completers finish them. This file has no threads and no
 * policy: others decide where and when a task runs.
 *
 *     builder                                   completer
 *     add         pending = U                                                  (U: not published, more than all edges)
 *     edge a->b   push on a.successors   - - -> complete a: take a.successors, close the list,
 *                 (closed: a is complete)                   each b: b.pending -= 1; 0: b is ready
 *                 b.n_waits += 1
 *     publish b   b.pending += b.n_waits - U; 0: b is ready
 *
 * Exactly one of these operations brings pending to 0; its caller gets the task to run. Before a task without
 * predecessors is published, only the builder can reach it. So no atomic operation publishes it: handing it over does.
 *
 * A task that no other thread can reach needs no atomic operations; it is private. The builder may keep ready tasks to
 * itself for a while. They are private, and so are tasks all of whose unfinished predecessors are private.
 *
 * Ready tasks are numbered in the order of their publication. A task's oldest_ready is the smallest number among the
 * ready tasks that it depends on, directly or through others. Handing out a ready task ends the privacy of all tasks up
 * to its own number.
 *
 * Memory: a page holds 64 tasks and an arena for their longer parts: many arguments, many edges. The page of b holds an
 * edge a->b: the edge is used last when a completes, which happens before b runs. A page is retired when all its tasks
 * are complete: it returns to the builder. Only the builder looks tasks up by id, so only the builder may reuse the
 * page. An id without a page is complete.
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
    _Atomic uint32_t pending; /* incomplete predecessors, counted by edges. Before publication: U
                                                         minus the edges whose source is complete */
    /* Writer: the builder, until the task is ready. */
    int32_t id;
    const struct tg_kernel *kernel;
    const uint64_t *args; /* inline_args, or in the page's arena */
    const char *file;     /* where it was added; NULL: unknown */
    int32_t line;
    uint32_t n_waits; /* edges into this task that were pushed on a list of successors */
    uint16_t n_args;
    uint8_t n_inline_edges; /* used entries of edges[] */
    bool published;
    uint32_t oldest_ready; /* 0: unknown, or no longer private */
    /* Writer: the owner of the task while it is ready. */
    struct tg_task *next_ready;
    struct tg_edge edges[TG_INLINE_EDGES]; /* into this task. Writer: the builder, until they are pushed */
    uint64_t ready_ns;                     /* when it became ready */
    uint64_t dispatched_ns;                /* when a core got it */
    uint64_t inline_args[TG_INLINE_ARGS];  /* followed by zeros */
};
_Static_assert(sizeof(struct tg_task) == 192, "a task is three cache lines: what runs it, its edges, its arguments");

struct tg_page;

struct tg_graph {
    /* Written before another thread sees the graph. It has its own cache line, because every thread reads it often. */
    alignas(64) bool alone; /* one thread builds and completes: no operation needs to be atomic */
    bool keep;              /* no page is retired: the graph can be rewound. It is built before the first task runs */
    /* Writer: the builder. */
    alignas(64) struct tg_page **pages; /* [n_pages_max] by id / TG_PAGE_TASKS; NULL: retired */
    uint64_t n_pages_max;
    uint64_t n_added, n_edges;
    uint64_t n_waits;          /* edges from incomplete tasks: they take memory, so the limit bounds their number */
    uint32_t n_ready_numbered; /* tasks that were ready when they were published */
    uint32_t handed_out;       /* tasks whose oldest_ready is at most this are not private */
    struct tg_page *free_pages;
    char *names;                             /* file names of tasks that were read from an image, owned; or NULL */
    uint64_t bytes, peak_bytes, limit_bytes; /* host memory of pages, arenas and the table */
    _Atomic uint64_t n_published;            /* writer: the builder. Relaxed: a count, which publishes no data. */
    /* Writers: completers. */
    alignas(64) _Atomic uint64_t n_complete; /* a thread that reads the last count sees all outputs */
    _Atomic(struct tg_page *) retired_pages; /* stack, taken as a whole by the builder */
};

/* The description of a task. Pointers are borrowed: args for the call, the others until the graph ends. */
struct tg_task_spec {
    const uint64_t *args;
    uint32_t n_args;
    const struct tg_kernel *kernel;
    const char *file;
    int32_t line;
};

/* limit_bytes: limit of the graph's host memory, give or take one arena block. */
void tg_graph_init(struct tg_graph *graph, uint64_t limit_bytes);
void tg_graph_fini(struct tg_graph *graph);

/* ---- the builder ---- */

/* Add a task; its id is *id. TG_ERR_MEMORY: limit_bytes reached or no memory; nothing was added. */
enum tg_status tg_graph_add(struct tg_graph *graph, const struct tg_task_spec *spec, int32_t *id);

/* Let `to` wait for `from` unless that is complete. TG_ERR_EDGE: unknown, equal, or `to` is published. TG_ERR_MEMORY.
 */
enum tg_status tg_graph_edge(struct tg_graph *graph, int64_t from, int64_t to);

/* Let the builder keep ready tasks to itself until it hands them out. Without this call published tasks are visible to
 * all threads at once. Call it before the first task. */
void tg_graph_keep_ready(struct tg_graph *graph);

/* The builder is about to make a ready task visible to other threads: call this on its thread, before. Tasks that
 * become ready on that thread need the call, too. A task that becomes ready elsewhere was handed out with its
 * predecessor. */
void tg_graph_hand_out(struct tg_graph *graph, const struct tg_task *task);

/* Publish. *ready is the task if it can run now, else NULL. TG_ERR_PUBLISH: unknown, or published before. */
enum tg_status tg_graph_publish(struct tg_graph *graph, int64_t id, struct tg_task **ready);

/* Publish all unpublished tasks. *ready: a list by next_ready of those that can run now. */
void tg_graph_publish_all(struct tg_graph *graph, struct tg_task **ready);

/* Is task `id` complete? Its outputs are visible then. Builder only. */
bool tg_graph_is_complete(struct tg_graph *graph, int64_t id);

/* The task of that id. NULL: no such task, or retired. Builder only. */
struct tg_task *tg_graph_find(struct tg_graph *graph, int64_t id);

/* Set argument `index` of a task. For a kept graph, while no task runs. false: there is no such argument. */
bool tg_graph_set_arg(struct tg_graph *graph, int64_t id, uint32_t index, uint64_t value);

/* Make all tasks of a kept graph incomplete again; all of them are complete. *ready: a list by next_ready of those that
 * can run. */
void tg_graph_rewind(struct tg_graph *graph, struct tg_task **ready);

/* Published tasks that are not complete, or whose completion is not counted yet. */
uint64_t tg_graph_in_flight(struct tg_graph *graph);

/* ---- completers ---- */

/* Completions that one completer has not counted in the graph yet. All completers write the graph's counter; counting
 * several at once moves its cache line less often. Zero is empty. */
struct tg_uncounted {
    struct tg_page *page; /* of all these completions */
    uint32_t n;
    uint32_t limit; /* counted in the graph at this number; 0: at 1 */
};

/* Task `task` has run. Returns the tasks that became ready, a list by next_ready in the order of their edges. `task`
 * may be freed once its completion is counted: on return, or at the next tg_graph_count if `uncounted` holds it. */
struct tg_task *tg_graph_complete(struct tg_graph *graph, struct tg_task *task, struct tg_uncounted *uncounted);

/* `task` is about to run: prefetch the first line that its completion writes. Another thread may own that line now. */
void tg_graph_expect_complete(const struct tg_graph *graph, const struct tg_task *task);

/* Count these completions in the graph. */
void tg_graph_count(struct tg_graph *graph, struct tg_uncounted *uncounted);

/* Sequentially consistent, like completing and counting. A sleeper first announces its sleep, then reads the
 * completions. A completer first completes, then reads the sleepers (worker/work.c). So at least one of them sees the
 * other (store buffering). */
static inline uint64_t tg_graph_n_complete(struct tg_graph *graph)
{
    /* Acquire, pairs with the addition in tg_graph_count. */
    return atomic_load(&graph->n_complete);
}

/* ---- when no thread builds or completes ---- */

/* Call visit(task) for every task that is not complete, by id. */
typedef void tg_graph_visit_fn(void *context, struct tg_task *task);
void tg_graph_each_incomplete(struct tg_graph *graph, tg_graph_visit_fn *visit, void *context);

/* The first task that waits for `task`, and the next one after `edge`; NULL at the end. `task` is not complete. */
static inline struct tg_edge *tg_task_successors(struct tg_task *task)
{
    return atomic_load_explicit(&task->successors, memory_order_acquire);
}

/* The number of tasks that wait for `task`, which is not complete. A task counts once, however many edges lead to it.
 * Tasks that a builder adds during the call may or may not count. 0 when memory for the count runs out. */
uint64_t tg_task_n_waiting(struct tg_task *task);

/* "task 7 (aic_qk_matmul, orchestration.c:120)", cut to n_bytes. Returns text. */
const char *tg_task_describe(const struct tg_task *task, char *text, size_t n_bytes);

#endif
