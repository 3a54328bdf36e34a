/*
 * aic_qk_matmul.c - the scores of a span of KV blocks: S = Q x K^T, on a cube core.
 *
 * Shapes  q  [rows][head_dim]               dtype: the query heads that share one KV head
 *         kt [head_dim][block_size] each    dtype: K of a block is stored transposed, a column a token
 *         s  [block][rows][block_size]      fp32, written
 * args    0 q, 1 s: device addresses
 *         2 rows: 1 to 128; 3 head_dim, 4 block_size: multiples of 8 up to 128
 *         5 tokens: of the span, 1 or more; only the last block may hold fewer than block_size
 *         6 dtype: enum tg_dtype, TG_FP32, TG_FP16 or TG_BF16
 *         7 and behind: kt of each block, device addresses
 *
 * A span is the consecutive blocks of a sequence that one task covers, one or more. Columns that hold no token are
 * neither read nor written, so nothing in them can do harm.
 *
 *         MTE2             MTE1             M              FIX
 *     GM -----> L1 (q, kt) -----> L0A, L0B ---> L0C (s) -----> GM
 *
 * q is loaded once. The blocks take turns on two sets of buffers, so that one is loaded while the one before is
 * multiplied and the one before that is stored. Who fills a buffer tells the next pipe by an event with the set's
 * number; who has read it tells the pipe before, if a later block is going to need the buffer.
 */
#include <tilegraph/tile.h>

#define SETS 2u
#define Q_EVENT EVENT_ID2 /* behind those of the sets */
#define L0B_BYTES 65536u

void kernel_entry(int64_t *args)
{
    const uint32_t rows = tg_arg_u32(args[2]), head_dim = tg_arg_u32(args[3]);
    const uint32_t block_size = tg_arg_u32(args[4]), tokens = tg_arg_u32(args[5]), dtype = tg_arg_u32(args[6]);
    const int64_t *const blocks = args + 7;
    const uint32_t n_blocks = (tokens + block_size - 1) / block_size;

    const struct tg_global q_gm = tg_global_nd(tg_arg_addr(args[0]), dtype, rows, head_dim, head_dim);
    struct tg_tile q_l1 = tg_tile_mat(dtype, rows, head_dim), q_l0a = tg_tile_left(dtype, rows, head_dim);
    TASSIGN(q_l1, 0);
    TASSIGN(q_l0a, 0);

    const struct tg_tile kt_whole = tg_tile_mat(dtype, head_dim, block_size), s_whole = tg_tile_acc(rows, block_size);
    const uint32_t kt_bytes = tg_tile_bytes(&kt_whole), s_bytes = tg_tile_bytes(&s_whole);
    const uint32_t l0b_sets = SETS * kt_bytes <= L0B_BYTES ? SETS : 1; /* 128 x 128 fp32 fill L0B */

    TLOAD(q_l1, q_gm);
    set_flag(PIPE_MTE2, PIPE_MTE1, Q_EVENT);
    wait_flag(PIPE_MTE2, PIPE_MTE1, Q_EVENT);
    TMOV(q_l0a, q_l1);

    for (uint32_t i = 0; i < n_blocks; i++) {
        const uint32_t set = i % SETS, l0b = i % l0b_sets;
        const uint32_t left = tokens - i * block_size, valid = left < block_size ? left : block_size;
        const uint64_t s = tg_arg_addr(args[1]) + (uint64_t)i * rows * block_size * 4;
        const struct tg_global kt_gm = tg_global_nd(tg_arg_addr(blocks[i]), dtype, head_dim, valid, block_size);
        const struct tg_global s_gm = tg_global_nd(s, TG_FP32, rows, valid, block_size);
        struct tg_tile kt_l1 = tg_tile_mat(dtype, head_dim, valid), kt_l0b = tg_tile_right(dtype, head_dim, valid);
        struct tg_tile s_l0c = tg_tile_acc(rows, valid);
        TASSIGN(kt_l1, tg_tile_bytes(&q_l1) + set * kt_bytes);
        TASSIGN(kt_l0b, l0b * kt_bytes);
        TASSIGN(s_l0c, set * s_bytes);

        if (i >= SETS) wait_flag(PIPE_MTE1, PIPE_MTE2, set);
        TLOAD(kt_l1, kt_gm);
        set_flag(PIPE_MTE2, PIPE_MTE1, set);

        if (i >= l0b_sets) wait_flag(PIPE_M, PIPE_MTE1, l0b);
        wait_flag(PIPE_MTE2, PIPE_MTE1, set);
        TMOV(kt_l0b, kt_l1);
        set_flag(PIPE_MTE1, PIPE_M, l0b);
        if (i + SETS < n_blocks) set_flag(PIPE_MTE1, PIPE_MTE2, set);

        if (i >= SETS) wait_flag(PIPE_FIX, PIPE_M, set);
        wait_flag(PIPE_MTE1, PIPE_M, l0b);
        TMATMUL(s_l0c, q_l0a, kt_l0b);
        set_flag(PIPE_M, PIPE_FIX, set);
        if (i + l0b_sets < n_blocks) set_flag(PIPE_M, PIPE_MTE1, l0b);

        wait_flag(PIPE_M, PIPE_FIX, set);
        TSTORE(s_gm, s_l0c);
        if (i + SETS < n_blocks) set_flag(PIPE_FIX, PIPE_M, set);
    }
}
