#include "common/random_graph.h"

#include <stdlib.h>

#include "common/check.h"
#include "common/random.h"

enum { BEFORE_MAX = 12 };

struct drawn_task {
    int rank; /* edges go from lower to higher ranks: no circle */
    int before[BEFORE_MAX], n_before;
    bool published;
};

struct draw {
    struct script *script;
    const struct random_graph *graph;
    uint64_t random;
    struct drawn_task tasks[RANDOM_TASKS_MAX];
    int n;     /* added */
    int first; /* of the batch */
    int held[RANDOM_TASKS_MAX], n_held;
};

/* Who `task` waits for: some of the tasks that it outranks; in its own batch or published before. */
static void draw_before(struct draw *d, int task, int batch_end)
{
    struct drawn_task *t = &d->tasks[task];
    int wanted = random_chance(&d->random, 20) ? BEFORE_MAX : random_below(&d->random, 4);
    for (int tries = 0; t->n_before < wanted && tries < 3 * BEFORE_MAX; tries++) {
        int other = random_below(&d->random, batch_end);
        bool known = other == task || d->tasks[other].rank >= t->rank;
        for (int i = 0; i < t->n_before; i++) known = known || t->before[i] == other;
        if (!known) t->before[t->n_before++] = other;
    }
}

static void add_batch(struct draw *d, int n)
{
    d->first = d->n;
    /* Ranks rise from batch to batch and are drawn inside one, each once. */
    for (int i = 0; i < n; i++) d->tasks[d->n + i].rank = d->n + i;
    for (int i = n - 1; i > 0; i--) {
        int j = random_below(&d->random, i + 1), rank = d->tasks[d->n + i].rank;
        d->tasks[d->n + i].rank = d->tasks[d->n + j].rank;
        d->tasks[d->n + j].rank = rank;
    }
    for (int i = 0; i < n; i++) draw_before(d, d->n + i, d->n + n);
    for (int i = 0; i < n; i++) {
        const struct drawn_task *t = &d->tasks[d->n + i];
        enum tg_core_type type = random_chance(&d->random, 50) ? TG_AIC : TG_AIV;
        int work = random_chance(&d->random, 10) ? random_below(&d->random, 400) : random_below(&d->random, 20);
        script_visit(d->script, type, work, t->n_before, t->before);
    }
    d->n += n;
}

static void link_batch(struct draw *d)
{
    for (int task = d->first; task < d->n; task++)
        for (int i = 0; i < d->tasks[task].n_before; i++) script_edge(d->script, d->tasks[task].before[i], task);
}

static void publish(struct draw *d, int task)
{
    if (task == d->graph->unpublished) return;
    script_publish(d->script, task);
    d->tasks[task].published = true;
}

/* Publish the batch and what was held back, in any order; hold some of it back (again) unless this is the end. */
static void publish_batch(struct draw *d, bool last)
{
    int todo[RANDOM_TASKS_MAX], n = 0;
    for (int i = 0; i < d->n_held; i++) todo[n++] = d->held[i];
    for (int task = d->first; task < d->n; task++) todo[n++] = task;
    d->n_held = 0;
    for (; n > 0; n--) {
        int i = random_below(&d->random, n), task = todo[i];
        todo[i] = todo[n - 1];
        if (!last && random_chance(&d->random, 15)) d->held[d->n_held++] = task;
        else publish(d, task);
    }
}

/* Can it complete with what is published? Before has lower ranks only, so this ends. */
static bool can_complete(const struct draw *d, int task)
{
    const struct drawn_task *t = &d->tasks[task];
    if (!t->published) return false;
    for (int i = 0; i < t->n_before; i++)
        if (!can_complete(d, t->before[i])) return false;
    return true;
}

static void wait_for_some_task(struct draw *d)
{
    int task = random_below(&d->random, d->n);
    if (d->tasks[task].rank > 40 || !can_complete(d, task)) return; /* paths are many: look at short ones */
    script_wait(d->script, task);
    script_expect(d->script, task, 1);
}

/* A circle of visitors, each of which waits for the next; they are published after all else. */
static void add_cycle(struct draw *d, int length)
{
    int first = d->script->n_tasks;
    for (int i = 0; i < length; i++) script_visit(d->script, TG_AIV, 0, 0, NULL);
    for (int i = 0; i < length; i++) script_edge(d->script, first + (i + 1) % length, first + i);
    for (int i = 0; i < length; i++) script_publish(d->script, first + i);
}

void random_graph_write(struct script *script, const struct random_graph *graph, uint64_t seed)
{
    struct draw *d = calloc(1, sizeof *d);
    assert_non_null(d);
    assert_in_range(graph->n_tasks, 1, RANDOM_TASKS_MAX);
    d->script = script;
    d->graph = graph;
    d->random = seed;
    int largest_batch = 1 + random_below(&d->random, 64);
    while (d->n < graph->n_tasks) {
        int left = graph->n_tasks - d->n, n = 1 + random_below(&d->random, largest_batch);
        add_batch(d, n < left ? n : left);
        link_batch(d);
        publish_batch(d, d->n == graph->n_tasks);
        if (graph->may_wait && random_chance(&d->random, 30)) wait_for_some_task(d);
    }
    if (graph->cycle > 1) add_cycle(d, graph->cycle);
    free(d);
}
