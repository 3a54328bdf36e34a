/* mutant_up_edge.c - paged attention's orchestration, without the edge from the second UP to the third. */
#include "mutant_build.h"

static int n_up_edges;

static int mutant_add(struct tg_runtime *rt, const uint64_t *args, int n, int func, enum tg_core_type type,
                      uint64_t addr)
{
    return real_add(rt, args, n, func, type, addr);
}

static void mutant_edge(struct tg_runtime *rt, int from, int to)
{
    bool up = func_of_task[from] == FUNC_UP && func_of_task[to] == FUNC_UP;
    if (!up || ++n_up_edges != 2) real_edge(rt, from, to);
}

static void mutant_publish(struct tg_runtime *rt, int id) { real_publish(rt, id); }
