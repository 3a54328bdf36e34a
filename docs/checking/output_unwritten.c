/* OUTPUT_UNWRITTEN: a task writes the first half of out; the second half is copied back as it is. */
#include "tiny.h"

#ifdef MENDED
enum { WRITTEN = N };
#else
enum { WRITTEN = N / 2 };
#endif

int orchestration(struct tg_runtime *rt)
{
    const uint64_t *t = rt->orch_args, args[] = {t[A], t[B], t[OUT], WRITTEN};
    tg_publish(rt, tg_add_task(rt, args, 4, 0, TG_AIV));
    return 0;
}
