/* kernel_hold.c - args: device address of uint32 words, what. 1: say in word 0 that it runs, and run until word 1 is
 * not 0, for some seconds at most; 0: return at once. */
#include <time.h>

#include <tilegraph/tile.h>

static int64_t seconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return now.tv_sec;
}

void kernel_entry(int64_t *args)
{
    _Atomic uint32_t *words = (_Atomic uint32_t *)(uintptr_t)tg_arg_addr(args[0]);
    const int64_t end = seconds() + 8;
    if (args[1] == 0) return;
    words[0] = 1;
    while (words[1] == 0 && seconds() < end) continue;
    words[2] = words[1];
}
