/* kernels.h - the kernels of a program, by func_id. The host writes it before a launch; all others read it. */
#ifndef TG_BASE_KERNELS_H
#define TG_BASE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include <tilegraph/orchestration.h>

struct tg_module;

typedef void tg_kernel_fn(int64_t *args);

struct tg_kernel {
    tg_kernel_fn *entry; /* NULL: unused func_id */
    enum tg_core_type core_type;
    uint16_t func_id;
    const char *name;         /* the program's */
    struct tg_module *module; /* the program's: the shared object that holds the entry */
};

struct tg_kernels {
    struct tg_kernel *by_id; /* [n] */
    uint64_t *addrs;         /* [n] the plugin's view: addresses of the entries, 0 for an unused func_id */
    uint32_t n;              /* largest func_id + 1 */
    uint64_t fingerprint;    /* of func_ids, core types and names; programs with other kernels have another one */
};

/* Add a kernel's numbers and name to the fingerprint, in any order: the sum of their hashes (FNV-1a). */
static inline void tg_kernels_fingerprint(struct tg_kernels *kernels, const struct tg_kernel *kernel)
{
    uint64_t hash = 0xCBF29CE484222325u;
    const uint32_t numbers[] = {kernel->func_id, (uint32_t)kernel->core_type};
    for (size_t i = 0; i < sizeof numbers; i++) hash = (hash ^ ((const uint8_t *)numbers)[i]) * 0x100000001B3u;
    for (const char *at = kernel->name; *at; at++) hash = (hash ^ (uint8_t)*at) * 0x100000001B3u;
    kernels->fingerprint += hash;
}

static inline const struct tg_kernel *tg_kernels_at(const struct tg_kernels *kernels, int64_t func_id)
{
    if (func_id < 0 || func_id >= (int64_t)kernels->n || !kernels->by_id[func_id].entry) return NULL;
    return &kernels->by_id[func_id];
}

static inline const char *tg_core_type_name(enum tg_core_type core_type)
{
    return core_type == TG_AIC ? "AIC" : core_type == TG_AIV ? "AIV" : "unknown core type";
}

#endif
