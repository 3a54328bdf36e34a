/* One execution of a program: prepare device memory and arguments, launch, copy back, release. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/now.h"
#include "check/observe/check_observer.h"
#include "host/host.h"
#include "os/memory_limit.h"
#include "os/started.h"

/* ---- open ---- */

static uint64_t memory_limit; /* the most memory that this process can have, in bytes */

static void find_memory_limit(void)
{
    struct tg_memory_left memory;
    tg_memory_look("", &memory);
    memory_limit = memory.limit;
}

static uint64_t graph_limit(const struct tg_run_config *config)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (config->graph_bytes > 0) return config->graph_bytes;
    pthread_once(&once, find_memory_limit);
    return memory_limit / 2;
}

/* Refuse tensors that cannot fit, before the system kills the process for them. */
static enum tg_status check_memory(const struct tg_run *run)
{
    enum { ALWAYS_FITS = 64 << 20 }; /* bytes; below this the check takes longer than the copy */
    const bool on_host = run->config.runtime == TG_HOST_BUILD_GRAPH;
    struct tg_memory_left memory;
    uint64_t bytes = 0; /* of the tensors on the device, or of the copies of outputs for a plugin on the host */
    for (size_t i = 0; i < run->n_tensors; i++) {
        const struct tg_tensor *tensor = &run->tensors[i];
        if (tensor->direction == TG_RESIDENT || (on_host && tensor->direction == TG_IN)) continue;
        bytes = bytes > UINT64_MAX - tensor->bytes ? UINT64_MAX : bytes + tensor->bytes;
    }
    if (bytes < ALWAYS_FITS) return TG_OK;
    if (bytes > run->program->device->machine->gm.capacity)
        return TG_OK; /* the device refuses it, and names its own numbers */
    tg_memory_look("", &memory);
    if (bytes <= memory.left) return TG_OK;
    return tg_error(TG_ERR_MEMORY,
                    "the run's tensors take %llu bytes of memory beside the caller's own; %llu bytes are left (of this "
                    "computer's, or of the control group's limit)",
                    (unsigned long long)bytes, (unsigned long long)memory.left);
}

/* A tensor that the caller has placed in device memory. */
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
        /* Fresh device memory is poisoned, as an output must be. */
        if (tensor->direction == TG_OUT) tg_gm_expect_writes(&device->machine->gm, run->args[i], tensor->bytes);
        if (tensor->direction == TG_IN || tensor->direction == TG_INOUT)
            TG_TRY(tg_copy_to_device(device, run->args[i], tensor->data, tensor->bytes));
        if (run->config.check) tg_memory_check_tensor(&run->check.memory, run->args[i], tensor, (uint32_t)i);
    }
    run->args[2 * n] = run->tensors[0].elements;
    return TG_OK;
}

void tg_run_observe(struct tg_run *run, struct tg_observer *observer)
{
    observer->next = run->observers;
    run->observers = observer;
}

static enum tg_status prepare(struct tg_run *run, const struct tg_tensor *tensors)
{
    size_t n = run->n_tensors;
    run->tensors = calloc(n, sizeof *run->tensors);
    run->args = calloc(2 * n + 1, sizeof *run->args);
    run->staging = calloc(n, sizeof *run->staging);
    if (!run->tensors || !run->args || !run->staging) return tg_error(TG_ERR_MEMORY, "no memory for %zu tensors", n);
    memcpy(run->tensors, tensors, n * sizeof *tensors);
    TG_TRY(check_memory(run));
    tg_gm_reset_peak(&run->program->device->machine->gm);
    if (run->config.record) {
        const uint32_t n_workers = run->program->device->machine->n_workers;
        TG_TRY(tg_recorder_open(&run->recorder, n_workers > 0 ? n_workers : TG_AICPU_THREADS_MAX,
                                run->config.record_pipes));
        tg_run_observe(run, &run->recorder.observer);
    }
    TG_TRY(tg_host_check_open(run));
    return run->config.runtime == TG_HOST_BUILD_GRAPH ? tg_host_build(run) : device_args(run);
}

enum tg_status tg_run_create(struct tg_program *program, struct tg_orchestration *orchestration,
                             const struct tg_run_config *config, const struct tg_tensor *tensors, size_t n_tensors,
                             struct tg_failure *failure, struct tg_run **out)
{
    struct tg_run *run = aligned_alloc(64, (sizeof *run + 63) / 64 * 64);
    if (!run) return tg_error(TG_ERR_MEMORY, "no memory for a run");
    memset(run, 0, sizeof *run);
    run->program = program;
    program->n_users++;
    run->orchestration = orchestration;
    orchestration->n_users++;
    run->config = *config;
    run->n_tensors = n_tensors;
    tg_failure_init(&run->own_failure);
    run->failure = failure ? failure : &run->own_failure;
    tg_graph_init(&run->graph, graph_limit(config));
    run->graph.keep = config->keep;
    tg_graph_init(&run->host_graph, run->graph.limit_bytes);
    enum tg_status status = prepare(run, tensors);
    if (status != TG_OK) {
        tg_run_destroy(run);
        return status;
    }
    *out = run;
    return TG_OK;
}

/* ---- execute ---- */

static enum tg_status copy_back(struct tg_run *run)
{
    if (run->config.runtime == TG_HOST_BUILD_GRAPH) return tg_host_copy_back(run);
    for (size_t i = 0; i < run->n_tensors; i++)
        if (run->tensors[i].direction == TG_OUT || run->tensors[i].direction == TG_INOUT)
            TG_TRY(
                tg_copy_from_device(run->program->device, run->tensors[i].data, run->args[i], run->tensors[i].bytes));
    return TG_OK;
}

/* A launch has succeeded. Did the foreign code do harm outside of it? */
static void check_harm(struct tg_run *run)
{
    struct tg_machine *machine = run->program->device->machine;
    const struct tg_kernels *kernels = &run->program->kernels;
    char what[128];
    /* Foreign code that closes unknown descriptors would harm the host, too. Checking is a system call, so only guarded
     * foreign code is checked. */
    if (machine->catch_faults && tg_gm_lost_file(&machine->gm))
        tg_failure_set(run->failure, TG_ERR_KERNEL_FAULT,
                       "a kernel or the orchestration plugin has closed file descriptors that it did not open");
    /* Threads that kernels or the plugin started. */
    for (uint32_t i = 0; i < kernels->n; i++)
        if (kernels->by_id[i].entry && tg_started_failed(kernels->by_id[i].module->text, what, sizeof what))
            tg_failure_set(run->failure, TG_ERR_KERNEL_FAULT, "a thread that kernel %s started: %s",
                           kernels->by_id[i].name, what);
    if (run->plugin && tg_started_failed(run->plugin->module.text, what, sizeof what))
        tg_failure_set(run->failure, TG_ERR_PLUGIN_FAULT, "a thread that the orchestration plugin started: %s", what);
}

/* The machine goes on: report the progress of the graph to the caller. */
static void show_progress(void *context, uint64_t device_ns)
{
    struct tg_run *run = context;
    uint64_t n_complete = tg_graph_n_complete(&run->graph);
    const struct tg_progress progress = {
        .n_published = n_complete + tg_graph_in_flight(&run->graph), .n_complete = n_complete, .device_ns = device_ns};
    run->progress(run->progress_context, &progress);
}

/* The objects of this process that a launch uses. */
static struct tg_launch_place place_of(struct tg_run *run)
{
    return (struct tg_launch_place){
        .machine = run->program->device->machine,
        .kernels = &run->program->kernels,
        .graph = &run->graph,
        .ready = run->ready,
        .builder = &run->builder,
        .gm_owner = &run->plugin_memory,
        .failure = run->failure,
        .progress = run->progress ? show_progress : NULL,
        .progress_context = run,
    };
}

enum tg_status tg_run_execute(struct tg_run *run)
{
    const uint64_t start = tg_now_ns(CLOCK_MONOTONIC);
    struct tg_machine *machine = run->program->device->machine;
    const struct tg_graph *built = run->host_graph.n_added > 0 ? &run->host_graph : &run->graph;
    struct tg_launch_report report = {.first_start_ns = UINT64_MAX,
                                      .n_tasks = built->n_added,
                                      .n_edges = built->n_edges,
                                      .peak_graph_bytes = built->peak_bytes};
    struct tg_launch_place place = place_of(run);
    struct tg_launch_data *data = NULL;
    tg_host_check_launch(run);
    if (run->arrays) tg_arrays_reset(run->arrays);
    /* The caller may have freed tensors that it had placed in device memory. */
    for (size_t i = 0; i < run->n_tensors; i++)
        if (run->tensors[i].direction == TG_RESIDENT && use_resident(run, i) != TG_OK)
            tg_failure_set(run->failure, TG_ERR_GLOBAL_MEMORY, "%s", tg_last_message());
    enum tg_status status = tg_host_write_launch(run, &data);
    /* It may have failed before: it was cancelled, a plugin failed on the host, or a tensor has been freed. */
    if (status == TG_OK && tg_failure_status(run->failure) == TG_OK) {
        machine->observers = run->observers;
        status = tg_launch_carry_out(data, &place, &report);
        machine->observers = NULL;
    }
    if (place.plugin) run->plugin = place.plugin;
    if (run->config.record && !machine->lost) {
        const enum tg_status taken = tg_recorder_take(&run->recorder, &run->record);
        if (status == TG_OK) status = taken;
    }
    tg_host_collect(run, &report);
    if (status == TG_OK) check_harm(run);
    if (status == TG_OK) {
        /* The launch is over. A failure that several runs share stays open for the next run. */
        const bool is_own = run->failure == &run->own_failure;
        status = is_own ? tg_failure_close(run->failure) : tg_failure_status(run->failure);
        if (status != TG_OK) tg_error(status, "%s", tg_failure_message(run->failure));
    }
    if (status == TG_OK) status = tg_host_check_outputs(run);
    if (status == TG_OK) status = copy_back(run);
    run->result.has_outputs = status == TG_OK;
    run->sound = status == TG_OK && (run->sound || !run->replays);
    run->result.host_ns = tg_now_ns(CLOCK_MONOTONIC) - start;
    tg_log(TG_LOG_INFO, "%llu tasks, %llu edges, %llu ns on the device", (unsigned long long)run->result.n_tasks,
           (unsigned long long)run->result.n_edges, (unsigned long long)run->result.device_ns);
    return status;
}

enum tg_status tg_run_execute_again(struct tg_run *run, const struct tg_argument *changes, size_t n_changes)
{
    struct tg_device *device = run->program->device;
    /* Inputs with the caller's current contents, outputs poisoned again. */
    for (size_t i = 0; i < run->n_tensors; i++) {
        const struct tg_tensor *tensor = &run->tensors[i];
        if (tensor->direction == TG_IN || tensor->direction == TG_INOUT)
            TG_TRY(tg_copy_to_device(device, run->args[i], tensor->data, tensor->bytes));
        if (tensor->direction == TG_OUT) device->machine->ops->fill(device->machine, run->args[i], 0xFF, tensor->bytes);
    }
    tg_record_fini(&run->record);
    run->replays = true;
    run->changes = changes;
    run->n_changes = n_changes;
    (void)tg_failure_reopen(run->failure); /* it was closed, so it cannot be cancelled */
    return tg_run_execute(run);
}

/* ---- close ---- */

void tg_run_free_memory(struct tg_run *run)
{
    struct tg_gm *gm = &run->program->device->machine->gm;
    tg_gm_free_all(gm, &run->plugin_memory);
    tg_gm_free_all(gm, &run->tensor_memory);
}

void tg_run_destroy(struct tg_run *run)
{
    if (run->program->device->machine->lost)
        return; /* foreign code may still use the run, its program and its device */
    tg_graph_fini(&run->graph);
    tg_graph_fini(&run->host_graph);
    /* The plugin of another program than the present one is not used again; a checked plugin is bound to the checks. */
    const bool is_current = run->program->orchestration == run->orchestration;
    tg_plugins_give(run->program->device->machine, run->plugin, run->sound && is_current && !run->config.check);
    tg_run_free_memory(run);
    for (size_t i = 0; run->staging && i < run->n_tensors; i++) free(run->staging[i]);
    free(run->staging);
    free(run->tensors);
    free(run->args);
    free(run->launch_data);
    free(run->replay_data);
    free(run->pairs);
    tg_recorder_close(&run->recorder);
    tg_check_observer_close(run->check_observer);
    tg_arrays_close(run->arrays);
    tg_record_fini(&run->record);
    tg_check_fini(&run->check);
    tg_orchestration_release(run->orchestration);
    tg_program_release(run->program);
    free(run);
}
