/*
 * aiv_scale.c - y[n] = x[n] * factor, fp32, on a vector core.
 *
 * args   0 x, 1 y: device addresses of n elements each
 *        2 n: elements, 1 to 49152 (one tile of 192 KiB fills UB: the product takes the place of x)
 *        3 factor: float
 */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    const uint32_t n = tg_arg_u32(args[2]);
    const struct tg_global x_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, 1, n, n);
    const struct tg_global y_gm = tg_global_nd(tg_arg_addr(args[1]), TG_FP32, 1, n, n);

    struct tg_tile x = tg_tile_vec(TG_FP32, 1, n);
    TASSIGN(x, 0);

    TLOAD(x, x_gm);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TMULS(x, x, tg_arg_f32(args[3]));
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(y_gm, x);
    TDRAIN();
}
