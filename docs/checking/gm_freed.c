/* GM_FREED: memory is used after it was freed. The kernel ends there. */
#include "tiny.h"

int orchestration(struct tg_runtime *rt)
{
    const uint64_t *t = rt->orch_args, sum = tg_device_malloc_addr(rt, BYTES);
    const int first = add(rt, t[A], t[B], sum, -1);
    rt->aicpu_build_api.wait_task(rt, first);
#ifdef MENDED
    rt->aicpu_build_api.wait_task(rt, add(rt, sum, t[B], t[OUT], first));
    tg_device_free_addr(rt, sum);
#else
    tg_device_free_addr(rt, sum);
    add(rt, sum, t[B], t[OUT], first);
#endif
    return 0;
}
