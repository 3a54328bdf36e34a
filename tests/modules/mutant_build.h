/*
 * mutant_build.h - paged attention's own orchestration, with a hand in its build calls. A mutant defines
 *
 *     static int mutant_add(struct tg_runtime *rt, const uint64_t *args, int n, int func, enum tg_core_type type,
 *                           uint64_t addr)
 *     static void mutant_edge(struct tg_runtime *rt, int from, int to)
 *     static void mutant_publish(struct tg_runtime *rt, int id)
 *
 * after it includes this file, on top of the real_* calls below, and both entry functions are there.
 */
#ifndef TESTS_MODULES_MUTANT_BUILD_H
#define TESTS_MODULES_MUTANT_BUILD_H

#include <stdbool.h>

/* The originals under other names. */
#define orchestration flagship_orchestration
#define orchestration_host flagship_orchestration_host
#include "../../examples/aicpu_build_graph/paged_attention/kernels/orchestration/orchestration.c"
#undef orchestration
#undef orchestration_host

static struct tg_build_api real;
static uint8_t func_of_task[1 << 16]; /* more tasks than the cases have that a mutant is tried on */

static int mutant_add(struct tg_runtime *rt, const uint64_t *args, int n, int func, enum tg_core_type type,
                      uint64_t addr);
static void mutant_edge(struct tg_runtime *rt, int from, int to);
static void mutant_publish(struct tg_runtime *rt, int id);

static inline int real_add(struct tg_runtime *rt, const uint64_t *args, int n, int func, enum tg_core_type type,
                           uint64_t addr)
{
    int id = real.add_task(rt, args, n, func, type, addr);
    if (id >= 0) func_of_task[id] = (uint8_t)func;
    return id;
}

static inline void real_edge(struct tg_runtime *rt, int from, int to) { real.add_successor_conditional(rt, from, to); }

static inline void real_publish(struct tg_runtime *rt, int id) { real.publish_task(rt, id); }

static void put_hand_in(struct tg_runtime *rt)
{
    real = rt->aicpu_build_api;
    rt->aicpu_build_api.add_task = mutant_add;
    rt->aicpu_build_api.add_successor_conditional = mutant_edge;
    rt->aicpu_build_api.publish_task = mutant_publish;
}

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);
TG_PLUGIN_EXPORT int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args);

int orchestration(struct tg_runtime *rt)
{
    put_hand_in(rt);
    return flagship_orchestration(rt);
}

int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    put_hand_in(rt);
    return flagship_orchestration_host(rt, args, n_args);
}

#endif
