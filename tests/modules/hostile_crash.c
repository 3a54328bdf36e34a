/* hostile_crash.c - a kernel and plugin that crash at once. */
#define _GNU_SOURCE 1 /* signals */

#include <tilegraph/orchestration.h>

#include "hostile_do.h"

TG_PLUGIN_EXPORT void kernel_entry(int64_t *args);
TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);

void kernel_entry(int64_t *args)
{
    (void)args;
    hostile_do(HOSTILE_SEGV);
}

int orchestration(struct tg_runtime *rt)
{
    (void)rt;
    hostile_do(HOSTILE_SEGV);
    return 0;
}
