/*
 * peers.h - what the programs of this folder have in common: the graph, the clock, the rows, the JSON.
 *
 * Each program runs the flagship's graph in its runtime's own way and defines run_graph and PEER. Header-only: a
 * program is one file.
 */
#ifndef BENCH_PEERS_PEERS_H
#define BENCH_PEERS_PEERS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "../spin.h"

enum { PEER_REPEATS = 9, PEER_CHAIN = 64, PEER_KINDS = 4 };
enum { PEER_QK, PEER_SF, PEER_PV, PEER_UP };

/* Run n_blocks of QK -> SF -> PV -> UP, UP after UP in chains of PEER_CHAIN, each task spin(turns). Returns when
 * every task has run. */
static void run_graph(int workers, int64_t n_blocks, int64_t turns);

static int peer_by_value(const void *left, const void *right)
{
    const double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void peer_row(const char *peer, int workers, int64_t n_tasks, double task_ns)
{
    const int64_t turns = spin_turns_of(task_ns);
    double value[PEER_REPEATS];
    double before = task_ns > 0 ? spin_alone_ns(turns, workers) : 0;
    for (int i = 0; i < PEER_REPEATS; i++) {
        double start = spin_now_ns();
        run_graph(workers, n_tasks / PEER_KINDS, turns);
        double ns = spin_now_ns() - start;
        const double after = task_ns > 0 ? spin_alone_ns(turns, workers) : 0;
        value[i] = task_ns > 0 ? (double)n_tasks * (before + after) / 2 / (workers * ns) : ns / (double)n_tasks;
        before = after;
    }
    qsort(value, PEER_REPEATS, sizeof value[0], peer_by_value);
    printf("{\"bench\": \"workers\", \"runtime\": \"%s\", \"workers\": %d, \"tasks\": %lld, \"task_ns\": %.0f, "
           "\"quantity\": \"%s\", \"median\": %.4g, \"least\": %.4g, \"most\": %.4g}\n",
           peer, workers, (long long)n_tasks, task_ns, task_ns > 0 ? "efficiency" : "ns_per_task",
           value[PEER_REPEATS / 2], value[0], value[PEER_REPEATS - 1]);
    fflush(stdout);
}

/* n_large: tasks of the large graph; 0: leave it out. */
static void peer_rows(const char *peer, int64_t n_large)
{
    for (int workers = 1; workers <= 2; workers++) {
        peer_row(peer, workers, 1 << 14, 0);
        if (n_large > 0) peer_row(peer, workers, n_large, 0);
    }
    peer_row(peer, 2, 1 << 14, 500);
    peer_row(peer, 2, 1 << 14, 5000);
}

#endif
