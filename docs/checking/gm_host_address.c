/* GM_HOST_ADDRESS: a task is given the address of a variable of the orchestration. The kernel ends there. */
#include "tiny.h"

static const float ones[N] = {1};

int orchestration(struct tg_runtime *rt)
{
    const uint64_t *t = rt->orch_args;
#ifdef MENDED
    const uint64_t addr = tg_device_malloc_addr(rt, BYTES);
    memcpy((void *)(uintptr_t)addr, ones, BYTES);
    add(rt, t[A], addr, t[OUT], -1);
#else
    add(rt, t[A], (uint64_t)(uintptr_t)ones, t[OUT], -1);
#endif
    return 0;
}
