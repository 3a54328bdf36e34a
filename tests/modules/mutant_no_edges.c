/* mutant_no_edges.c - paged attention's orchestration, without any edge. */
#include "mutant_build.h"

static int mutant_add(struct tg_runtime *rt, const uint64_t *args, int n, int func, enum tg_core_type type,
                      uint64_t addr)
{
    return real_add(rt, args, n, func, type, addr);
}

static void mutant_edge(struct tg_runtime *rt, int from, int to) { (void)rt, (void)from, (void)to; }

static void mutant_publish(struct tg_runtime *rt, int id) { real_publish(rt, id); }
