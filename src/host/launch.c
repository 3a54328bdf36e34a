/* One launch: the input of control threads and cores, and their results. */
#include "launch/launch.h"

#include <stdlib.h>
#include <string.h>

#include "host/host.h"

struct launch {
    struct tg_handshake *handshake; /* [n_cores], owned */
    struct tg_core_launch cores;
    struct tg_control_launch control;
    struct tg_machine_run machine_run;
};

/* The machine goes on: report the progress of the graph to the caller. */
static void show_progress(void *context, uint64_t device_ns)
{
    struct tg_run *run = context;
    uint64_t n_complete = tg_graph_n_complete(&run->graph);
    const struct tg_progress progress = {
        .n_published = n_complete + tg_graph_in_flight(&run->graph), .n_complete = n_complete, .device_ns = device_ns};
    run->progress(run->progress_context, &progress);
}

/* Blocks of a cube core and two vector cores. A worker runs kernels of both kinds, so all kernels count as one kind. */
static void set_core_types(struct tg_run *run, bool workers)
{
    for (uint32_t i = 0; i < TG_CORES_MAX; i++)
        run->core_type[i] = !workers && i % TG_CORES_PER_BLOCK == 0 ? TG_AIC : TG_AIV;
}

static bool builds_on_device(const struct tg_run *run)
{
    return run->config.runtime == TG_AICPU_BUILD_GRAPH && !run->replays;
}

static uint32_t n_cores_of(const struct tg_run *run)
{
    return run->program->device->machine->n_workers > 0 ? 0 : run->config.block_dim * TG_CORES_PER_BLOCK;
}

static enum tg_status write_data(struct tg_run *run)
{
    const bool on_device = builds_on_device(run), sequential = run->config.build_mode == TG_BUILD_SEQUENTIAL;
    const uint32_t n_workers = run->program->device->machine->n_workers;
    const struct tg_plugin_bytes *plugin = &run->orchestration->plugin;
    struct tg_launch_data header = {
        .n_cores = n_cores_of(run),
        .n_threads = n_workers > 0 ? n_workers : run->config.aicpu_thread_num,
        .window = on_device && !sequential ? run->config.window : 0,
        .sequential = sequential,
        .schedule_seed = run->config.schedule_seed,
        .plugin = on_device ? (uint64_t)(uintptr_t)plugin->bytes : 0,
        .plugin_bytes = on_device ? plugin->n_bytes : 0,
        .plugin_number = plugin->number,
        .n_orch_args = (uint32_t)(2 * run->n_tensors + 1),
    };
    set_core_types(run, n_workers > 0);
    for (uint32_t i = 0; i < header.n_cores; i++) header.core_type[i] = (uint8_t)run->core_type[i];
    return tg_launch_data_write(&run->launch_data, &header, run->args, run->orchestration->function_name);
}

static void prepare_control(struct tg_run *run, struct launch *launch)
{
    const struct tg_program *program = run->program;
    launch->control = (struct tg_control_launch){
        .data = run->launch_data,
        .machine = program->device->machine,
        .graph = &run->graph,
        .kernels = &program->kernels,
        .failure = run->failure,
        .handshake = launch->handshake,
        .gm_owner = &run->plugin_memory,
        .builder = &run->builder,
        .ready = run->ready,
        .progress = run->progress && !program->device->machine->catch_faults ? show_progress : NULL,
        .progress_context = run,
    };
}

static void prepare_machine(struct tg_run *run, struct launch *launch)
{
    struct tg_machine_run *m = &launch->machine_run;
    launch->cores = (struct tg_core_launch){launch->control.machine, run->launch_data, launch->handshake};
    *m = (struct tg_machine_run){
        .n_threads = run->launch_data->n_threads,
        .n_cores = run->launch_data->n_cores,
        .kernels = &run->program->kernels,
        .core_main = tg_core_main,
        .core_arg = &launch->cores,
        .schedule_seed = run->config.schedule_seed,
        .pipe_order = run->config.pipe_order,
        .kernel_limit_ms = run->config.kernel_limit_ms,
        .progress = run->progress ? show_progress : NULL,
        .progress_context = run,
        .host_graph = !builds_on_device(run),
        .failure = run->failure,
        .clear = run->config.reproducible,
    };
    for (uint32_t i = 0; i < m->n_cores; i++) {
        m->core_type[i] = run->core_type[i];
        m->owner[i] = tg_control_owner(run->launch_data, i);
    }
}

static void collect(struct tg_run *run, const struct tg_control_report *report)
{
    const uint32_t n_workers = run->program->device->machine->n_workers;
    const bool has_builder = builds_on_device(run);
    struct tg_run_result *result = &run->result;
    result->n_tasks = run->graph.n_added;
    result->n_edges = run->graph.n_edges;
    result->n_instructions = report->n_instructions;
    result->n_aic = report->n_aic;
    result->n_aiv = report->n_aiv;
    result->window = report->window;
    result->first_start_ns = report->first_start_ns;
    result->last_publish_ns = report->last_publish_ns;
    result->peak_device_bytes = tg_gm_peak(&run->program->device->machine->gm);
    result->peak_graph_bytes = run->graph.peak_bytes;
    if (report->plugin) run->plugin = report->plugin;
    struct tg_record *record = &run->record;
    record->has_workers = n_workers > 0;
    record->n_threads = n_workers > 0 ? has_builder : run->config.aicpu_thread_num;
    record->n_cores = n_workers > 0 ? n_workers : run->config.block_dim * TG_CORES_PER_BLOCK;
    record->has_builder = has_builder;
    record->core_type = run->core_type;
    record->kernels = &run->program->kernels;
    record->device_ns = result->device_ns;
}

static enum tg_status run_machine(struct tg_run *run, struct launch *launch)
{
    struct tg_machine *machine = launch->control.machine;
    return machine->ops->run(machine, &launch->machine_run, &run->result.device_ns);
}

static enum tg_status run_on_cores(struct tg_run *run, struct launch *launch, struct tg_control_report *report)
{
    struct tg_control *control = NULL;
    TG_TRY(tg_control_open(&launch->control, &control));
    launch->machine_run.control_main = tg_control_main;
    launch->machine_run.control_arg = control;
    launch->machine_run.lost = tg_control_lost;
    enum tg_status status = run_machine(run, launch);
    if (launch->control.machine->lost) return status;
    tg_control_close(control, report);
    return status;
}

static enum tg_status run_on_workers(struct tg_run *run, struct launch *launch, struct tg_control_report *report)
{
    struct tg_workers *workers = NULL;
    TG_TRY(tg_workers_open(&launch->control, &workers));
    launch->machine_run.control_main = tg_workers_main;
    launch->machine_run.control_arg = workers;
    launch->machine_run.lost = tg_workers_lost;
    enum tg_status status = run_machine(run, launch);
    if (launch->control.machine->lost) return status;
    tg_workers_close(workers, report);
    return status;
}

/* It was cancelled, a plugin failed on the host, or a tensor has been freed. */
static bool has_failed_before(struct tg_run *run) { return tg_failure_status(run->failure) != TG_OK; }

/* Only cores need the handshake. */
static bool open_handshakes(struct launch *launch, uint32_t n_cores)
{
    const size_t bytes = n_cores * sizeof *launch->handshake;
    if (bytes == 0) return true;
    launch->handshake = aligned_alloc(alignof(struct tg_handshake), bytes);
    if (launch->handshake) memset(launch->handshake, 0, bytes);
    return launch->handshake;
}

enum tg_status tg_launch(struct tg_run *run)
{
    struct launch launch = {0};
    struct tg_control_report report = {.first_start_ns = UINT64_MAX};
    enum tg_status status = TG_OK;
    TG_TRY(write_data(run));
    if (!open_handshakes(&launch, n_cores_of(run))) return tg_error(TG_ERR_MEMORY, "no memory for a launch");
    prepare_control(run, &launch);
    prepare_machine(run, &launch);
    struct tg_machine *machine = launch.control.machine;
    machine->observers = run->observers;
    if (!has_failed_before(run))
        status = run->launch_data->n_cores == 0 ? run_on_workers(run, &launch, &report)
                                                : run_on_cores(run, &launch, &report);
    machine->observers = NULL;
    if (run->config.record && !machine->lost) {
        const enum tg_status taken = tg_recorder_take(&run->recorder, &run->record);
        if (status == TG_OK) status = taken;
    }
    collect(run, &report);
    if (!launch.control.machine->lost) free(launch.handshake);
    return status;
}
