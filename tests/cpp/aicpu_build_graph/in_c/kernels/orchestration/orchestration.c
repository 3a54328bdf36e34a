/* A task for each kernel. Tensors as in golden.py. */
#include <tilegraph/orchestration.h>

static int publish(struct tg_runtime *rt, const uint64_t *args, int n, int func, enum tg_core_type core)
{
    const int task = tg_add_task(rt, args, n, func, core);
    if (task >= 0) tg_publish(rt, task);
    return task >= 0;
}

__attribute__((visibility("default"))) int orchestration(struct tg_runtime *rt);
int orchestration(struct tg_runtime *rt)
{
    const uint64_t *t = rt->orch_args;
    const uint64_t bias[] = {t[0], t[1], t[2], t[3], t[7], t[8]}, bits[] = {t[4], t[5], t[9], t[10]};
    const uint64_t reduce[] = {t[6], t[11], t[12], t[13]};
    return publish(rt, bias, 6, 0, TG_AIC) && publish(rt, bits, 4, 1, TG_AIV) && publish(rt, reduce, 4, 2, TG_AIV) ? 0
                                                                                                                   : -1;
}
