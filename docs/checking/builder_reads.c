/* BUILDER_RACE: the orchestration looks at a result that it has not waited for. */
#include "tiny.h"

int orchestration(struct tg_runtime *rt)
{
    const uint64_t *t = rt->orch_args;
    const int first = add(rt, t[A], t[B], t[OUT], -1);
    const int other = add(rt, t[A], t[B], tg_device_malloc_addr(rt, BYTES), -1);
#ifdef MENDED
    rt->aicpu_build_api.wait_task(rt, first);
#endif
    rt->aicpu_build_api.wait_task(rt, other); /* says nothing about the first */
    return *(const volatile float *)(uintptr_t)t[OUT] < 0 ? first : 0;
}
