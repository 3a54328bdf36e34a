/* Programs: kernels by func_id and the bytes of an orchestration plugin. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tilegraph/orchestration.h>
#include <tilegraph/tile.h>

#include "host/host.h"
#include "os/module.h"

enum { FUNC_ID_MAX = 65535 };

enum tg_status tg_program_open(struct tg_device *device, struct tg_program **out)
{
    struct tg_program *program = calloc(1, sizeof *program);
    if (!program) return tg_error(TG_ERR_MEMORY, "no memory for a program");
    program->device = device;
    *out = program;
    return TG_OK;
}

static void close_kernel(struct tg_kernel *kernel)
{
    if (kernel->entry) tg_module_close(kernel->module);
    free(kernel->module);
    free(kernel->name);
}

void tg_program_close(struct tg_program *program)
{
    if (!program) return;
    for (uint32_t i = 0; i < program->kernels.n; i++) close_kernel(&program->kernels.by_id[i]);
    free(program->kernels.by_id);
    free(program->kernels.addrs);
    free(program->plugin_bytes);
    free(program->function_name);
    free(program);
}

/* Make room for func_id. */
static enum tg_status grow(struct tg_kernels *kernels, uint32_t func_id)
{
    if (func_id < kernels->n) return TG_OK;
    uint32_t n = func_id + 1;
    struct tg_kernel *by_id = realloc(kernels->by_id, n * sizeof *by_id);
    if (by_id) kernels->by_id = by_id;
    uint64_t *addrs = realloc(kernels->addrs, n * sizeof *addrs);
    if (addrs) kernels->addrs = addrs;
    if (!by_id || !addrs) return tg_error(TG_ERR_MEMORY, "no memory for %u kernels", n);
    memset(by_id + kernels->n, 0, (n - kernels->n) * sizeof *by_id);
    memset(addrs + kernels->n, 0, (n - kernels->n) * sizeof *addrs);
    kernels->n = n;
    return TG_OK;
}

static enum tg_status check_kernel(const struct tg_program *program, int func_id, enum tg_core_type core_type,
                                   const char *name, const void *bytes)
{
    if (!name || !bytes) return tg_error(TG_ERR_ARGUMENT, "a kernel needs a name and bytes");
    if (func_id < 0 || func_id > FUNC_ID_MAX)
        return tg_error(TG_ERR_ARGUMENT, "kernel %s: func_id %d is not one of 0 to %d", name, func_id, FUNC_ID_MAX);
    if (core_type != TG_AIC && core_type != TG_AIV)
        return tg_error(TG_ERR_ARGUMENT, "kernel %s: core type %d is neither TG_AIC nor TG_AIV", name, (int)core_type);
    const struct tg_kernel *taken = tg_kernels_at(&program->kernels, func_id);
    if (taken) return tg_error(TG_ERR_ARGUMENT, "kernel %s: func_id %d is %s already", name, func_id, taken->name);
    return TG_OK;
}

/* Give the kernel its instruction set. A kernel that uses no tile.h has no use for one. */
static void bind(const struct tg_module *module, const void *isa)
{
    const struct tg_tile_isa **slot = tg_module_symbol(module, "tg_tile_isa");
    if (slot) *slot = isa;
}

static enum tg_status open_kernel(struct tg_program *program, struct tg_kernel *kernel, const void *bytes,
                                  size_t n_bytes, const char *what)
{
    TG_TRY(tg_module_open(kernel->module, bytes, n_bytes, what));
    bind(kernel->module, program->device->machine->isa);
    void *entry = tg_module_symbol(kernel->module, "kernel_entry");
    memcpy(&kernel->entry, &entry, sizeof entry); /* ISO C has no cast from object to function pointers */
    return TG_OK;
}

enum tg_status tg_program_add_kernel(struct tg_program *program, int func_id, enum tg_core_type core_type,
                                     const char *name, const void *bytes, size_t n_bytes)
{
    TG_TRY(check_kernel(program, func_id, core_type, name, bytes));
    char what[256];
    snprintf(what, sizeof what, "kernel %s", name);
    const struct tg_tile_isa *isa = program->device->machine->isa;
    const struct tg_rehearsal rehearsal = {"kernel_entry", {"tg_tile_abi", isa->abi, "tile.h"}, bind, isa};
    TG_TRY(tg_module_probe(bytes, n_bytes, &rehearsal, what));
    TG_TRY(grow(&program->kernels, (uint32_t)func_id));

    struct tg_kernel kernel = {.core_type = core_type, .func_id = (uint16_t)func_id, .name = strdup(name)};
    kernel.module = calloc(1, sizeof *kernel.module);
    enum tg_status status = TG_OK;
    if (!kernel.name || !kernel.module) status = tg_error(TG_ERR_MEMORY, "%s: no memory for it", what);
    else status = open_kernel(program, &kernel, bytes, n_bytes, what);
    if (status != TG_OK) {
        close_kernel(&kernel);
        return status;
    }
    program->kernels.by_id[func_id] = kernel;
    program->kernels.addrs[func_id] = (uint64_t)(uintptr_t)kernel.entry;
    return TG_OK;
}

enum tg_status tg_program_set_orchestration(struct tg_program *program, const void *bytes, size_t n_bytes,
                                            const char *function_name)
{
    if (!bytes || !function_name) return tg_error(TG_ERR_ARGUMENT, "an orchestration needs bytes and a function name");
    const struct tg_rehearsal rehearsal = {.symbol = function_name,
                                           .abi = {"tg_orchestration_abi", TG_ORCHESTRATION_ABI, "orchestration.h"}};
    TG_TRY(tg_module_probe(bytes, n_bytes, &rehearsal, "orchestration plugin"));
    void *copy = malloc(n_bytes);
    char *name = strdup(function_name);
    if (!copy || !name) {
        free(copy);
        free(name);
        return tg_error(TG_ERR_MEMORY, "orchestration plugin: no memory for %zu bytes", n_bytes);
    }
    memcpy(copy, bytes, n_bytes);
    free(program->plugin_bytes);
    free(program->function_name);
    program->plugin_bytes = copy;
    program->n_plugin_bytes = n_bytes;
    program->function_name = name;
    return TG_OK;
}
