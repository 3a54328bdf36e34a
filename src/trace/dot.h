/*
 * dot.h - a record's task graph as Graphviz DOT.
 *
 * Up to TG_DOT_TASKS_MAX tasks each is a node. A larger graph is folded: the tasks of one kernel that wait for tasks of
 * the same kernels are one node, "kernel x N", and the edges between two nodes are one, with their number. Paged
 * attention of any size folds to five nodes for four kernels: the first update of a sequence waits for one kernel, the
 * later ones for two.
 */
#ifndef TG_TRACE_DOT_H
#define TG_TRACE_DOT_H

#include "trace/analysis.h"

enum { TG_DOT_TASKS_MAX = 500 };

/* Write the graph. Tasks of the path are drawn with a thick line, unless the graph is folded. The file is complete or
 * not there.
 *
 * Errors    TG_ERR_FILE; TG_ERR_MEMORY */
enum tg_status tg_dot_write(const struct tg_index *index, const struct tg_findings *findings, const char *path);

#endif
