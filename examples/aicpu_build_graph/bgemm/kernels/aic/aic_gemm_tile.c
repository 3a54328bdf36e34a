/*
 * aic_gemm_tile.c - p[64][64] = a[64][64] x b[64][64], fp32, on a cube core: tiles of larger matrices.
 *
 * args   0 a, 1 b, 2 p: device addresses of the tiles' first elements
 *        3 ld_a, 4 ld_b, 5 ld_p: elements from one row to the next
 */
#include <tilegraph/tile.h>

#define TILE 64u

void kernel_entry(int64_t *args)
{
    const struct tg_global a_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, TILE, TILE, tg_arg_u32(args[3]));
    const struct tg_global b_gm = tg_global_nd(tg_arg_addr(args[1]), TG_FP32, TILE, TILE, tg_arg_u32(args[4]));
    const struct tg_global p_gm = tg_global_nd(tg_arg_addr(args[2]), TG_FP32, TILE, TILE, tg_arg_u32(args[5]));

    struct tg_tile a_l1 = tg_tile_mat(TG_FP32, TILE, TILE), b_l1 = a_l1;
    struct tg_tile left = tg_tile_left(TG_FP32, TILE, TILE), right = tg_tile_right(TG_FP32, TILE, TILE);
    struct tg_tile acc = tg_tile_acc(TILE, TILE);
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
    TSTORE(p_gm, acc);
    TDRAIN();
}
