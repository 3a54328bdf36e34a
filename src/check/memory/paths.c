#include "check/memory/paths.h"

#include <stdlib.h>
#include <string.h>

enum { LONG_SEARCH = 16 }; /* answers of searches of at least this many steps are cached */

void tg_paths_init(struct tg_paths *paths, bool build_first)
{
    memset(paths, 0, sizeof *paths);
    paths->build_first = build_first;
    for (size_t i = 0; i < TG_PATHS_PROVEN; i++) paths->proven[i].earlier = TG_NOBODY;
}

void tg_paths_fini(struct tg_paths *paths)
{
    free(paths->tasks.items);
    free(paths->waits.items);
    free(paths->edges);
    free(paths->frontier);
    memset(paths, 0, sizeof *paths);
}

/* Room for one more item. false: no memory. */
static bool grow(void *items, size_t n, size_t *capacity, size_t bytes)
{
    if (n < *capacity) return true;
    size_t more = *capacity ? *capacity + *capacity / 2 : 64;
    void *old, *grown;
    memcpy(&old, items, sizeof old);
    grown = realloc(old, more * bytes);
    if (!grown) return false;
    memcpy(items, &grown, sizeof grown);
    *capacity = more;
    return true;
}

/* A task by its id, or wait n of the builder as ~n. */
static struct tg_path_node *at(const struct tg_paths *paths, int32_t node)
{
    return node >= 0 ? &paths->tasks.items[node] : &paths->waits.items[~node];
}

static bool node_new(struct tg_paths *paths, struct tg_paths_nodes *nodes)
{
    if (!grow(&nodes->items, nodes->n, &nodes->capacity, sizeof *nodes->items)) {
        paths->lost = true;
        return false;
    }
    nodes->items[nodes->n++] = (struct tg_path_node){.parent = TG_NOBODY, .interval = -1, .published = -1};
    return true;
}

static void link(struct tg_paths *paths, int32_t from, struct tg_path_node *to)
{
    if (!grow(&paths->edges, paths->n_edges, &paths->edges_max, sizeof *paths->edges)) {
        paths->lost = true;
        return;
    }
    paths->edges[paths->n_edges++] = (struct tg_path_edge){from, to->edges};
    to->edges = (int32_t)paths->n_edges;
}

/* ---- events ---- */

void tg_paths_add(struct tg_paths *paths, int32_t task_id)
{
    while (paths->tasks.n <= (size_t)task_id && node_new(paths, &paths->tasks)) continue;
}

static bool known(const struct tg_paths *paths, int32_t task_id)
{
    return task_id >= 0 && (size_t)task_id < paths->tasks.n;
}

void tg_paths_edge(struct tg_paths *paths, int32_t from, int32_t to)
{
    if (known(paths, from) && known(paths, to)) link(paths, from, at(paths, to));
}

static int32_t last_wait(const struct tg_paths *paths) { return ~(int32_t)(paths->waits.n - 1); }

void tg_paths_publish(struct tg_paths *paths, int32_t task_id)
{
    if (!known(paths, task_id)) return;
    struct tg_path_node *task = at(paths, task_id);
    task->interval = task->published = paths->touched ? paths->interval++ : paths->interval - 1;
    paths->touched = false;
    if (paths->waits.n > 0) link(paths, last_wait(paths), task);
}

/* The node starts now: everything before it has ended. */
static void start(struct tg_paths *paths, int32_t id)
{
    struct tg_path_node *node = at(paths, id);
    uint32_t newest = 0;
    node->start = ++paths->n_started;
    for (int32_t edge = node->edges; edge; edge = paths->edges[edge - 1].next) {
        const struct tg_path_node *from = at(paths, paths->edges[edge - 1].from);
        if (from->interval > node->interval) node->interval = from->interval;
        if (from->start <= newest) continue;
        newest = from->start;
        node->parent = paths->edges[edge - 1].from;
    }
    node->jump = id;
    node->depth = 0;
    if (node->parent == TG_NOBODY) return;
    const struct tg_path_node *parent = at(paths, node->parent), *jump = at(paths, parent->jump);
    node->depth = parent->depth + 1;
    bool equal = parent->depth - jump->depth == jump->depth - at(paths, jump->jump)->depth;
    node->jump = equal ? jump->jump : node->parent;
}

void tg_paths_wait(struct tg_paths *paths, int32_t task_id)
{
    if (!known(paths, task_id) || !node_new(paths, &paths->waits)) return;
    struct tg_path_node *wait = at(paths, last_wait(paths));
    link(paths, task_id, wait);
    if (paths->waits.n > 1) link(paths, ~(int32_t)(paths->waits.n - 2), wait);
    start(paths, last_wait(paths));
    paths->has_later = false; /* more is before the builder than the search knows */
}

void tg_paths_start(struct tg_paths *paths, int32_t task_id)
{
    if (known(paths, task_id)) start(paths, task_id);
}

tg_who tg_paths_builder(struct tg_paths *paths)
{
    paths->touched = true;
    return ~paths->interval;
}

uint64_t tg_paths_bytes(const struct tg_paths *paths)
{
    return (paths->tasks.capacity + paths->waits.capacity) * sizeof(struct tg_path_node) +
           paths->edges_max * sizeof *paths->edges + paths->frontier_max * sizeof *paths->frontier;
}

/* ---- the search ---- */

static uint64_t entry_of(const struct tg_paths *paths, int32_t node)
{
    return (uint64_t)at(paths, node)->start << 32 | (uint32_t)node;
}

/* `node` is before `later`: mark it, and add it to the frontier. */
static void found(struct tg_paths *paths, int32_t node)
{
    struct tg_path_node *n = at(paths, node);
    if (n->mark == paths->search) return;
    if (!grow(&paths->frontier, paths->n_frontier, &paths->frontier_max, sizeof *paths->frontier)) {
        paths->lost = true;
        return;
    }
    n->mark = paths->search;
    uint64_t *heap = paths->frontier, entry = entry_of(paths, node);
    size_t i = paths->n_frontier++;
    for (; i > 0 && heap[(i - 1) / 2] < entry; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = entry;
}

/* The node of the frontier that started last. */
static int32_t take(struct tg_paths *paths)
{
    uint64_t *heap = paths->frontier, top = heap[0], last = heap[--paths->n_frontier];
    size_t n = paths->n_frontier, i = 0;
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1] > heap[child]) child++;
        if (heap[child] <= last) break;
        heap[i] = heap[child];
    }
    if (n > 0) heap[i] = last;
    return (int32_t)(uint32_t)top;
}

static void look_behind(struct tg_paths *paths, int32_t node)
{
    for (int32_t edge = at(paths, node)->edges; edge; edge = paths->edges[edge - 1].next)
        found(paths, paths->edges[edge - 1].from);
}

static void forget_marks(struct tg_paths *paths)
{
    for (size_t i = 0; i < paths->tasks.n; i++) paths->tasks.items[i].mark = paths->tasks.items[i].counted = 0;
    for (size_t i = 0; i < paths->waits.n; i++) paths->waits.items[i].mark = 0;
}

/* Questions are about `later` from here on. Returns its node, or TG_NOBODY: the builder before its first wait. */
static int32_t search_for(struct tg_paths *paths, tg_who later)
{
    int32_t node = later >= 0 ? later : paths->waits.n > 0 ? last_wait(paths) : TG_NOBODY;
    if (!tg_who_is_task(later)) later = -1; /* the builder, in any interval */
    if (paths->has_later && paths->later == later) return node;
    paths->later = later;
    paths->has_later = true;
    paths->n_frontier = 0;
    if (++paths->search == 0) {
        forget_marks(paths);
        paths->search = 1;
    }
    if (node != TG_NOBODY) look_behind(paths, node);
    return node;
}

/* Is `task` on the chain of parents of `node`? Each jump is as long as possible. */
static bool on_line(const struct tg_paths *paths, int32_t task, uint32_t task_start, int32_t node)
{
    for (const struct tg_path_node *n = at(paths, node); n->start > task_start; n = at(paths, node)) {
        if (n->parent == TG_NOBODY) return false;
        node = at(paths, n->jump)->start >= task_start && n->jump != node ? n->jump : n->parent;
    }
    return node == task;
}

static size_t slot_of(int32_t earlier, int32_t later)
{
    uint64_t hash = ((uint64_t)(uint32_t)earlier << 32 | (uint32_t)later) * 0x9E3779B97F4A7C15u;
    return (size_t)(hash >> 32) % TG_PATHS_PROVEN;
}

static bool is_proven(const struct tg_paths *paths, int32_t earlier, int32_t later)
{
    size_t slot = slot_of(earlier, later);
    return paths->proven[slot].earlier == earlier && paths->proven[slot].later == later;
}

static bool search(struct tg_paths *paths, int32_t task, int32_t later)
{
    const struct tg_path_node *target = at(paths, task);
    uint32_t steps = 0;
    bool yes = target->mark == paths->search || on_line(paths, task, target->start, later);
    while (!yes && paths->n_frontier > 0 && paths->frontier[0] >> 32 > target->start) {
        int32_t node = take(paths);
        look_behind(paths, node);
        yes = target->mark == paths->search || on_line(paths, task, target->start, node) ||
              is_proven(paths, task, node);
        steps++;
    }
    if (yes) found(paths, task);
    if (yes && steps >= LONG_SEARCH) {
        size_t slot = slot_of(task, later);
        paths->proven[slot].earlier = task;
        paths->proven[slot].later = later;
    }
    return yes;
}

bool tg_paths_before(struct tg_paths *paths, tg_who earlier, tg_who later)
{
    if (paths->lost || earlier == TG_NOBODY || earlier == later) return true;
    if (!tg_who_is_task(earlier)) {
        return !tg_who_is_task(later) || paths->build_first || ~earlier <= at(paths, later)->interval;
    }
    int32_t node = search_for(paths, later);
    return node != TG_NOBODY && search(paths, earlier, node);
}

bool tg_paths_count(struct tg_paths *paths, tg_who earlier, tg_who later)
{
    if (!tg_who_is_task(earlier) || !tg_who_is_task(later) || earlier == later || paths->lost) return false;
    search_for(paths, later);
    struct tg_path_node *node = at(paths, earlier);
    if (node->counted == paths->search) return false;
    node->counted = paths->search;
    return true;
}
