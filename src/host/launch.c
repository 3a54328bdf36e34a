/* One launch: the block that asks for it, and what its report says. */
#include "launch/launch.h"

#include "graph/image.h"
#include "host/host.h"

static bool has_workers(const struct tg_run *run) { return run->program->device->machine->n_workers > 0; }

/* Where the launch gets its graph. Workers share the host's memory; a control program gets an image. */
static enum tg_graph_source graph_source(const struct tg_run *run)
{
    if (run->replays) return TG_GRAPH_KEPT;
    if (run->config.runtime == TG_AICPU_BUILD_GRAPH) return TG_GRAPH_PLUGIN;
    return has_workers(run) ? TG_GRAPH_THERE : TG_GRAPH_IN_BLOCK;
}

/* A plugin may read its arguments until it is closed, so replays have a block of their own. */
enum tg_status tg_host_write_launch(struct tg_run *run, struct tg_launch_data **block)
{
    struct tg_machine *machine = run->program->device->machine;
    const enum tg_graph_source source = graph_source(run);
    const bool sequential = run->config.build_mode == TG_BUILD_SEQUENTIAL, builds = source == TG_GRAPH_PLUGIN;
    const struct tg_plugin_bytes *plugin = &run->orchestration->plugin;
    struct tg_graph_image image = {0};
    if (source == TG_GRAPH_IN_BLOCK) TG_TRY(tg_graph_image_measure(&run->host_graph, run->ready, &image));
    struct tg_launch_data header = {
        .n_cores = has_workers(run) ? 0 : run->config.block_dim * TG_CORES_PER_BLOCK,
        .program = run->program->kernels.fingerprint,
        .schedule_seed = run->config.schedule_seed,
        .plugin_number = plugin->number,
        .plugin_bytes = builds && !tg_plugins_have(machine, plugin->number) ? plugin->n_bytes : 0,
        .graph_bytes = image.n_bytes,
        .n_changes = (uint32_t)run->n_changes,
        .graph_source = source,
        .n_threads = has_workers(run) ? machine->n_workers : run->config.aicpu_thread_num,
        .window = builds && !sequential ? run->config.window : 0,
        .sequential = sequential,
        .pipe_order = run->config.pipe_order,
        .kernel_limit_ms = run->config.kernel_limit_ms,
        .clear = run->config.reproducible,
        .n_orch_args = builds ? (uint32_t)(2 * run->n_tensors + 1) : 0,
    };
    /* Blocks of a cube core and two vector cores. A worker runs kernels of both kinds, which count as one kind. */
    for (uint32_t i = 0; i < TG_CORES_MAX; i++)
        run->core_type[i] = !has_workers(run) && i % TG_CORES_PER_BLOCK == 0 ? TG_AIC : TG_AIV;
    for (uint32_t i = 0; i < header.n_cores; i++) header.core_type[i] = (uint8_t)run->core_type[i];
    const struct tg_launch_parts parts = {.orch_args = run->args,
                                          .function_name = run->orchestration->function_name,
                                          .plugin = plugin->bytes,
                                          .changes = run->changes};
    struct tg_launch_data **to = run->replays ? &run->replay_data : &run->launch_data;
    TG_TRY(tg_launch_data_write(to, &header, &parts));
    *block = *to;
    if (source != TG_GRAPH_IN_BLOCK) return TG_OK;
    TG_TRY(tg_graph_image_write(&run->host_graph, run->ready, &image, (uint8_t *)*to + (*to)->graph_at));
    tg_graph_fini(&run->host_graph);
    return TG_OK;
}

void tg_host_collect(struct tg_run *run, const struct tg_launch_report *report)
{
    const bool workers = has_workers(run), has_builder = graph_source(run) == TG_GRAPH_PLUGIN;
    struct tg_run_result *result = &run->result;
    result->device_ns = report->device_ns;
    result->n_tasks = report->n_tasks;
    result->n_edges = report->n_edges;
    result->n_instructions = report->n_instructions;
    result->n_aic = report->n_aic;
    result->n_aiv = report->n_aiv;
    result->window = report->window;
    result->first_start_ns = report->first_start_ns;
    result->last_publish_ns = report->last_publish_ns;
    result->peak_device_bytes = tg_gm_peak(&run->program->device->machine->gm);
    result->peak_graph_bytes = report->peak_graph_bytes;
    struct tg_record *record = &run->record;
    record->has_workers = workers;
    record->n_threads = workers ? has_builder : run->config.aicpu_thread_num;
    record->n_cores = workers ? run->program->device->machine->n_workers : run->config.block_dim * TG_CORES_PER_BLOCK;
    record->has_builder = has_builder;
    record->core_type = run->core_type;
    record->kernels = &run->program->kernels;
    record->device_ns = result->device_ns;
    record->core_ghz = run->program->device->machine->core_ghz;
}
