/*
 * kernel_visit.c - a kernel that sees whether it runs in order.
 *
 * args  0 data: device address of uint32 words; 1 own: index of this task's word; 2 work: instructions to issue
 *       3 n: tasks that had to run before; 4 on: the indices of their words
 *
 * Writes 1 to its word if they have all run and this task has not, else 2. It works with plain loads and stores, which
 * a virtual device allows.
 */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    volatile uint32_t *data = (volatile uint32_t *)(uintptr_t)tg_arg_addr(args[0]);
    const uint32_t own = tg_arg_u32(args[1]), work = tg_arg_u32(args[2]), n = tg_arg_u32(args[3]);
    for (uint32_t i = 0; i < work; i++) pipe_barrier(PIPE_ALL);
    uint32_t mark = data[own] == 0 ? 1 : 2;
    for (uint32_t i = 0; i < n; i++) {
        if (data[args[4 + i]] != 1) mark = 2;
    }
    /* Words of several tasks are in one line of the cache: an atomic store leaves its neighbours alone. */
    __atomic_store_n(&data[own], mark, __ATOMIC_RELAXED);
}
