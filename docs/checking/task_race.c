/* TASK_RACE: the second task reads what the first writes, and no path of edges leads from one to the other. */
#include "tiny.h"

int orchestration(struct tg_runtime *rt)
{
    const uint64_t *t = rt->orch_args, sum = tg_device_malloc_addr(rt, BYTES);
    const int first = add(rt, t[A], t[B], sum, -1);
#ifdef MENDED
    add(rt, sum, t[B], t[OUT], first);
#else
    (void)first;
    add(rt, sum, t[B], t[OUT], -1);
#endif
    return 0;
}
