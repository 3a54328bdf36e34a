/* The plugin of api_program.h, for both runtimes. Task 0 adds from in to out, task 1 from out to out. */
#include <tilegraph/orchestration.h>

#include "api_program.h"

enum { BYTES = API_ELEMENTS * sizeof(float) };

static int build(struct tg_runtime *rt, uint64_t in, uint64_t out)
{
    uint64_t first[] = {in, out, tg_pack_f32(1.0f)}, second[] = {out, out, tg_pack_f32(1.0f)};
    const int a = tg_add_task(rt, first, 3, API_FUNC, TG_AIV), b = tg_add_task(rt, second, 3, API_FUNC, TG_AIV);
    if (a < 0 || b < 0) return 1;
    tg_add_edge(rt, a, b);
    tg_publish(rt, b);
    tg_publish(rt, a);
    return 0;
}

TG_PLUGIN_EXPORT int api(struct tg_runtime *rt);
TG_PLUGIN_EXPORT int api_host(struct tg_runtime *rt, uint64_t *args, int n_args);

int api(struct tg_runtime *rt) { return build(rt, rt->orch_args[0], rt->orch_args[1]); }

int api_host(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    (void)n_args;
    const uint64_t in = tg_device_malloc_addr(rt, BYTES), out = tg_device_malloc_addr(rt, BYTES);
    if (!in || !out || rt->host_api.copy_to_device(rt, in, (const void *)(uintptr_t)args[0], BYTES)) return 1;
    rt->host_api.record_tensor_pair(rt, (void *)(uintptr_t)args[1], out, BYTES);
    return build(rt, in, out);
}
