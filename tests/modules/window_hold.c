/* window_hold.c - with a window of 8: a task that runs until the plugin has published all, 6 that wait for it, and 20
 * that do not. 7 places of the window are taken for good, so that the plugin gets on through the eighth only. */
#include <tilegraph/orchestration.h>

enum { WAITING = 6, SHORT = 20 };

static int add(struct tg_runtime *rt, uint64_t what)
{
    uint64_t args[] = {rt->orch_args[0], what};
    return tg_add_task(rt, args, 2, 0, TG_AIV);
}

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);

int orchestration(struct tg_runtime *rt)
{
    _Atomic uint32_t *words = (_Atomic uint32_t *)(uintptr_t)rt->orch_args[0];
    const int first = add(rt, 1);
    tg_publish(rt, first);
    while (words[0] == 0) continue; /* somebody else runs it */
    for (int i = 0; i < WAITING; i++) {
        const int task = add(rt, 0);
        tg_add_edge(rt, first, task);
        tg_publish(rt, task);
    }
    for (int i = 0; i < SHORT; i++) tg_publish(rt, add(rt, 0));
    words[1] = 1;
    return 0;
}
