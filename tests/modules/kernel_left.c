/*
 * kernel_left.c - store 8 floats of on-chip memory that this task has not written, then write them.
 *
 * args  0 data: device address; the floats go to word 8 * args[1] of it
 */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    const struct tg_global out = tg_global_nd(tg_arg_addr(args[0]) + 32u * tg_arg_u32(args[1]), TG_FP32, 1, 8, 8);
    struct tg_tile tile = tg_tile_vec(TG_FP32, 1, 8);
    TASSIGN(tile, 0);
    TSTORE(out, tile);
    set_flag(PIPE_MTE3, PIPE_V, 0);
    wait_flag(PIPE_MTE3, PIPE_V, 0);
    TEXPANDS(tile, 1.0f);
    TDRAIN();
}
