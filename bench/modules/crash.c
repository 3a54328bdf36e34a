/* A kernel that crashes: the time to catch it. */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    (void)args;
    __builtin_trap();
}
