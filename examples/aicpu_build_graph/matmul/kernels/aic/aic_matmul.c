/*
 * aic_matmul.c - c[m][n] = a[m][k] x b[k][n], fp16 to fp32, on a cube core.
 *
 * args   0 a, 1 b, 2 c: device addresses, rows contiguous
 *        3 m, 4 k, 5 n: up to 128 each (L0A, L0B and L0C hold that much)
 *
 *     GM --TLOAD, MTE2--> L1 --TMOV, MTE1--> L0A, L0B --TMATMUL, M--> L0C --TSTORE, FIX--> GM
 */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    const uint32_t m = tg_arg_u32(args[3]), k = tg_arg_u32(args[4]), n = tg_arg_u32(args[5]);
    const struct tg_global a_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP16, m, k, k);
    const struct tg_global b_gm = tg_global_nd(tg_arg_addr(args[1]), TG_FP16, k, n, n);
    const struct tg_global c_gm = tg_global_nd(tg_arg_addr(args[2]), TG_FP32, m, n, n);

    struct tg_tile a_l1 = tg_tile_mat(TG_FP16, m, k), b_l1 = tg_tile_mat(TG_FP16, k, n);
    struct tg_tile left = tg_tile_left(TG_FP16, m, k), right = tg_tile_right(TG_FP16, k, n), acc = tg_tile_acc(m, n);
    TASSIGN(a_l1, 0);
    TASSIGN(b_l1, tg_tile_bytes(&a_l1));
    TASSIGN(left, 0); /* each in a buffer of its own */
    TASSIGN(right, 0);
    TASSIGN(acc, 0);

    TLOAD(a_l1, a_gm);
    TLOAD(b_l1, b_gm);
    set_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    TMOV(left, a_l1);
    TMOV(right, b_l1);
    set_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    wait_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    TMATMUL(acc, left, right);
    set_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    wait_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(c_gm, acc);
    TDRAIN();
}
