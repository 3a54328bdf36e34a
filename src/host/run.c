/* Runs: check, prepare device memory and arguments, launch, copy back, release. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "host/host.h"
#include "os/state.h"
#include "trace/analysis.h"
#include "trace/chrome.h"
#include "trace/dot.h"
#include "trace/report.h"
#include "trace/summary.h"

void tg_run_config_init(struct tg_run_config *config)
{
    *config = (struct tg_run_config){
        .runtime = TG_AICPU_BUILD_GRAPH,
        .build_mode = TG_BUILD_CONCURRENT,
        .aicpu_thread_num = 3,
        .block_dim = 24,
        .window = 16384,
        .kernel_limit_ms = 10000,
        .schedules = 1,
    };
}

static const char *const runtime_names[] = {"aicpu_build_graph", "host_build_graph"};

enum tg_status tg_runtime_by_name(const char *name, enum tg_runtime_kind *out)
{
    for (int i = 0; i < 2; i++) {
        if (strcmp(name, runtime_names[i]) != 0) continue;
        *out = (enum tg_runtime_kind)i;
        return TG_OK;
    }
    const char *known = strcmp(name, "tensormap_and_ringbuffer") == 0 ? "is known and not offered" : "is unknown";
    return tg_error(TG_ERR_ARGUMENT, "runtime '%s' %s; there are: aicpu_build_graph host_build_graph", name, known);
}

/* ---- checks ---- */

/* What a machine with cores cannot do. */
static enum tg_status check_not_workers(const struct tg_run_config *config)
{
    if (config->reproducible)
        return tg_error(TG_ERR_ARGUMENT, "reproducible is set; on a2a3sim every run is, without it");
    return TG_OK;
}

/* How many control threads and blocks: questions that a machine with workers does not ask. */
static enum tg_status check_cores(const struct tg_run_config *config, uint32_t n_blocks)
{
    bool on_device = config->runtime == TG_AICPU_BUILD_GRAPH;
    if (config->aicpu_thread_num > TG_AICPU_THREADS_MAX || config->aicpu_thread_num < (on_device ? 2u : 1u))
        return tg_error(TG_ERR_ARGUMENT, "aicpu_thread_num is %u; %s takes %d to %d%s", config->aicpu_thread_num,
                        runtime_names[config->runtime], on_device ? 2 : 1, TG_AICPU_THREADS_MAX,
                        on_device ? ": one builds, the others schedule" : "");
    if (config->block_dim < 1 || config->block_dim > n_blocks)
        return tg_error(TG_ERR_ARGUMENT, "block_dim is %u; the device has %u blocks of 1 AIC and 2 AIV, use 1 to %u",
                        config->block_dim, n_blocks, n_blocks);
    return TG_OK;
}

/* What a machine with workers cannot do. */
static enum tg_status check_workers(const struct tg_run_config *config)
{
    if (config->schedule_seed != 0)
        return tg_error(TG_ERR_ARGUMENT,
                        "schedule_seed is %llu; workers run in real time, which no seed repeats: use 0",
                        (unsigned long long)config->schedule_seed);
    if (config->check) return tg_error(TG_ERR_ARGUMENT, "check is set; only platform a2a3sim has checks");
    if (config->record_pipes) return tg_error(TG_ERR_ARGUMENT, "record_pipes is set; only platform a2a3sim has pipes");
    if (config->pipe_order != TG_PIPE_ORDER_PROGRAM)
        return tg_error(TG_ERR_ARGUMENT, "pipe_order is %u; only platform a2a3sim has pipes", config->pipe_order);
    if (config->schedules > 1)
        return tg_error(TG_ERR_ARGUMENT, "schedules is %u; workers run in real time, which no seed repeats: use 1",
                        config->schedules);
    return TG_OK;
}

static enum tg_status check_config(const struct tg_run_config *config, const struct tg_machine *machine)
{
    if (config->runtime > TG_HOST_BUILD_GRAPH) return tg_error(TG_ERR_ARGUMENT, "unknown runtime %u", config->runtime);
    if (config->build_mode > TG_BUILD_SEQUENTIAL)
        return tg_error(TG_ERR_ARGUMENT, "unknown build mode %u", config->build_mode);
    if (config->pipe_order > TG_PIPE_ORDER_EARLY)
        return tg_error(TG_ERR_ARGUMENT, "unknown pipe order %u", config->pipe_order);
    if (machine->n_workers == 0) TG_TRY(check_not_workers(config));
    if (machine->n_workers == 0) TG_TRY(check_cores(config, machine->n_blocks));
    else TG_TRY(check_workers(config));
    if (config->record_pipes && !config->record)
        return tg_error(TG_ERR_ARGUMENT, "record_pipes is set and record is not; set both");
    if (config->schedules == 0) return tg_error(TG_ERR_ARGUMENT, "schedules is 0; a run is under at least one");
    const bool sequential = config->runtime == TG_AICPU_BUILD_GRAPH && config->build_mode == TG_BUILD_SEQUENTIAL;
    if (config->keep && !sequential)
        return tg_error(TG_ERR_ARGUMENT, "keep is set; it needs aicpu_build_graph with build_mode TG_BUILD_SEQUENTIAL");
    if (config->keep && (config->check || config->schedules > 1))
        return tg_error(TG_ERR_ARGUMENT, "keep is set; it does not combine with check or schedules");
    if (config->window == 0) return tg_error(TG_ERR_ARGUMENT, "window is 0; it has to hold at least one task");
    if (config->kernel_limit_ms == 0) return tg_error(TG_ERR_ARGUMENT, "kernel_limit_ms is 0");
    return TG_OK;
}

static enum tg_status check_tensors(const struct tg_tensor *tensors, size_t n, const struct tg_run_config *config)
{
    if (n == 0 || n > 1000) return tg_error(TG_ERR_ARGUMENT, "%zu tensors; 1 to 1000 are possible", n);
    for (size_t i = 0; i < n; i++) {
        const char *name = tensors[i].name ? tensors[i].name : "without a name";
        if (!tensors[i].data || tensors[i].bytes == 0)
            return tg_error(TG_ERR_ARGUMENT, "tensor %zu (%s) has no data", i, name);
        if (tensors[i].direction > TG_RESIDENT)
            return tg_error(TG_ERR_ARGUMENT, "tensor %zu (%s): unknown direction %u", i, name, tensors[i].direction);
        if (tensors[i].direction != TG_RESIDENT) continue;
        if (config->runtime == TG_HOST_BUILD_GRAPH)
            return tg_error(TG_ERR_ARGUMENT,
                            "tensor %zu (%s) is resident; with host_build_graph the plugin places the tensors", i,
                            name);
        if (config->schedules > 1)
            return tg_error(TG_ERR_ARGUMENT,
                            "tensor %zu (%s) is resident; a second schedule would see what the first did", i, name);
    }
    return TG_OK;
}

static enum tg_status check_declared(const struct tg_run_config *config, const struct tg_tensor *tensors, size_t n)
{
    if (config->n_declared > 0 && !config->declared)
        return tg_error(TG_ERR_ARGUMENT, "declared is NULL, n_declared %zu", config->n_declared);
    for (size_t i = 0; i < config->n_declared; i++) {
        const struct tg_declared *d = &config->declared[i];
        if (d->tensor >= n) return tg_error(TG_ERR_ARGUMENT, "declared[%zu]: there is no tensor %u", i, d->tensor);
        if (d->kind > TG_READ_ONLY) return tg_error(TG_ERR_ARGUMENT, "declared[%zu]: unknown kind %u", i, d->kind);
        uint64_t bytes = tensors[d->tensor].bytes;
        if (d->bytes == 0 || d->offset > bytes || d->bytes > bytes - d->offset)
            return tg_error(TG_ERR_ARGUMENT, "declared[%zu]: %llu bytes from byte %llu on are not in the tensor's %llu",
                            i, (unsigned long long)d->bytes, (unsigned long long)d->offset, (unsigned long long)bytes);
    }
    return TG_OK;
}

/* ---- open ---- */

static uint64_t graph_limit(const struct tg_run_config *config)
{
    if (config->graph_bytes > 0) return config->graph_bytes;
    return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
}

/* A tensor that the caller has put into device memory. */
static enum tg_status use_resident(struct tg_run *run, size_t i)
{
    const struct tg_tensor *tensor = &run->tensors[i];
    run->args[i] = (uint64_t)(uintptr_t)tensor->data;
    if (tg_gm_contains(&run->program->device->machine->gm, run->args[i], tensor->bytes)) return TG_OK;
    return tg_error(TG_ERR_GLOBAL_MEMORY, "tensor %zu (%s): %llu bytes at 0x%llx are not inside one allocation", i,
                    tensor->name ? tensor->name : "without a name", (unsigned long long)tensor->bytes,
                    (unsigned long long)run->args[i]);
}

/* Tensors in device memory and the plugin's arguments: n addresses, n sizes, the count of the first. */
static enum tg_status device_args(struct tg_run *run)
{
    struct tg_device *device = run->program->device;
    size_t n = run->n_tensors;
    for (size_t i = 0; i < n; i++) {
        const struct tg_tensor *tensor = &run->tensors[i];
        run->args[n + i] = tensor->bytes;
        if (tensor->direction == TG_RESIDENT) TG_TRY(use_resident(run, i));
        else TG_TRY(tg_gm_alloc(&device->machine->gm, tensor->bytes, &run->tensor_memory, &run->args[i]));
        /* Fresh device memory is poisoned, which is what an output starts from. */
        if (tensor->direction == TG_OUT) tg_gm_expect_writes(&device->machine->gm, run->args[i], tensor->bytes);
        if (tensor->direction == TG_IN || tensor->direction == TG_INOUT)
            TG_TRY(tg_copy_to_device(device, run->args[i], tensor->data, tensor->bytes));
        if (run->config.check) tg_memory_check_tensor(&run->check.memory, run->args[i], tensor, (uint32_t)i);
    }
    run->args[2 * n] = run->tensors[0].elements;
    return TG_OK;
}

static enum tg_status prepare(struct tg_run *run, const struct tg_tensor *tensors)
{
    size_t n = run->n_tensors;
    run->tensors = calloc(n, sizeof *run->tensors);
    run->args = calloc(2 * n + 1, sizeof *run->args);
    run->staging = calloc(n, sizeof *run->staging);
    if (!run->tensors || !run->args || !run->staging) return tg_error(TG_ERR_MEMORY, "no memory for %zu tensors", n);
    memcpy(run->tensors, tensors, n * sizeof *tensors);
    TG_TRY(tg_schedules_prepare(run));
    tg_gm_reset_peak(&run->program->device->machine->gm);
    TG_TRY(tg_host_check_open(run));
    return run->config.runtime == TG_HOST_BUILD_GRAPH ? tg_host_build(run) : device_args(run);
}

enum tg_status tg_run_open(struct tg_program *program, const struct tg_run_config *config,
                           const struct tg_tensor *tensors, size_t n_tensors, struct tg_run **out)
{
    TG_OWN_STATE;
    TG_TRY(check_config(config, program->device->machine));
    TG_TRY(check_tensors(tensors, n_tensors, config));
    TG_TRY(check_declared(config, tensors, n_tensors));
    if (!program->plugin_bytes) return tg_error(TG_ERR_ARGUMENT, "the program has no orchestration");

    struct tg_run *run = aligned_alloc(64, (sizeof *run + 63) / 64 * 64);
    if (!run) return tg_error(TG_ERR_MEMORY, "no memory for a run");
    memset(run, 0, sizeof *run);
    run->program = program;
    run->config = *config;
    run->n_tensors = n_tensors;
    tg_failure_init(&run->failure);
    tg_graph_init(&run->graph, graph_limit(config));
    run->graph.keep = config->keep;
    enum tg_status status = prepare(run, tensors);
    if (status != TG_OK) {
        tg_run_close(run);
        return status;
    }
    *out = run;
    return TG_OK;
}

/* ---- wait ---- */

static enum tg_status copy_back(struct tg_run *run)
{
    if (run->config.runtime == TG_HOST_BUILD_GRAPH) return tg_host_copy_back(run);
    for (size_t i = 0; i < run->n_tensors; i++)
        if (run->tensors[i].direction == TG_OUT || run->tensors[i].direction == TG_INOUT)
            TG_TRY(
                tg_copy_from_device(run->program->device, run->tensors[i].data, run->args[i], run->tensors[i].bytes));
    return TG_OK;
}

static uint64_t host_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Launch, wait, copy back. */
static enum tg_status launch_and_wait(struct tg_run *run)
{
    uint64_t start = host_now();
    run->may_replay = false;
    tg_host_check_launch(run);
    enum tg_status status = tg_launch(run);
    if (status == TG_OK) tg_host_check_outputs(run);
    if (status == TG_OK) status = copy_back(run);
    run->result.has_outputs = status == TG_OK;
    if (status == TG_OK) status = tg_schedules_compare(run);
    if (run->config.check || run->config.schedules > 1) status = tg_host_judge(run, status);
    run->result.host_ns = host_now() - start;
    run->may_replay = status == TG_OK;
    tg_log(TG_LOG_INFO, "%llu tasks, %llu edges, %llu ns on the device", (unsigned long long)run->result.n_tasks,
           (unsigned long long)run->result.n_edges, (unsigned long long)run->result.device_ns);
    return status;
}

enum tg_status tg_run_wait(struct tg_run *run)
{
    TG_OWN_STATE;
    if (run->launched) return tg_error(TG_ERR_ARGUMENT, "this run was launched before; open another");
    run->launched = true;
    return launch_and_wait(run);
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

/* Inputs as the caller has them now, outputs as if nobody had written them. */
static enum tg_status refill(struct tg_run *run)
{
    struct tg_device *device = run->program->device;
    for (size_t i = 0; i < run->n_tensors; i++) {
        const struct tg_tensor *tensor = &run->tensors[i];
        if (tensor->direction == TG_IN || tensor->direction == TG_INOUT)
            TG_TRY(tg_copy_to_device(device, run->args[i], tensor->data, tensor->bytes));
        if (tensor->direction == TG_OUT) memset((void *)(uintptr_t)run->args[i], 0xFF, tensor->bytes);
    }
    return TG_OK;
}

enum tg_status tg_run_replay(struct tg_run *run, const struct tg_argument *changes, size_t n_changes)
{
    TG_OWN_STATE;
    if (!run->config.keep) return tg_error(TG_ERR_ARGUMENT, "the run was opened without keep; set tg_run_config.keep");
    if (!run->may_replay) return tg_error(TG_ERR_ARGUMENT, "only a run that succeeded can be replayed");
    TG_TRY(check_changes(run, changes, n_changes));
    TG_TRY(refill(run));
    for (size_t i = 0; i < n_changes; i++)
        tg_graph_set_arg(&run->graph, changes[i].task_id, changes[i].index, changes[i].value);
    tg_graph_rewind(&run->graph, &run->ready);
    tg_record_fini(&run->record);
    run->replays = true;
    return launch_and_wait(run);
}

void tg_run_cancel(struct tg_run *run) { tg_failure_set(&run->failure, TG_ERR_CANCELLED, "tg_run_cancel was called"); }

void tg_run_result(const struct tg_run *run, struct tg_run_result *result) { *result = run->result; }

void tg_run_on_progress(struct tg_run *run, tg_progress_fn *fn, void *context)
{
    run->progress = fn;
    run->progress_context = context;
}

/* ---- what happened ---- */

/* What is known of a run, while somebody looks at it. */
struct look {
    struct tg_index index;
    struct tg_findings findings;
};

static enum tg_status look_init(struct look *look, const struct tg_run *run)
{
    if (!run->config.record)
        return tg_error(TG_ERR_ARGUMENT, "the run was opened without record; set tg_run_config.record");
    if (!run->launched) return tg_error(TG_ERR_ARGUMENT, "the run was not launched yet; call tg_run_wait first");
    TG_TRY(tg_index_init(&look->index, &run->record));
    enum tg_status status = tg_analyse(&look->index, &look->findings);
    if (status != TG_OK) tg_index_fini(&look->index);
    return status;
}

static void look_fini(struct look *look)
{
    tg_findings_fini(&look->findings);
    tg_index_fini(&look->index);
}

enum tg_status tg_run_analyse(const struct tg_run *run, struct tg_analysis *out)
{
    TG_OWN_STATE;
    struct look look;
    TG_TRY(look_init(&look, run));
    *out = look.findings.figures;
    look_fini(&look);
    return TG_OK;
}

enum tg_status tg_run_print_summary(const struct tg_run *run, FILE *stream)
{
    TG_OWN_STATE;
    struct look look;
    TG_TRY(look_init(&look, run));
    tg_summary_print(&run->record, &look.findings, stream);
    look_fini(&look);
    return TG_OK;
}

enum tg_status tg_run_write_trace(const struct tg_run *run, const char *path)
{
    TG_OWN_STATE;
    struct look look;
    TG_TRY(look_init(&look, run));
    enum tg_status status = tg_chrome_write(&look.index, path);
    look_fini(&look);
    return status;
}

enum tg_status tg_run_write_graph(const struct tg_run *run, const char *path)
{
    TG_OWN_STATE;
    struct look look;
    TG_TRY(look_init(&look, run));
    enum tg_status status = tg_dot_write(&look.index, &look.findings, path);
    look_fini(&look);
    return status;
}

enum tg_status tg_run_write_report(const struct tg_run *run, const char *path)
{
    TG_OWN_STATE;
    struct look look;
    TG_TRY(look_init(&look, run));
    enum tg_status status = tg_report_write(&look.index, &look.findings, path);
    look_fini(&look);
    return status;
}

void tg_run_free_memory(struct tg_run *run)
{
    struct tg_gm *gm = &run->program->device->machine->gm;
    tg_gm_free_all(gm, &run->plugin_memory);
    tg_gm_free_all(gm, &run->tensor_memory);
}

void tg_run_close(struct tg_run *run)
{
    if (!run) return;
    tg_graph_fini(&run->graph);
    tg_module_close(&run->plugin);
    tg_run_free_memory(run);
    for (size_t i = 0; run->staging && i < run->n_tensors; i++) free(run->staging[i]);
    free(run->staging);
    tg_schedules_fini(run);
    free(run->tensors);
    free(run->args);
    free(run->pairs);
    tg_record_log_fini(&run->log);
    tg_record_log_fini(&run->pipe_log);
    tg_record_fini(&run->record);
    tg_check_fini(&run->check);
    free(run);
}
