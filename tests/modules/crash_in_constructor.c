/* crash_in_constructor.c - a kernel and plugin whose constructor crashes. */
#include <tilegraph/orchestration.h>

TG_PLUGIN_EXPORT void kernel_entry(int64_t *args);
TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);

static __attribute__((constructor)) void crash(void) { *(volatile int *)16 = 1; }

void kernel_entry(int64_t *args) { (void)args; }

int orchestration(struct tg_runtime *rt)
{
    (void)rt;
    return 0;
}
