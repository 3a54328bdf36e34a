/* kernel_rand.c - a kernel that calls a function of the C library that keeps something between two calls. */
#include <tilegraph/tile.h>

#include <stdlib.h>

void kernel_entry(int64_t *args)
{
    *(volatile int *)(uintptr_t)tg_arg_addr(args[0]) = rand() & 1;
    dcci(0, TG_CACHE_ALL);
    dsb();
}
