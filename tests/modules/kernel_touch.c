/*
 * kernel_touch.c - a kernel that reads and writes device memory as it is told, and nothing besides.
 *
 * args  0: a device address; 1: how many deeds; 2 on: the deeds (touch.h)
 */
#include <tilegraph/tile.h>

#include "touch.h"

static void add(uint32_t dtype, uint64_t addr, uint32_t n)
{
    struct tg_global global = tg_global_nd(addr, dtype, 1, n, n);
    struct tg_tile tile = tg_tile_vec(dtype, 1, n);
    TASSIGN(tile, 0);
    TEXPANDS(tile, 1.0f);
    pipe_barrier(PIPE_ALL);
    TSTORE_ADD(global, tile);
    pipe_barrier(PIPE_ALL);
}

static void transfer(int store, uint64_t addr, uint32_t n)
{
    struct tg_global global = tg_global_nd(addr, TG_FP32, 1, n, n);
    struct tg_tile tile = tg_tile_vec(TG_FP32, 1, n);
    TASSIGN(tile, 0);
    if (store) {
        TEXPANDS(tile, 1.0f);
        pipe_barrier(PIPE_ALL);
        TSTORE(global, tile);
    } else {
        TLOAD(tile, global);
    }
    pipe_barrier(PIPE_ALL);
}

void kernel_entry(int64_t *args)
{
    const int64_t n = args[1];
    for (const int64_t *deed = args + 2; deed < args + 2 + 3 * n; deed += 3) {
        const uint64_t addr = deed[0] & TOUCH_ABSOLUTE ? (uint64_t)deed[1] : tg_arg_addr(args[0]) + (uint64_t)deed[1];
        volatile float *at = (volatile float *)(uintptr_t)addr;
        const int64_t what = deed[0] & ~(int64_t)TOUCH_ABSOLUTE;
        if (what == TOUCH_LOAD || what == TOUCH_STORE) transfer(what == TOUCH_STORE, addr, (uint32_t)deed[2]);
        if (what == TOUCH_ADD || what == TOUCH_ADD_INT)
            add(what == TOUCH_ADD ? TG_FP32 : TG_INT32, addr, (uint32_t)deed[2]);
        for (int64_t i = 0; i < deed[2]; i++) {
            if (what == TOUCH_PLAIN_LOAD) (void)at[i];
            if (what == TOUCH_PLAIN_STORE) at[i] = 1.0f;
        }
    }
    dcci(0, TG_CACHE_ALL);
    dsb();
}
