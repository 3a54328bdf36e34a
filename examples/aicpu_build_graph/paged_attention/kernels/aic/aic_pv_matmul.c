/*
 * aic_pv_matmul.c - what a span of KV blocks adds to the output: O = P x V, on a cube core.
 *
 * Shapes  p [block][rows][block_size]        dtype: exp(score - max) of each token
 *         v [block_size][head_dim] each      dtype: V of a block, a row a token
 *         o [rows][head_dim]                 fp32, written: the sum over all blocks
 * args    0 p, 1 o: device addresses
 *         2 rows: 1 to 128; 3 head_dim, 4 block_size: multiples of 8 up to 128
 *         5 tokens: of the span, 1 or more; only the last block may hold fewer than block_size
 *         6 dtype: enum tg_dtype, TG_FP32, TG_FP16 or TG_BF16
 *         7 and behind: v of each block, device addresses
 *
 * Each product runs over the tokens of its block. TLOAD fills the tiles up to whole fractals with zeros, which add
 * nothing; columns of p and rows of v that belong to no token are never read.
 *
 *         MTE2            MTE1             M              FIX
 *     GM -----> L1 (p, v) -----> L0A, L0B ---> L0C (o) -----> GM, once
 *
 * The blocks take turns on two sets of buffers, as in aic_qk_matmul; o stays in L0C until it has all of them.
 */
#include <tilegraph/tile.h>

#define SETS 2u
#define V_EVENT SETS /* those of p come first: 0, 1, then those of v */
#define L0_BYTES 65536u

void kernel_entry(int64_t *args)
{
    const uint32_t rows = tg_arg_u32(args[2]), head_dim = tg_arg_u32(args[3]);
    const uint32_t block_size = tg_arg_u32(args[4]), tokens = tg_arg_u32(args[5]), dtype = tg_arg_u32(args[6]);
    const int64_t *const blocks = args + 7;
    const uint32_t n_blocks = (tokens + block_size - 1) / block_size;

    const struct tg_global o_gm = tg_global_nd(tg_arg_addr(args[1]), TG_FP32, rows, head_dim, head_dim);
    struct tg_tile o_l0c = tg_tile_acc(rows, head_dim);
    TASSIGN(o_l0c, 0);

    const struct tg_tile p_whole = tg_tile_mat(dtype, rows, block_size);
    const struct tg_tile v_whole = tg_tile_mat(dtype, block_size, head_dim);
    const uint32_t p_bytes = tg_tile_bytes(&p_whole), v_bytes = tg_tile_bytes(&v_whole);
    const uint32_t larger = p_bytes > v_bytes ? p_bytes : v_bytes;
    const uint32_t l0_sets = SETS * larger <= L0_BYTES ? SETS : 1; /* 128 x 128 fp32 fill L0A or L0B */

    for (uint32_t i = 0; i < n_blocks; i++) {
        const uint32_t set = i % SETS, l0 = i % l0_sets;
        const uint32_t left = tokens - i * block_size, valid = left < block_size ? left : block_size;
        const uint64_t p = tg_arg_addr(args[0]) + (uint64_t)i * rows * block_size * tg_dtype_bytes(dtype);
        const struct tg_global p_gm = tg_global_nd(p, dtype, rows, valid, block_size);
        const struct tg_global v_gm = tg_global_nd(tg_arg_addr(blocks[i]), dtype, valid, head_dim, head_dim);
        struct tg_tile p_l1 = tg_tile_mat(dtype, rows, valid), p_l0a = tg_tile_left(dtype, rows, valid);
        struct tg_tile v_l1 = tg_tile_mat(dtype, valid, head_dim), v_l0b = tg_tile_right(dtype, valid, head_dim);
        TASSIGN(p_l1, set * p_bytes);
        TASSIGN(v_l1, SETS * p_bytes + set * v_bytes);
        TASSIGN(p_l0a, l0 * p_bytes);
        TASSIGN(v_l0b, l0 * v_bytes);

        /* An event for each operand, so that p moves on while v is still being loaded. */
        if (i >= SETS) wait_flag(PIPE_MTE1, PIPE_MTE2, set);
        TLOAD(p_l1, p_gm);
        set_flag(PIPE_MTE2, PIPE_MTE1, set);
        TLOAD(v_l1, v_gm);
        set_flag(PIPE_MTE2, PIPE_MTE1, V_EVENT + set);

        if (i >= l0_sets) wait_flag(PIPE_M, PIPE_MTE1, l0);
        wait_flag(PIPE_MTE2, PIPE_MTE1, set);
        TMOV(p_l0a, p_l1);
        wait_flag(PIPE_MTE2, PIPE_MTE1, V_EVENT + set);
        TMOV(v_l0b, v_l1);
        set_flag(PIPE_MTE1, PIPE_M, l0);
        if (i + SETS < n_blocks) set_flag(PIPE_MTE1, PIPE_MTE2, set);

        wait_flag(PIPE_MTE1, PIPE_M, l0);
        if (i == 0) {
            TMATMUL(o_l0c, p_l0a, v_l0b);
        } else {
            pipe_barrier(PIPE_M); /* the sum so far is complete */
            TMATMUL_ACC(o_l0c, p_l0a, v_l0b);
        }
        if (i + l0_sets < n_blocks) set_flag(PIPE_M, PIPE_MTE1, l0);
    }

    set_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    wait_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(o_gm, o_l0c);
}
