/* GM_OUTSIDE: half of what is written lies behind the end of the allocation. The kernel ends there. */
#include "tiny.h"

#ifdef MENDED
enum { SUM_BYTES = BYTES };
#else
enum { SUM_BYTES = BYTES / 2 };
#endif

int orchestration(struct tg_runtime *rt)
{
    const uint64_t *t = rt->orch_args, sum = tg_device_malloc_addr(rt, SUM_BYTES);
    const int first = add(rt, t[A], t[B], sum, -1);
    add(rt, sum, t[B], t[OUT], first);
    return 0;
}
