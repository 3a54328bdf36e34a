/* The requests that a run accepts: defaults, and checks before anything happens. */
#include <stdlib.h>
#include <string.h>

#include "base/sized.h"
#include "host/host.h"

enum { TENSORS_MAX = 1000 };

static const struct tg_sized sized_config = {"tg_run_config", sizeof(struct tg_run_config),
                                             offsetof(struct tg_run_config, declared_size)};
static const struct tg_sized sized_tensor = {"tg_tensor", sizeof(struct tg_tensor), sizeof(struct tg_tensor)};
static const struct tg_sized sized_declared = {"tg_declared", sizeof(struct tg_declared), sizeof(struct tg_declared)};

static const struct tg_run_config defaults = {
    .size = sizeof defaults,
    .runtime = TG_AICPU_BUILD_GRAPH,
    .build_mode = TG_BUILD_CONCURRENT,
    .aicpu_thread_num = 3,
    .block_dim = 24,
    .window = 16384,
    .kernel_limit_ms = 10000,
    .schedules = 1,
    .declared_size = sizeof(struct tg_declared),
};

enum tg_status tg_run_config_fill(struct tg_run_config *config)
{
    return tg_sized_give(&sized_config, config, &defaults);
}

enum tg_status tg_run_ask_init(struct tg_run_ask *ask, const struct tg_run_config *config,
                               const struct tg_tensor *tensors, size_t tensor_size, size_t n_tensors)
{
    *ask = (struct tg_run_ask){.config = defaults, .n_tensors = n_tensors};
    TG_TRY(tg_sized_take(&sized_config, &ask->config, config));
    if (n_tensors == 0 || n_tensors > TENSORS_MAX)
        return tg_error(TG_ERR_ARGUMENT, "%zu tensors; 1 to %d are possible", n_tensors, TENSORS_MAX);
    if (ask->config.n_declared > 0 && !ask->config.declared)
        return tg_error(TG_ERR_ARGUMENT, "declared is NULL, n_declared %zu", ask->config.n_declared);
    TG_TRY(tg_sized_array(&sized_declared, ask->config.declared, ask->config.declared_size, ask->config.n_declared,
                          &ask->declared));
    ask->config.declared = ask->declared;
    ask->config.declared_size = sizeof(struct tg_declared);
    void *items;
    enum tg_status status = tg_sized_array(&sized_tensor, tensors, tensor_size, n_tensors, &items);
    ask->tensors = items;
    if (status != TG_OK) tg_run_ask_fini(ask);
    return status;
}

void tg_run_ask_fini(struct tg_run_ask *ask)
{
    free(ask->declared);
    free(ask->tensors);
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
    const char *meant = tg_nearest_name(name, runtime_names, 2);
    return tg_error(TG_ERR_ARGUMENT, "runtime '%s' %s; there are: aicpu_build_graph host_build_graph%s%s", name, known,
                    meant ? "; did you mean " : "", meant ? meant : "");
}

/* Requests that a machine with cores refuses. */
static enum tg_status check_not_workers(const struct tg_run_config *config)
{
    if (config->reproducible)
        return tg_error(TG_ERR_ARGUMENT, "reproducible is set; on a2a3sim every run is, without it");
    return TG_OK;
}

/* The numbers of control threads and blocks; a machine with workers has neither. */
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

/* Requests that a machine with workers refuses. */
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

enum tg_status tg_run_check(const struct tg_program *program, const struct tg_run_ask *ask)
{
    TG_TRY(check_config(&ask->config, program->device->machine));
    TG_TRY(check_tensors(ask->tensors, ask->n_tensors, &ask->config));
    TG_TRY(check_declared(&ask->config, ask->tensors, ask->n_tensors));
    if (!program->orchestration) return tg_error(TG_ERR_ARGUMENT, "the program has no orchestration");
    return TG_OK;
}
