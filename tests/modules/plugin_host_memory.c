/* plugin_host_memory.c - plugins that run on the host and fill device memory: by the host's call, and by themselves. */
#include <tilegraph/orchestration.h>

static int fill(struct tg_runtime *rt, const uint64_t *args, int by_itself)
{
    const uint64_t in = tg_device_malloc_addr(rt, 256), out = tg_device_malloc_addr(rt, 256);
    const uint64_t task_args[] = {in, 0};
    if (by_itself) memcpy((void *)(uintptr_t)in, (const void *)(uintptr_t)args[0], 256);
    else rt->host_api.copy_to_device(rt, in, (const void *)(uintptr_t)args[0], 256);
    (void)out;
    return tg_add_task(rt, task_args, 2, 4, TG_AIV) < 0;
}

TG_PLUGIN_EXPORT int by_call(struct tg_runtime *rt, uint64_t *args, int n_args);
TG_PLUGIN_EXPORT int by_itself(struct tg_runtime *rt, uint64_t *args, int n_args);

int by_call(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    (void)n_args;
    return fill(rt, args, 0);
}

int by_itself(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    (void)n_args;
    return fill(rt, args, 1);
}
