/* aiv_add.c - sum[n] = a[n] + b[n], fp32, on a vector core.
 *
 * args   0 a, 1 b, 2 sum: device addresses of n elements each
 *        3 n: elements, 1 to 24576 (two tiles of 96 KiB fill UB) */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    const uint32_t n = tg_arg_u32(args[3]);
    const struct tg_global a_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, 1, n, n);
    const struct tg_global b_gm = tg_global_nd(tg_arg_addr(args[1]), TG_FP32, 1, n, n);
    const struct tg_global sum_gm = tg_global_nd(tg_arg_addr(args[2]), TG_FP32, 1, n, n);

    struct tg_tile a = tg_tile_vec(TG_FP32, 1, n), b = a;
    TASSIGN(a, 0);
    TASSIGN(b, tg_tile_bytes(&a));

    TLOAD(a, a_gm);
    TLOAD(b, b_gm);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TADD(a, a, b);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(sum_gm, a);
    TDRAIN();
}
