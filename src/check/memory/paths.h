/*
 * paths.h - happens-before in every schedule: the order that edges make, and no other order.
 *
 * Two kinds of actors access device memory: tasks, and the builder. Its publications and waits divide the builder's
 * life into intervals.
 *
 *     builder   [interval 0] publish 0 [interval 1] publish 1 ........ wait 0 [interval 2] publish 2
 *                                 \                 |                /    \                    \
 *     tasks                        +--> task 0 -----|---- edge -----+-------\-- edge --> task 2
 *                                                   +--> task 1               \____________/
 *
 * An interval is before every task that is published after it, and before the successors of these tasks. A task that
 * the builder has waited for, and all its predecessors, are before the later intervals and the tasks that these
 * publish. A full window, polling and the time of a run do not order anything.
 *
 * A task starts after all its predecessors, so the number of its start is a topological order. When the question comes,
 * the number is known: does a path from the earlier actor lead to the later one? The search goes backwards from the
 * later actor, latest start first, and stops at the start of the earlier one.
 *
 * The search is kept while the later actor stays the same. So many questions about one task cost one walk over its
 * predecessors. Long chains are skipped: every task knows its predecessor that started last, and can jump over many of
 * these at once (E. Myers, "An applicative random-access stack", Information Processing Letters 17, 1983).
 *
 * Memory    36 bytes a task and 8 an edge, and the spare room of growing arrays, at most half of that.
 * Threads   one at a time.
 */
#ifndef TG_CHECK_MEMORY_PATHS_H
#define TG_CHECK_MEMORY_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An actor: a task's id, or ~n for the builder's interval n. */
typedef int32_t tg_who;

#define TG_NOBODY INT32_MIN /* before everything: the host, before the run */

static inline bool tg_who_is_task(tg_who who) { return who >= 0; }

struct tg_path_node {
    uint32_t start;    /* number of its start, from 1; 0: not started */
    uint32_t mark;     /* the search that found it */
    int32_t edges;     /* into it: index + 1 of the newest; 0: no edge */
    int32_t parent;    /* the predecessor that started last; TG_NOBODY: no predecessor */
    int32_t jump;      /* an ancestor along parents */
    uint32_t depth;    /* number of parents above it */
    int32_t interval;  /* the builder's newest interval that is before it; -1: no interval */
    int32_t published; /* the newest interval before its own publication; -1: no interval */
    uint32_t counted;  /* the search in which tg_paths_count counted it */
};

struct tg_path_edge {
    int32_t from; /* task id, or ~n: wait n of the builder */
    int32_t next; /* index + 1 of another edge into the same task */
};

struct tg_paths_nodes {
    struct tg_path_node *items; /* [n] */
    size_t n, capacity;
};

enum { TG_PATHS_PROVEN = 1024 };

struct tg_paths {
    bool build_first;            /* no task runs before the end of building: all intervals are before all tasks */
    struct tg_paths_nodes tasks; /* by id */
    struct tg_paths_nodes waits; /* of the builder, one after the other */
    struct tg_path_edge *edges;
    size_t n_edges, edges_max;
    uint32_t n_started; /* tasks and waits */
    int32_t interval;   /* the builder's present one */
    bool touched;       /* it has touched memory in this interval */
    /* The search: the nodes found so far that are before `later`. */
    tg_who later;
    bool has_later;
    uint32_t search;
    uint64_t *frontier; /* [n_frontier] heap: start in the high half, node in the low */
    size_t n_frontier, frontier_max;
    struct {
        int32_t earlier, later;
    } proven[TG_PATHS_PROVEN]; /* pairs that took a long search, by hash */
    bool lost;                 /* memory ran out: all answers are "yes" from then on */
};

void tg_paths_init(struct tg_paths *paths, bool build_first);
void tg_paths_fini(struct tg_paths *paths);

/* ---- events, in their order ---- */

void tg_paths_add(struct tg_paths *paths, int32_t task_id); /* ids count from 0 */
void tg_paths_edge(struct tg_paths *paths, int32_t from, int32_t to);
void tg_paths_publish(struct tg_paths *paths, int32_t task_id);

/* The builder has waited until `task_id` was complete. */
void tg_paths_wait(struct tg_paths *paths, int32_t task_id);

/* The task starts on a core. All its predecessors are complete. */
void tg_paths_start(struct tg_paths *paths, int32_t task_id);

/* The builder accesses memory: returns the actor. */
tg_who tg_paths_builder(struct tg_paths *paths);

/* Host memory of the paths. */
uint64_t tg_paths_bytes(const struct tg_paths *paths);

/* ---- questions ---- */

/* Is `earlier`, which has accessed memory, before `later` in every schedule? `later` is a started task, or the builder
 * in its present state. An actor is before itself. */
bool tg_paths_before(struct tg_paths *paths, tg_who earlier, tg_who later);

/* Count a pair of a task and `later`, the actor of the last question: true the first time. */
bool tg_paths_count(struct tg_paths *paths, tg_who earlier, tg_who later);

#endif
