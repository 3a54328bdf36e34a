/* mutant_none.c - paged attention's orchestration, with no error: the mutants' own code must not change a result. */
#include "mutant_build.h"

static int mutant_add(struct tg_runtime *rt, const uint64_t *args, int n, int func, enum tg_core_type type,
                      uint64_t addr)
{
    return real_add(rt, args, n, func, type, addr);
}

static void mutant_edge(struct tg_runtime *rt, int from, int to) { real_edge(rt, from, to); }

static void mutant_publish(struct tg_runtime *rt, int id) { real_publish(rt, id); }
