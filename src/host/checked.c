/* The host's part of a checked run: declare device memory, connect the kernels' plain accesses, check the outputs. */
#include "check/memory/libc_calls.h"
#include "check/memory/plain.h"
#include "check/observe/check_observer.h"
#include "host/host.h"

static void foreign(void *context, const struct tg_gm_owner *owner, uint64_t address, uint64_t bytes)
{
    struct tg_run *run = context;
    if (owner == &run->tensor_memory || owner == &run->plugin_memory) return;
    tg_memory_check_foreign(&run->check.memory, address, bytes, "device memory that this run did not allocate");
}

enum tg_status tg_host_check_open(struct tg_run *run)
{
    const struct tg_run_config *config = &run->config;
    if (!config->check) return TG_OK;
    bool build_first = config->runtime == TG_HOST_BUILD_GRAPH || config->build_mode == TG_BUILD_SEQUENTIAL;
    TG_TRY(tg_check_init(&run->check, build_first));
    run->check_observer = tg_check_observer_open(&run->check, run->program->device->machine->isa);
    if (!run->check_observer) return tg_error(TG_ERR_MEMORY, "no memory for the checks");
    tg_run_observe(run, tg_check_observer_entry(run->check_observer));
    run->tensor_memory.guarded = run->plugin_memory.guarded = true;
    struct tg_memory_check *memory = &run->check.memory;
    struct tg_gm *gm = &run->program->device->machine->gm;
    tg_memory_check_device(memory, (uint64_t)(uintptr_t)gm->pages.base, gm->capacity);
    tg_memory_check_declare(memory, config->declared, config->n_declared);
    tg_gm_each(gm, foreign, run);
    return TG_OK;
}

void tg_host_check_launch(struct tg_run *run)
{
    const struct tg_kernels *kernels = &run->program->kernels;
    for (uint32_t i = 0; i < kernels->n; i++)
        if (kernels->by_id[i].entry) tg_plain_listen(kernels->by_id[i].module, run->config.check);
    /* Memory that was allocated after the run was opened. */
    if (run->config.check) tg_gm_each(&run->program->device->machine->gm, foreign, run);
}

/* One object under examination. */
struct object {
    const struct tg_unseen *unseen;
    const char *what, *name;
    bool found;
};

static void unknown_call(void *context, const char *function)
{
    struct object *object = context;
    object->found = true;
    if (object->unseen) object->unseen->visit(object->unseen->context, object->what, object->name, function);
}

static bool does_unseen(const struct tg_module *module, const char *what, const char *name,
                        const struct tg_unseen *unseen)
{
    struct object object = {unseen, what, name, false};
    if (tg_plain_tells(module)) tg_libc_calls_unknown(module, unknown_call, &object);
    else unknown_call(&object, NULL);
    return object.found;
}

/* Did a task of the run use this kernel? */
static bool has_run(const struct tg_run *run, const char *kernel)
{
    const struct tg_memory_check *memory = &run->check.memory;
    for (size_t i = 0; i < memory->n_tasks; i++)
        if (memory->tasks[i].kernel == kernel) return true;
    return false;
}

void tg_host_check_unseen(const struct tg_run *run, const struct tg_unseen *unseen, uint32_t *n_unseen)
{
    const struct tg_kernels *kernels = &run->program->kernels;
    *n_unseen = 0;
    for (uint32_t i = 0; i < kernels->n; i++)
        if (kernels->by_id[i].entry && has_run(run, kernels->by_id[i].name))
            *n_unseen += does_unseen(kernels->by_id[i].module, "kernel", kernels->by_id[i].name, unseen);
    if (run->plugin) *n_unseen += does_unseen(&run->plugin->module, "the orchestration", "", unseen);
}

/* The tensor that host memory at `data` belongs to, and the offset in it. n_tensors: no tensor. */
static size_t tensor_of(const struct tg_run *run, const void *data, uint64_t *offset)
{
    for (size_t i = 0; i < run->n_tensors; i++) {
        const void *whole = run->staging[i] ? run->staging[i] : run->tensors[i].data;
        uint64_t distance = (uint64_t)((uintptr_t)data - (uintptr_t)whole);
        if ((uintptr_t)data < (uintptr_t)whole || distance >= run->tensors[i].bytes) continue;
        *offset = distance;
        return i;
    }
    return run->n_tensors;
}

void tg_host_check_copied(struct tg_run *run, uint64_t device, const void *host, uint64_t bytes)
{
    if (!run->config.check || bytes == 0) return;
    uint64_t offset = 0;
    size_t i = tensor_of(run, host, &offset);
    const struct tg_tensor *tensor = i < run->n_tensors ? &run->tensors[i] : NULL;
    tg_memory_check_copied(&run->check.memory, device, bytes, tensor, (uint32_t)i, offset);
}

void tg_host_check_read(struct tg_run *run, uint64_t device, uint64_t bytes)
{
    if (!run->config.check || bytes == 0) return;
    const struct tg_access access = {.address = device, .bytes = bytes, .op = "copy_from_device", .file = NULL};
    tg_memory_check_access(&run->check.memory, TG_BUILDER, &access);
}

static void look_at_outputs(struct tg_run *run)
{
    struct tg_memory_check *memory = &run->check.memory;
    for (size_t i = 0; i < run->n_pairs; i++) tg_memory_check_output(memory, run->pairs[i].device, run->pairs[i].bytes);
    if (run->config.runtime == TG_HOST_BUILD_GRAPH) return;
    for (size_t i = 0; i < run->n_tensors; i++)
        if (run->tensors[i].direction == TG_OUT) tg_memory_check_output(memory, run->args[i], run->tensors[i].bytes);
}

enum tg_status tg_host_check_outputs(struct tg_run *run)
{
    if (!run->config.check) return TG_OK;
    look_at_outputs(run);
    const struct tg_finding_list *found = &run->check.findings;
    const bool lost = found->lost || tg_memory_check_lost(&run->check.memory);
    if (found->n > 0 || !lost) return TG_OK;
    return tg_error(TG_ERR_MEMORY, "no memory for what the checks found");
}
