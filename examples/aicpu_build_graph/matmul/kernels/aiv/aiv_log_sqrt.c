/*
 * aiv_log_sqrt.c - y[rows][cols] = sqrt(ln x), fp16, on a vector core.
 *
 * args   0 x, 1 y: device addresses, rows contiguous
 *        2 rows, 3 cols: at most 96 KiB of elements, rows of 32 bytes or a multiple
 * x is at least 1, or its logarithm has no root.
 */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    const uint32_t rows = tg_arg_u32(args[2]), cols = tg_arg_u32(args[3]);
    const struct tg_global x_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP16, rows, cols, cols);
    const struct tg_global y_gm = tg_global_nd(tg_arg_addr(args[1]), TG_FP16, rows, cols, cols);
    struct tg_tile x = tg_tile_vec(TG_FP16, rows, cols), y = x;
    TASSIGN(x, 0);
    TASSIGN(y, tg_tile_bytes(&x));

    TLOAD(x, x_gm);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TLOG(y, x);
    pipe_barrier(PIPE_V); /* the root takes what the logarithm gives */
    TSQRT(y, y);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(y_gm, y);
    TDRAIN();
}
