/*
 * aic_qk_matmul.c - the scores of one KV block: S = Q x K^T, on a cube core.
 *
 * Shapes  q  [rows][head_dim]                 dtype: the query heads that share one KV head
 *         kt [head_dim][valid] of block_size  dtype: K is stored transposed, a column a token
 *         s  [rows][valid] of block_size      fp32, written
 * args    0 q, 1 kt, 2 s: device addresses
 *         3 rows: 1 to 128; 4 head_dim, 5 block_size: multiples of 8 up to 128
 *         6 valid: tokens of this block, 1 to block_size
 *         7 dtype: enum tg_dtype, TG_FP32, TG_FP16 or TG_BF16
 *
 * Columns from `valid` on hold no token: they are neither read nor written, so nothing in them can do harm.
 *
 *         MTE2             MTE1             M              FIX
 *     GM -----> L1 (q, kt) -----> L0A, L0B ---> L0C (s) -----> GM
 *
 * Every operand fits its buffer whole: at most 128 x 128 x 4 bytes, 64 KiB, the size of L0A and of L0B.
 */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    const uint32_t rows = tg_arg_u32(args[3]), head_dim = tg_arg_u32(args[4]);
    const uint32_t block_size = tg_arg_u32(args[5]), valid = tg_arg_u32(args[6]);
    const uint32_t dtype = tg_arg_u32(args[7]);

    const struct tg_global q_gm = tg_global_nd(tg_arg_addr(args[0]), dtype, rows, head_dim, head_dim);
    const struct tg_global kt_gm = tg_global_nd(tg_arg_addr(args[1]), dtype, head_dim, valid, block_size);
    const struct tg_global s_gm = tg_global_nd(tg_arg_addr(args[2]), TG_FP32, rows, valid, block_size);

    struct tg_tile q_l1 = tg_tile_mat(dtype, rows, head_dim), q_l0a = tg_tile_left(dtype, rows, head_dim);
    struct tg_tile kt_l1 = tg_tile_mat(dtype, head_dim, valid), kt_l0b = tg_tile_right(dtype, head_dim, valid);
    struct tg_tile s_l0c = tg_tile_acc(rows, valid);
    TASSIGN(q_l1, 0);
    TASSIGN(kt_l1, tg_tile_bytes(&q_l1));
    TASSIGN(q_l0a, 0);
    TASSIGN(kt_l0b, 0);
    TASSIGN(s_l0c, 0);

    /* An event for each operand, so that q moves on while kt is still being loaded. */
    TLOAD(q_l1, q_gm);
    set_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    TLOAD(kt_l1, kt_gm);
    set_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID1);

    wait_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    TMOV(q_l0a, q_l1);
    wait_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID1);
    TMOV(kt_l0b, kt_l1);

    set_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    wait_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    TMATMUL(s_l0c, q_l0a, kt_l0b);

    set_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    wait_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(s_gm, s_l0c);
}
