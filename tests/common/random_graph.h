/*
 * random_graph.h - graphs drawn at random, as scripts whose tasks find out whether they run in order.
 *
 * Tasks come in batches. A batch is added, linked to earlier tasks and within itself (also from higher ids to lower
 * ones, but never in a circle), and published in any order. Some tasks are published with later batches, so that
 * published tasks wait for unpublished ones. A builder may wait for a task that can run.
 */
#ifndef TESTS_COMMON_RANDOM_GRAPH_H
#define TESTS_COMMON_RANDOM_GRAPH_H

#include <stdbool.h>

#include "common/script.h"

struct random_graph {
    int n_tasks;   /* 1 to RANDOM_TASKS_MAX */
    bool may_wait; /* use wait_task now and then */
    /* The error in it; -1: none. */
    int unpublished; /* this task is never published */
    int cycle;       /* this many tasks, 2 or more, wait for each other in a circle */
};

enum { RANDOM_TASKS_MAX = 400 };

/* Write the graph that `seed` draws. */
void random_graph_write(struct script *script, const struct random_graph *graph, uint64_t seed);

#endif
