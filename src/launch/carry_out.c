/* A launch on the side of the control processor: from the block and the objects of this place to the report. */
#include <stdlib.h>
#include <string.h>

#include "launch/launch.h"

/* The functions of one of the two programs that carry a launch out. */
struct program {
    void (*main)(void *arg, uint32_t thread);
    void (*lost)(void *arg, uint32_t index, bool on_core, const struct tg_guard *how);
};
static const struct program control_program = {tg_control_main, tg_control_lost};
static const struct program worker_program = {tg_workers_main, tg_workers_lost};

enum tg_status tg_launch_carry_out(const struct tg_launch_data *data, struct tg_launch_place *place,
                                   struct tg_launch_report *report)
{
    const bool has_cores = data->n_cores > 0;
    struct tg_machine *machine = place->machine;
    *report = (struct tg_launch_report){.first_start_ns = UINT64_MAX};
    place->plugin = NULL;
    TG_TRY(tg_launch_data_check(data, place->kernels));
    struct tg_control_launch launch = {.data = data, .place = place};
    if (has_cores) {
        const size_t bytes = data->n_cores * sizeof *launch.handshake;
        launch.handshake = aligned_alloc(alignof(struct tg_handshake), bytes);
        if (!launch.handshake) return tg_error(TG_ERR_MEMORY, "no memory for a launch");
        memset(launch.handshake, 0, bytes);
    }
    struct tg_control *control = NULL;
    struct tg_workers *workers = NULL;
    enum tg_status status = has_cores ? tg_control_open(&launch, &control) : tg_workers_open(&launch, &workers);
    if (status == TG_OK) {
        struct tg_core_launch cores = {machine, data, launch.handshake};
        const struct program *program = has_cores ? &control_program : &worker_program;
        struct tg_machine_run run = {
            .n_threads = data->n_threads,
            .n_cores = data->n_cores,
            .kernels = place->kernels,
            .control_main = program->main,
            .control_arg = has_cores ? (void *)control : workers,
            .lost = program->lost,
            .core_main = tg_core_main,
            .core_arg = &cores,
            .schedule_seed = data->schedule_seed,
            .pipe_order = data->pipe_order,
            .kernel_limit_ms = data->kernel_limit_ms,
            .progress = place->progress,
            .progress_context = place->progress_context,
            .host_graph = !tg_launch_has_plugin(data),
            .failure = place->failure,
            .clear = data->clear,
        };
        for (uint32_t i = 0; i < data->n_cores; i++) {
            run.core_type[i] = (enum tg_core_type)data->core_type[i];
            run.owner[i] = tg_control_owner(data, i);
        }
        uint64_t device_ns = 0;
        status = machine->ops->run(machine, &run, &device_ns);
        if (!machine->lost && has_cores) tg_control_close(control, report);
        if (!machine->lost && !has_cores) tg_workers_close(workers, report);
        report->device_ns = device_ns;
    }
    if (!machine->lost) free(launch.handshake);
    return status;
}
