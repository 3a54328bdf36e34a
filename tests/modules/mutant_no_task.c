/* mutant_no_task.c - paged attention's orchestration, which submits no task. */
#include "mutant_build.h"

static int n_tasks;

static void ignore_label(struct tg_runtime *rt, int id, const char *label) { (void)rt, (void)id, (void)label; }

static int mutant_add(struct tg_runtime *rt, const uint64_t *args, int n, int func, enum tg_core_type type,
                      uint64_t addr)
{
    rt->aicpu_build_api.label_task = ignore_label;
    (void)args, (void)n, (void)func, (void)type, (void)addr;
    return n_tasks++;
}

static void mutant_edge(struct tg_runtime *rt, int from, int to) { (void)rt, (void)from, (void)to; }

static void mutant_publish(struct tg_runtime *rt, int id) { (void)rt, (void)id; }
