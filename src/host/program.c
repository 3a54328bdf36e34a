/* Programs: kernels by func_id and the bytes of an orchestration plugin. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <tilegraph/orchestration.h>
#include <tilegraph/tile.h>

#include "host/host.h"
#include "os/module.h"
#include "os/probe.h"

enum { FUNC_ID_MAX = 65535 };

/* Addresses for every func_id. The tables never move, because tasks and plugins point into them. */
static bool reserve_tables(struct tg_kernels *kernels)
{
    const size_t n = FUNC_ID_MAX + 1, bytes = n * (sizeof *kernels->by_id + sizeof *kernels->addrs);
    void *tables = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (tables == MAP_FAILED) return false;
    kernels->by_id = tables;
    kernels->addrs = (uint64_t *)(void *)(kernels->by_id + n);
    return true;
}

static void release_tables(struct tg_kernels *kernels)
{
    munmap(kernels->by_id, (FUNC_ID_MAX + 1) * (sizeof *kernels->by_id + sizeof *kernels->addrs));
}

enum tg_status tg_program_open(struct tg_device *device, struct tg_program **out)
{
    TG_REQUIRE(device);
    TG_REQUIRE(out);
    struct tg_program *program = calloc(1, sizeof *program);
    if (!program || !reserve_tables(&program->kernels)) {
        free(program);
        return tg_error(TG_ERR_MEMORY, "no memory for a program");
    }
    program->device = device;
    device->n_users++;
    program->n_users = 1;
    *out = program;
    return TG_OK;
}

/*
 * A kernel's name and its object. The row in the tables points to them, but a leak sanitizer does not read the tables,
 * which are reserved addresses. The list makes them reachable from a program that the host keeps.
 */
struct tg_loaded_kernel {
    struct tg_loaded_kernel *next;
    struct tg_module module;
    char name[];
};

void tg_orchestration_release(struct tg_orchestration *orchestration)
{
    if (!orchestration || --orchestration->n_users > 0) return;
    free((void *)(uintptr_t)orchestration->plugin.bytes);
    free(orchestration->function_name);
    free(orchestration);
}

void tg_program_release(struct tg_program *program)
{
    if (--program->n_users > 0) return;
    for (struct tg_loaded_kernel *loaded = program->loaded, *next; loaded; loaded = next) {
        next = loaded->next;
        tg_module_close(&loaded->module);
        free(loaded);
    }
    release_tables(&program->kernels);
    if (program->orchestration) tg_plugins_forget(program->device->machine, program->orchestration->plugin.number);
    tg_orchestration_release(program->orchestration);
    tg_device_release(program->device);
    free(program);
}

void tg_program_close(struct tg_program *program)
{
    if (program) tg_program_release(program);
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

/* Give the kernel its instruction set. A kernel without tile.h does not need one. */
static void bind(const struct tg_module *module, const struct tg_tile_isa *isa)
{
    const struct tg_tile_isa **slot = tg_module_slot(module, "tg_tile_isa");
    if (slot) *slot = isa;
}

enum tg_status tg_program_add_kernel(struct tg_program *program, int func_id, enum tg_core_type core_type,
                                     const char *name, const void *bytes, size_t n_bytes)
{
    TG_REQUIRE(program);
    TG_TRY(check_kernel(program, func_id, core_type, name, bytes));
    char what[256];
    snprintf(what, sizeof what, "kernel %s", name);
    const struct tg_tile_isa *isa = program->device->machine->isa;
    const struct tg_rehearsal rehearsal = {"kernel_entry", {"tg_tile_abi", TG_TILE_ABI_OLDEST, isa->abi, "tile.h"}};
    TG_TRY(tg_module_probe(bytes, n_bytes, &rehearsal, what));

    const size_t name_bytes = strlen(name) + 1;
    struct tg_loaded_kernel *loaded = calloc(1, sizeof *loaded + name_bytes);
    if (!loaded) return tg_error(TG_ERR_MEMORY, "%s: no memory for it", what);
    memcpy(loaded->name, name, name_bytes);
    const enum tg_status status = tg_module_open(&loaded->module, bytes, n_bytes, what);
    if (status != TG_OK) {
        free(loaded);
        return status;
    }
    bind(&loaded->module, isa);
    loaded->next = program->loaded;
    program->loaded = loaded;

    struct tg_kernel kernel = {
        .core_type = core_type, .func_id = (uint16_t)func_id, .name = loaded->name, .module = &loaded->module};
    void *entry = tg_module_symbol(&loaded->module, "kernel_entry");
    memcpy(&kernel.entry, &entry, sizeof entry); /* ISO C has no cast from object to function pointers */
    program->kernels.by_id[func_id] = kernel;
    tg_kernels_fingerprint(&program->kernels, &kernel);
    program->kernels.addrs[func_id] = (uint64_t)(uintptr_t)kernel.entry;
    if ((uint32_t)func_id >= program->kernels.n) program->kernels.n = (uint32_t)func_id + 1;
    return TG_OK;
}

enum tg_status tg_program_set_orchestration(struct tg_program *program, const void *bytes, size_t n_bytes,
                                            const char *function_name)
{
    TG_REQUIRE(program);
    if (!bytes || !function_name) return tg_error(TG_ERR_ARGUMENT, "an orchestration needs bytes and a function name");
    const struct tg_rehearsal rehearsal = {.symbol = function_name,
                                           .abi = {.symbol = "tg_orchestration_abi",
                                                   .oldest = TG_ORCHESTRATION_ABI_OLDEST,
                                                   .version = TG_ORCHESTRATION_ABI,
                                                   .header = "orchestration.h"}};
    TG_TRY(tg_module_probe(bytes, n_bytes, &rehearsal, "orchestration plugin"));
    struct tg_orchestration *fresh = calloc(1, sizeof *fresh);
    if (!fresh) return tg_error(TG_ERR_MEMORY, "orchestration plugin: no memory for it");
    static _Atomic uint64_t n_plugins;
    void *copy = malloc(n_bytes);
    fresh->n_users = 1;
    fresh->plugin = (struct tg_plugin_bytes){
        .number = atomic_fetch_add_explicit(&n_plugins, 1, memory_order_relaxed), /* only has to be unique */
        .bytes = copy,
        .n_bytes = n_bytes};
    fresh->function_name = strdup(function_name);
    if (!copy || !fresh->function_name) {
        tg_orchestration_release(fresh);
        return tg_error(TG_ERR_MEMORY, "orchestration plugin: no memory for %zu bytes", n_bytes);
    }
    memcpy(copy, bytes, n_bytes);
    struct tg_machine *machine = program->device->machine;
    if (program->orchestration) tg_plugins_forget(machine, program->orchestration->plugin.number);
    tg_orchestration_release(program->orchestration);
    program->orchestration = fresh;
    tg_plugins_prepare(machine, &fresh->plugin);
    return TG_OK;
}
