/*
 * aiv_add_exp.c - y[rows][cols] = e^(a + b), fp32, on a vector core.
 *
 * args   0 a, 1 b, 2 y: device addresses, rows contiguous
 *        3 rows, 4 cols: at most 96 KiB of elements, rows of 32 bytes or a multiple
 */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    const uint32_t rows = tg_arg_u32(args[3]), cols = tg_arg_u32(args[4]);
    const struct tg_global a_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, rows, cols, cols);
    const struct tg_global b_gm = tg_global_nd(tg_arg_addr(args[1]), TG_FP32, rows, cols, cols);
    const struct tg_global y_gm = tg_global_nd(tg_arg_addr(args[2]), TG_FP32, rows, cols, cols);
    struct tg_tile a = tg_tile_vec(TG_FP32, rows, cols), b = a;
    TASSIGN(a, 0);
    TASSIGN(b, tg_tile_bytes(&a));

    TLOAD(a, a_gm);
    TLOAD(b, b_gm);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TADD(a, a, b);
    pipe_barrier(PIPE_V);
    TEXP(a, a);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(y_gm, a);
    TDRAIN();
}
