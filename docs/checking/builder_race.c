/* BUILDER_RACE: memory is freed while a task that was not waited for uses it. */
#include "tiny.h"

int orchestration(struct tg_runtime *rt)
{
    const uint64_t *t = rt->orch_args, sum = tg_device_malloc_addr(rt, BYTES);
    const int first = add(rt, t[A], t[B], sum, -1);
    const int last = add(rt, sum, t[B], t[OUT], first);
#ifdef MENDED
    rt->aicpu_build_api.wait_task(rt, last);
#else
    (void)last;
    rt->aicpu_build_api.wait_task(rt, first);
    for (int i = 0; i < 100; i++) add(rt, t[A], t[B], tg_device_malloc_addr(rt, BYTES), -1); /* time passes */
#endif
    tg_device_free_addr(rt, sum);
    return 0;
}
