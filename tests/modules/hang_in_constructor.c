/* hang_in_constructor.c - a kernel and plugin whose constructor does not end. */
#include <tilegraph/orchestration.h>

TG_PLUGIN_EXPORT void kernel_entry(int64_t *args);
TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);

static __attribute__((constructor)) void hang(void)
{
    for (volatile int i = 0; i == 0;) continue;
}

void kernel_entry(int64_t *args) { (void)args; }

int orchestration(struct tg_runtime *rt)
{
    (void)rt;
    return 0;
}
