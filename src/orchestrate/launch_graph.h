/* launch_graph.h - the graph of a launch that no plugin builds. */
#ifndef TG_ORCHESTRATE_LAUNCH_GRAPH_H
#define TG_ORCHESTRATE_LAUNCH_GRAPH_H

#include "graph/graph.h"
#include "launch/launch.h"

/* Make place->graph complete: read it from the block, or prepare the kept one for another run. *ready: the tasks that
 * can run, a list; NULL for a graph that the plugin will build. Errors: those of graph/image.h; TG_ERR_ABI: a change
 * names no argument. */
enum tg_status tg_launch_graph(const struct tg_control_launch *launch, struct tg_task **ready);

/* Write the counts of the graph to the report. */
void tg_launch_report_graph(const struct tg_graph *graph, struct tg_launch_report *report);

#endif
