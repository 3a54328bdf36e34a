/*
 * aic_pv_matmul.c - what one KV block adds to the output: O = P x V, on a cube core.
 *
 * Shapes  p [rows][valid] of block_size  dtype: exp(score - max) of each token
 *         v [valid][head_dim]            dtype: the first `valid` rows of the block, a row a token
 *         o [rows][head_dim]             fp32, written
 * args    0 p, 1 v, 2 o: device addresses
 *         3 rows: 1 to 128; 4 head_dim, 5 block_size: multiples of 8 up to 128
 *         6 valid: tokens of this block, 1 to block_size
 *         7 dtype: enum tg_dtype, TG_FP32, TG_FP16 or TG_BF16
 *
 * The product runs over `valid` tokens. TLOAD fills the tiles up to whole fractals with zeros, which add nothing; rows
 * of v from `valid` on are never read.
 *
 *         MTE2            MTE1             M              FIX
 *     GM -----> L1 (p, v) -----> L0A, L0B ---> L0C (o) -----> GM
 */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    const uint32_t rows = tg_arg_u32(args[3]), head_dim = tg_arg_u32(args[4]);
    const uint32_t block_size = tg_arg_u32(args[5]), valid = tg_arg_u32(args[6]);
    const uint32_t dtype = tg_arg_u32(args[7]);

    const struct tg_global p_gm = tg_global_nd(tg_arg_addr(args[0]), dtype, rows, valid, block_size);
    const struct tg_global v_gm = tg_global_nd(tg_arg_addr(args[1]), dtype, valid, head_dim, head_dim);
    const struct tg_global o_gm = tg_global_nd(tg_arg_addr(args[2]), TG_FP32, rows, head_dim, head_dim);

    struct tg_tile p_l1 = tg_tile_mat(dtype, rows, valid), p_l0a = tg_tile_left(dtype, rows, valid);
    struct tg_tile v_l1 = tg_tile_mat(dtype, valid, head_dim), v_l0b = tg_tile_right(dtype, valid, head_dim);
    struct tg_tile o_l0c = tg_tile_acc(rows, head_dim);
    TASSIGN(p_l1, 0);
    TASSIGN(v_l1, tg_tile_bytes(&p_l1));
    TASSIGN(p_l0a, 0);
    TASSIGN(v_l0b, 0);
    TASSIGN(o_l0c, 0);

    /* An event for each operand, so that p moves on while v is still being loaded. */
    TLOAD(p_l1, p_gm);
    set_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    TLOAD(v_l1, v_gm);
    set_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID1);

    wait_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    TMOV(p_l0a, p_l1);
    wait_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID1);
    TMOV(v_l0b, v_l1);

    set_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    wait_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    TMATMUL(o_l0c, p_l0a, v_l0b);

    set_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    wait_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(o_gm, o_l0c);
}
