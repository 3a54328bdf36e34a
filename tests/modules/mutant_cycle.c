/* mutant_cycle.c - paged attention's orchestration, in which the first SF waits for its PV. */
#include "mutant_build.h"

static int held = NO_TASK; /* the first SF, published together with its PV */
static bool closed;

static int mutant_add(struct tg_runtime *rt, const uint64_t *args, int n, int func, enum tg_core_type type,
                      uint64_t addr)
{
    return real_add(rt, args, n, func, type, addr);
}

static void mutant_edge(struct tg_runtime *rt, int from, int to) { real_edge(rt, from, to); }

static void mutant_publish(struct tg_runtime *rt, int id)
{
    if (func_of_task[id] == FUNC_SF && held == NO_TASK) {
        held = id;
        return;
    }
    if (func_of_task[id] == FUNC_PV && !closed) {
        real_edge(rt, id, held);
        real_publish(rt, held);
        closed = true;
    }
    real_publish(rt, id);
}
