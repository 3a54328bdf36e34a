/*
 * A plugin on the host that copies back to memory of its own choice, which the first tensor names: up to two pairs
 * of PAIR_BYTES. Each run takes the next number from there, and fills the device memory of its pairs with it.
 */
#include <tilegraph/orchestration.h>

#include "pairs.h"

TG_PLUGIN_EXPORT int pairs(struct tg_runtime *rt, uint64_t *args, int n_args);

int pairs(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    const struct pairs *given = (const struct pairs *)(uintptr_t)args[0];
    unsigned char bytes[PAIR_BYTES];
    (void)n_args;
    memset(bytes, ++*given->n_runs, sizeof bytes);
    for (int i = 0; i < 2 && given->host[i]; i++) {
        const uint64_t device = tg_device_malloc_addr(rt, PAIR_BYTES);
        if (!device || rt->host_api.copy_to_device(rt, device, bytes, PAIR_BYTES)) return -1;
        rt->host_api.record_tensor_pair(rt, given->host[i], device, PAIR_BYTES);
    }
    return 0;
}
