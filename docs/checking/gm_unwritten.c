/* GM_UNWRITTEN: what device_malloc gives holds nothing, and nobody has written it. */
#include "tiny.h"

int orchestration(struct tg_runtime *rt)
{
    const uint64_t *t = rt->orch_args, zeros = tg_device_malloc_addr(rt, BYTES);
#ifdef MENDED
    memset((void *)(uintptr_t)zeros, 0, BYTES);
#endif
    add(rt, t[A], zeros, t[OUT], -1);
    return 0;
}
