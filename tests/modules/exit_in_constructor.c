/* exit_in_constructor.c - a kernel and plugin whose constructor ends the process. */
#include <unistd.h>

#include <tilegraph/orchestration.h>

TG_PLUGIN_EXPORT void kernel_entry(int64_t *args);
TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);

static __attribute__((constructor)) void leave(void) { _exit(3); }

void kernel_entry(int64_t *args) { (void)args; }

int orchestration(struct tg_runtime *rt)
{
    (void)rt;
    return 0;
}
