/*
 * The flagship's graph with empty kernels: n blocks of QK -> SF -> PV -> UP in chains of 64 blocks, UP after UP.
 *
 * config: int64[2], the number of tasks, a multiple of 4, and the first argument of each task (0 if there is one word).
 */
#include <tilegraph/orchestration.h>

enum { QK, SF, PV, UP, CHAIN_BLOCKS = 64 };

static uint64_t turns; /* first argument of every task */

static int add(struct tg_runtime *rt, int func_id, int after)
{
    const uint64_t args[8] = {turns};
    const int id = tg_add_task(rt, args, 8, func_id, func_id == QK || func_id == PV ? TG_AIC : TG_AIV);
    if (id >= 0 && after >= 0) tg_add_edge(rt, after, id);
    return id;
}

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);

int orchestration(struct tg_runtime *rt)
{
    const int64_t n_blocks = *(const int64_t *)(uintptr_t)rt->orch_args[0] / 4;
    turns = rt->orch_args[1] > 8 ? (uint64_t)((const int64_t *)(uintptr_t)rt->orch_args[0])[1] : 0;
    int update = -1;
    for (int64_t block = 0; block < n_blocks; block++) {
        const int qk = add(rt, QK, -1);
        tg_publish(rt, qk);
        const int sf = add(rt, SF, qk);
        tg_publish(rt, sf);
        const int pv = add(rt, PV, sf);
        tg_publish(rt, pv);
        const int up = add(rt, UP, pv);
        if (up < 0) return -1;
        if (block % CHAIN_BLOCKS) tg_add_edge(rt, update, up);
        tg_publish(rt, up);
        update = up;
    }
    return 0;
}
