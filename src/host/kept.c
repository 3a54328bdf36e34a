/* The arrays of tasks that a run keeps. */
#include "arrays/arrays.h"

#include "base/sized.h"
#include "host/host.h"
#include "os/state.h"

enum tg_status tg_run_keep_arrays(struct tg_run *run, const char *tasks)
{
    TG_OWN_STATE;
    TG_REQUIRE(run);
    TG_REQUIRE(tasks);
    if (run->launched) return tg_error(TG_ERR_ARGUMENT, "the run was launched; choose tasks before");
    if (run->config.pipe_order != TG_PIPE_ORDER_PROGRAM)
        return tg_error(TG_ERR_ARGUMENT, "arrays of tasks are kept only if pipes work in the kernel's own order");
    if (run->arrays) return tg_arrays_choose(run->arrays, tasks);
    struct tg_arrays *arrays = tg_arrays_open(&run->program->device->machine->gm, &run->program->kernels);
    if (!arrays) return tg_error(TG_ERR_MEMORY, "no memory for the arrays of tasks");
    enum tg_status status = tg_arrays_choose(arrays, tasks);
    if (status != TG_OK) {
        tg_arrays_close(arrays);
        return status;
    }
    run->arrays = arrays;
    tg_run_observe(run, tg_arrays_observer(arrays));
    return TG_OK;
}

static enum tg_status list_kept(const struct tg_run *run, const struct tg_kept ***kept, size_t *n)
{
    if (!run->arrays) return tg_error(TG_ERR_ARGUMENT, "the run keeps no arrays; call tg_run_keep_arrays first");
    if (!run->launched) return tg_error(TG_ERR_ARGUMENT, "the run was not launched yet; call tg_run_wait first");
    return tg_arrays_list(run->arrays, kept, n);
}

enum tg_status tg_run_n_kept_tasks(const struct tg_run *run, size_t *out)
{
    TG_REQUIRE(run);
    TG_REQUIRE(out);
    const struct tg_kept **kept;
    return list_kept(run, &kept, out);
}

static enum tg_status find_kept(const struct tg_run *run, size_t idx, const struct tg_kept **out)
{
    const struct tg_kept **kept;
    size_t n;
    TG_TRY(list_kept(run, &kept, &n));
    if (idx >= n) return tg_error(TG_ERR_ARGUMENT, "there is no kept task %zu; the run has %zu", idx, n);
    *out = kept[idx];
    return TG_OK;
}

enum tg_status tg_run_get_kept_task(const struct tg_run *run, size_t task_idx, struct tg_kept_task *out)
{
    static const struct tg_sized sized = {"tg_kept_task", sizeof *out, sizeof *out};
    const struct tg_kept *kept;
    TG_REQUIRE(run);
    TG_REQUIRE(out);
    TG_TRY(find_kept(run, task_idx, &kept));
    return tg_sized_give(&sized, out, &kept->task);
}

enum tg_status tg_run_get_kept_array(const struct tg_run *run, size_t task_idx, size_t array_idx,
                                     struct tg_kept_array *out)
{
    static const struct tg_sized sized = {"tg_kept_array", sizeof *out, sizeof *out};
    const struct tg_kept *kept;
    TG_REQUIRE(run);
    TG_REQUIRE(out);
    TG_TRY(find_kept(run, task_idx, &kept));
    if (array_idx >= kept->task.n_arrays)
        return tg_error(TG_ERR_ARGUMENT, "there is no array %zu; task %d has %u", array_idx, kept->task.task_id,
                        kept->task.n_arrays);
    return tg_sized_give(&sized, out, &kept->arrays[array_idx]);
}

enum tg_status tg_run_write_arrays(const struct tg_run *run, const char *tasks, const char *folder)
{
    TG_OWN_STATE;
    const struct tg_kept **kept;
    size_t n;
    TG_REQUIRE(run);
    TG_REQUIRE(tasks);
    TG_REQUIRE(folder);
    TG_TRY(list_kept(run, &kept, &n));
    return tg_arrays_write(run->arrays, tasks, folder, run->result.n_tasks);
}
