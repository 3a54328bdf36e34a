/*
 * GM_UNWRITTEN, GM_READ_ONLY: the host declares parts of its tensors (struct tg_declared). The second half of a has no
 * contents: "row 1, which is not filled". All of b is read-only: "shared by two".
 */
#include "tiny.h"

int orchestration(struct tg_runtime *rt)
{
    const uint64_t *t = rt->orch_args;
#ifdef MENDED
    const int first = add(rt, t[B], t[B], t[OUT], -1);
    add(rt, t[OUT], t[B], t[OUT], first);
#else
    const int first = add(rt, t[A], t[B], t[OUT], -1);
    add(rt, t[OUT], t[OUT], t[B], first);
#endif
    return 0;
}
