/*
 * Accumulators that are updated in turn: task i adds to accumulator i modulo their number, after the task that did
 * before.
 *
 * Tensors: config, int64[2], the number of tasks and of accumulators; the accumulators, 16 floats each.
 */
#include <tilegraph/orchestration.h>

enum { BYTES = 64 };

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);

int orchestration(struct tg_runtime *rt)
{
    const int64_t *config = (const int64_t *)(uintptr_t)rt->orch_args[0];
    const int64_t n_tasks = config[0], n_accumulators = config[1];
    for (int64_t i = 0; i < n_tasks; i++) {
        const uint64_t args[1] = {rt->orch_args[1] + (uint64_t)(i % n_accumulators) * BYTES};
        const int id = tg_add_task(rt, args, 1, 0, TG_AIV);
        if (id < 0) return -1;
        if (i >= n_accumulators) tg_add_edge(rt, id - (int)n_accumulators, id);
        tg_publish(rt, id);
    }
    return 0;
}
