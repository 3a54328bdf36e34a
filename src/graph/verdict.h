/* verdict.h - why nothing moves: which tasks can never run, and what they wait for. */
#ifndef TG_GRAPH_VERDICT_H
#define TG_GRAPH_VERDICT_H

#include "graph/graph.h"

/*
 * Judge a graph in which no task runs, none is ready, and nobody builds: some tasks are not complete.
 *
 * Linear in tasks and edges. Returns TG_ERR_DEADLOCK_UNPUBLISHED (names tasks that were never published and how many
 * wait for them) or TG_ERR_DEADLOCK_CYCLE (names the tasks of one cycle); TG_OK when neither is there; TG_ERR_MEMORY.
 * The text is cut to n_bytes.
 */
enum tg_status tg_graph_verdict(struct tg_graph *graph, char *text, size_t n_bytes);

/* The same, said of a builder that waits for task `id`, which cannot complete. TG_ERR_DEADLOCK_WAIT. */
enum tg_status tg_graph_verdict_wait(struct tg_graph *graph, int64_t id, char *text, size_t n_bytes);

#endif
