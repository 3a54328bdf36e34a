#include "orchestrate/launch_graph.h"

#include "graph/image.h"

enum tg_status tg_launch_graph(const struct tg_control_launch *launch, struct tg_task **ready)
{
    const struct tg_launch_data *data = launch->data;
    struct tg_launch_place *place = launch->place;
    *ready = NULL;
    switch ((enum tg_graph_source)data->graph_source) {
    case TG_GRAPH_PLUGIN: break;
    case TG_GRAPH_THERE: *ready = place->ready; break;
    case TG_GRAPH_IN_BLOCK:
        return tg_graph_image_read(tg_launch_part(data, data->graph_at), data->graph_bytes, place->kernels,
                                   place->graph, ready);
    case TG_GRAPH_KEPT: {
        const struct tg_argument *changes = tg_launch_part(data, data->changes_at);
        for (uint32_t i = 0; i < data->n_changes; i++)
            if (!tg_graph_set_arg(place->graph, changes[i].task_id, changes[i].index, changes[i].value))
                return tg_error(TG_ERR_ABI, "the launch changes argument %u of task %d, which does not exist",
                                changes[i].index, changes[i].task_id);
        tg_graph_rewind(place->graph, ready);
        break;
    }
    }
    return TG_OK;
}

void tg_launch_report_graph(const struct tg_graph *graph, struct tg_launch_report *report)
{
    report->n_tasks = graph->n_added;
    report->n_edges = graph->n_edges;
    report->peak_graph_bytes = graph->peak_bytes;
}
