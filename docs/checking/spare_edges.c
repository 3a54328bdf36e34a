/* Not a finding: the third task waits for the first twice, and the fourth for a task that it has nothing to do with. */
#include "tiny.h"

int orchestration(struct tg_runtime *rt)
{
    const uint64_t *t = rt->orch_args, sum = tg_device_malloc_addr(rt, BYTES);
    const int first = add(rt, t[A], t[B], sum, -1);
    const int second = add(rt, sum, t[B], sum, first);
    const int third = tg_add_task(rt, ((const uint64_t[]){sum, t[B], t[OUT], N}), 4, 0, TG_AIV);
#ifndef MENDED
    tg_add_edge(rt, first, third); /* which is so already */
#endif
    publish_after(rt, third, second);
#ifdef MENDED
    add(rt, t[A], t[A], tg_device_malloc_addr(rt, BYTES), -1);
#else
    add(rt, t[A], t[A], tg_device_malloc_addr(rt, BYTES), third);
#endif
    return 0;
}
