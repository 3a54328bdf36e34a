/* crash_in_destructor.c - a kernel and plugin that crashes when it is closed. */
#include <tilegraph/orchestration.h>

#define ENTRY __attribute__((visibility("default")))

ENTRY void kernel_entry(int64_t *args);
ENTRY int orchestration(struct tg_runtime *rt);

static __attribute__((destructor)) void crash(void) { __builtin_trap(); }

void kernel_entry(int64_t *args) { (void)args; }

int orchestration(struct tg_runtime *rt)
{
    (void)rt;
    return 0;
}
