/*
 * aiv_add.c - sum[n] = a[n] + b[n], fp32, on a vector core.
 *
 * args   0 a, 1 b, 2 sum: device addresses of n elements each
 *        3 n: elements, 1 to 16384 (three tiles of 64 KiB fill UB)
 *
 *     GM --TLOAD, MTE2--> UB --TADD, V--> UB --TSTORE, MTE3--> GM
 */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    const uint32_t n = tg_arg_u32(args[3]);
    const struct tg_global a_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, 1, n, n);
    const struct tg_global b_gm = tg_global_nd(tg_arg_addr(args[1]), TG_FP32, 1, n, n);
    const struct tg_global sum_gm = tg_global_nd(tg_arg_addr(args[2]), TG_FP32, 1, n, n);

    struct tg_tile a = tg_tile_vec(TG_FP32, 1, n), b = a, sum = a;
    TASSIGN(a, 0);
    TASSIGN(b, tg_tile_bytes(&a));
    TASSIGN(sum, 2 * tg_tile_bytes(&a));

    TLOAD(a, a_gm);
    TLOAD(b, b_gm);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);  /* both loads have landed ... */
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0); /* ... before V adds */
    TADD(sum, a, b);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);  /* the sum is there ... */
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0); /* ... before MTE3 stores it */
    TSTORE(sum_gm, sum);
    TDRAIN();
}
