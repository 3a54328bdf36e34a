/* What a caller does with a run: open it, wait for it, replay it, cancel it, close it. */
#include "host/host.h"
#include "os/state.h"

static enum tg_status check_device(const struct tg_device *device)
{
    if (!device->machine->lost) return TG_OK;
    return tg_error(TG_ERR_KERNEL_TIMEOUT,
                    "foreign code of an earlier run blocks all signals and still runs on a thread "
                    "of this device: it runs nothing more; open another device");
}

enum tg_status tg_run_open(struct tg_program *program, const struct tg_run_config *config,
                           const struct tg_tensor *tensors, size_t n_tensors, struct tg_run **out)
{
    TG_OWN_STATE;
    TG_REQUIRE(program);
    TG_REQUIRE(config);
    TG_REQUIRE(tensors || n_tensors == 0);
    TG_REQUIRE(out);
    TG_TRY(check_device(program->device));
    TG_TRY(tg_run_check(program, config, tensors, n_tensors));
    struct tg_run *run;
    TG_TRY(tg_run_create(program, program->orchestration, config, tensors, n_tensors, NULL, &run));
    enum tg_status status = tg_schedules_open(run);
    if (status != TG_OK) {
        tg_run_close(run);
        return status;
    }
    *out = run;
    return TG_OK;
}

enum tg_status tg_run_wait(struct tg_run *run)
{
    TG_OWN_STATE;
    TG_REQUIRE(run);
    if (run->launched) return tg_error(TG_ERR_ARGUMENT, "this run was launched before; open another");
    TG_TRY(check_device(run->program->device));
    run->launched = true;
    enum tg_status status = tg_run_execute(run);
    if (status == TG_OK) status = tg_schedules_compare(run);
    if (run->config.check || run->config.schedules > 1) status = tg_host_judge(run, status);
    run->may_replay = status == TG_OK;
    return status;
}

/* Does every change name an argument that is there? */
static enum tg_status check_changes(struct tg_run *run, const struct tg_argument *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct tg_task *task = tg_graph_find(&run->graph, changes[i].task_id);
        if (!task)
            return tg_error(TG_ERR_ARGUMENT, "change %zu: there is no task %d; the graph has %llu", i,
                            changes[i].task_id, (unsigned long long)run->graph.n_added);
        if (changes[i].index >= task->n_args)
            return tg_error(TG_ERR_ARGUMENT, "change %zu: task %d has %u arguments, no number %u", i,
                            changes[i].task_id, task->n_args, changes[i].index);
    }
    return TG_OK;
}

enum tg_status tg_run_replay(struct tg_run *run, const struct tg_argument *changes, size_t n_changes)
{
    TG_OWN_STATE;
    TG_REQUIRE(run);
    TG_REQUIRE(changes || n_changes == 0);
    if (!run->config.keep) return tg_error(TG_ERR_ARGUMENT, "the run was opened without keep; set tg_run_config.keep");
    if (!run->may_replay) return tg_error(TG_ERR_ARGUMENT, "only a run that succeeded can be replayed");
    TG_TRY(check_device(run->program->device));
    TG_TRY(check_changes(run, changes, n_changes));
    run->may_replay = false;
    enum tg_status status = tg_run_execute_again(run, changes, n_changes);
    run->may_replay = status == TG_OK;
    return status;
}

void tg_run_cancel(struct tg_run *run)
{
    if (!run) return;
    tg_failure_cancel(&run->own_failure);
    tg_failure_cancel(&run->others_failure);
}

void tg_run_result(const struct tg_run *run, struct tg_run_result *result) { *result = run->result; }

void tg_run_on_progress(struct tg_run *run, tg_progress_fn *fn, void *context)
{
    run->progress = fn;
    run->progress_context = context;
}

void tg_run_close(struct tg_run *run)
{
    if (!run) return;
    tg_schedules_close(run);
    tg_run_destroy(run);
}
