/* A kernel that takes as long as its first argument says: so many turns of a loop that nothing shortens. */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    for (int64_t turn = args[0]; turn > 0; turn--) __asm__ volatile("" : : : "memory");
}
