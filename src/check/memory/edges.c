#include "check/memory/edges.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Steps of all searches together: some seconds. */
#define STEPS_MAX 400000000u

enum edge_state { UNDECIDED, NEEDED, SPARE_REDUNDANT, SPARE_NO_CONFLICT };

/* Nodes are numbers: tasks by their ids, then the builder's waits. */
struct survey {
    const struct tg_paths *paths;
    size_t n_nodes;
    uint8_t *state; /* [n_edges] enum edge_state; edges from and to waits are NEEDED */
    int32_t *to;    /* [n_edges] the node it leads to */
    /* One search: */
    uint32_t *mark, search; /* [n_nodes] */
    int32_t *way;           /* [n_nodes] the edge by which the search reached the node: leads on from it */
    int32_t *stack;         /* [n_nodes] */
    uint32_t n_steps;       /* of all searches */
};

static int32_t node_of(const struct survey *s, int32_t who)
{
    return who >= 0 ? who : (int32_t)s->paths->tasks.n + ~who;
}

static const struct tg_path_node *at(const struct survey *s, int32_t node)
{
    size_t n_tasks = s->paths->tasks.n;
    return (size_t)node < n_tasks ? &s->paths->tasks.items[node] : &s->paths->waits.items[(size_t)node - n_tasks];
}

static int32_t from_of(const struct survey *s, int32_t edge) { return node_of(s, s->paths->edges[edge].from); }

static bool is_task_edge(const struct survey *s, int32_t edge)
{
    return s->paths->edges[edge].from >= 0 && (size_t)s->to[edge] < s->paths->tasks.n;
}

/* ---- searching --------------------------------------------------------------------------------------------------- */

/* Is the node the goal of the search? */
typedef bool goal_fn(const struct survey *s, int32_t node, int32_t goal);

static bool is_node(const struct survey *s, int32_t node, int32_t goal)
{
    (void)s;
    return node == goal;
}

/* A task that was published in the builder's interval `goal` or later. */
static bool is_published_since(const struct survey *s, int32_t node, int32_t goal)
{
    return (size_t)node < s->paths->tasks.n && at(s, node)->published >= goal;
}

struct quest {
    goal_fn *is_goal;
    int32_t goal;
    uint32_t least_start; /* nodes that started before are skipped */
    bool needed_only;     /* along needed edges */
    int32_t without;      /* not along this one; -1: all */
};

/* Backwards from `later` to the goal. Returns the node that was found, from which `way` leads to `later`; -1: no such
 * node. */
static int32_t find(struct survey *s, int32_t later, const struct quest *quest)
{
    size_t n = 1;
    s->search++;
    s->mark[later] = s->search;
    s->stack[0] = later;
    while (n > 0) {
        int32_t node = s->stack[--n];
        for (int32_t next = at(s, node)->edges; next; next = s->paths->edges[next - 1].next) {
            int32_t edge = next - 1, from = from_of(s, edge);
            s->n_steps += s->n_steps < UINT32_MAX;
            if (edge == quest->without || (quest->needed_only && s->state[edge] != NEEDED)) continue;
            if (s->mark[from] == s->search || at(s, from)->start < quest->least_start) continue;
            s->mark[from] = s->search;
            s->way[from] = edge;
            if (quest->is_goal(s, from, quest->goal)) return from;
            s->stack[n++] = from;
        }
    }
    return -1;
}

/* ---- needed edges -------------------------------------------------------------------------------------------------
 */

static struct quest quest_for(const struct survey *s, const struct tg_conflict *pair)
{
    struct quest quest = {.is_goal = is_published_since, .goal = ~pair->earlier, .without = -1};
    if (pair->earlier < 0) return quest;
    quest.is_goal = is_node;
    quest.goal = pair->earlier;
    quest.least_start = at(s, pair->earlier)->start;
    return quest;
}

/* Of two edges between the same tasks, the first one counts. */
static int32_t first_edge(const struct survey *s, int32_t from, int32_t to)
{
    int32_t found = -1;
    for (int32_t next = at(s, to)->edges; next; next = s->paths->edges[next - 1].next)
        if (from_of(s, next - 1) == from) found = next - 1;
    return found;
}

static void need_direct(struct survey *s, const struct tg_conflict *pair)
{
    if (pair->earlier < 0 || pair->later < 0) return;
    int32_t edge = first_edge(s, pair->earlier, pair->later);
    if (edge >= 0) s->state[edge] = NEEDED;
}

/* A path that orders the pair: a path of needed edges if there is one, otherwise the path that is found. */
static void need_way(struct survey *s, const struct tg_conflict *pair)
{
    struct quest quest = quest_for(s, pair);
    int32_t later = node_of(s, pair->later);
    quest.needed_only = true;
    if (find(s, later, &quest) >= 0) return;
    quest.needed_only = false;
    for (int32_t node = find(s, later, &quest); node >= 0 && node != later; node = s->to[s->way[node]])
        s->state[s->way[node]] = NEEDED;
}

/* Is there a longer path of needed edges? In an acyclic graph all such edges can go at once. */
static bool has_longer_way(struct survey *s, int32_t edge)
{
    int32_t from = from_of(s, edge);
    const struct quest quest = {
        .is_goal = is_node, .goal = from, .least_start = at(s, from)->start, .needed_only = true, .without = edge};
    return find(s, s->to[edge], &quest) >= 0;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static void note_targets(struct survey *s)
{
    for (size_t node = 0; node < s->n_nodes; node++)
        for (int32_t next = at(s, (int32_t)node)->edges; next; next = s->paths->edges[next - 1].next)
            s->to[next - 1] = (int32_t)node;
    for (size_t edge = 0; edge < s->paths->n_edges; edge++)
        if (!is_task_edge(s, (int32_t)edge)) s->state[edge] = NEEDED;
}

static void decide(struct survey *s, const struct tg_conflict *pairs, size_t n_pairs)
{
    for (size_t i = 0; i < n_pairs; i++) need_direct(s, &pairs[i]);
    for (size_t i = 0; i < n_pairs && s->n_steps < STEPS_MAX; i++) need_way(s, &pairs[i]);
    for (size_t edge = 0; edge < s->paths->n_edges && s->n_steps < STEPS_MAX; edge++) {
        if (!is_task_edge(s, (int32_t)edge)) continue;
        if (has_longer_way(s, (int32_t)edge)) s->state[edge] = SPARE_REDUNDANT;
        else if (s->state[edge] != NEEDED) s->state[edge] = SPARE_NO_CONFLICT;
    }
}

static enum tg_status collect(const struct survey *s, struct tg_spare_edge **out, size_t *n_out)
{
    size_t n = 0;
    for (size_t edge = 0; edge < s->paths->n_edges; edge++) n += s->state[edge] != NEEDED;
    struct tg_spare_edge *spare = n > 0 ? malloc(n * sizeof *spare) : NULL;
    if (n > 0 && !spare) return tg_error(TG_ERR_MEMORY, "no memory for %zu edges", n);
    *out = spare;
    *n_out = n;
    for (size_t edge = 0; edge < s->paths->n_edges; edge++) {
        if (s->state[edge] == NEEDED) continue;
        bool redundant = s->state[edge] == SPARE_REDUNDANT;
        *spare++ = (struct tg_spare_edge){s->paths->edges[edge].from, s->to[edge],
                                          redundant ? TG_SPARE_REDUNDANT : TG_SPARE_NO_CONFLICT};
    }
    return TG_OK;
}

enum tg_status tg_edges_spare(const struct tg_paths *paths, const struct tg_conflict *pairs, size_t n_pairs,
                              struct tg_spare_edge **out, size_t *n_out)
{
    struct survey s = {.paths = paths, .n_nodes = paths->tasks.n + paths->waits.n};
    s.state = calloc(paths->n_edges + 1, sizeof *s.state);
    s.to = calloc(paths->n_edges + 1, sizeof *s.to);
    s.mark = calloc(s.n_nodes + 1, sizeof *s.mark);
    s.way = calloc(s.n_nodes + 1, sizeof *s.way);
    s.stack = calloc(s.n_nodes + 1, sizeof *s.stack);
    enum tg_status status = TG_ERR_MEMORY;
    if (s.state && s.to && s.mark && s.way && s.stack) {
        note_targets(&s);
        decide(&s, pairs, n_pairs);
        status = s.n_steps >= STEPS_MAX
                     ? tg_error(TG_ERR_ARGUMENT, "which of %zu edges are needed takes too long to find out",
                                paths->n_edges)
                     : collect(&s, out, n_out);
    } else {
        tg_error(status, "no memory to look at %zu edges", paths->n_edges);
    }
    free(s.state);
    free(s.to);
    free(s.mark);
    free(s.way);
    free(s.stack);
    return status;
}
