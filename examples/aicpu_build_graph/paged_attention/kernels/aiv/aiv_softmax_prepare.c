/*
 * aiv_softmax_prepare.c - the softmax of one KV block by itself, on a vector core.
 *
 *     m = max over tokens of scale * s       p = exp(scale * s - m), rounded to dtype       l = sum over tokens of p
 *
 * Shapes  s    [rows][valid] of block_size  fp32: scores
 *         p    [rows][valid] of block_size  dtype, written
 *         m, l [rows]                       fp32, written; l sums p as rounded, so that numerator and divisor agree
 * args    0 s, 1 p, 2 m, 3 l: device addresses
 *         4 rows: 1 or more; 5 block_size: a multiple of 8 up to 128
 *         6 valid: tokens of this block, 1 to block_size: the mask, for what is not loaded cannot count
 *         7 dtype: enum tg_dtype, TG_FP32, TG_FP16 or TG_BF16
 *         8 scale: float
 *
 * The rows are worked off in slices. There are two sets of buffers, so that the next slice is loaded and the previous
 * one stored while V computes. A set goes round the pipes, and each hand-over is an event with the set's number:
 *
 *     MTE2 (load s) ---> V (compute) ---> MTE3 (store p, m, l) ---> MTE2, two slices later
 */
#include <tilegraph/tile.h>

/* 32 rows of 128 floats are 16 KiB: from this size on a transfer runs at nearly full speed, and 128 rows still make
 * four slices, enough for the three pipes to overlap. UB holds two sets and the scratch: 65 of 192 KiB. */
#define SLICE_ROWS 32u
#define FLOATS (SLICE_ROWS * 128u * 4u) /* bytes of a slice in fp32 */

/* Where things are in UB: a set of buffers, its parts, and the scratch behind both sets. */
#define SET_P FLOATS                /* s is at the start of the set */
#define SET_M (SET_P + FLOATS / 2u) /* p is used with 16-bit types only */
#define SET_L (SET_M + SLICE_ROWS * 4u)
#define SET_BYTES (SET_L + SLICE_ROWS * 4u)
#define SCRATCH (2u * SET_BYTES)

struct slice {
    struct tg_tile s, p, m, l, scratch;
};

/* The tiles of `rows` rows in buffer set 0 or 1. In fp32 p takes the place of s. */
static struct slice slice_make(uint32_t rows, uint32_t valid, uint32_t dtype, uint32_t set)
{
    const uint32_t start = set * SET_BYTES;
    struct slice t;
    t.s = t.scratch = tg_tile_vec(TG_FP32, rows, valid);
    t.p = tg_tile_vec(dtype, rows, valid);
    t.m = t.l = tg_tile_column(TG_FP32, rows);
    TASSIGN(t.s, start);
    TASSIGN(t.p, dtype == TG_FP32 ? start : start + SET_P);
    TASSIGN(t.m, start + SET_M);
    TASSIGN(t.l, start + SET_L);
    TASSIGN(t.scratch, SCRATCH);
    return t;
}

/* All on V: each step needs the one before it to have ended. */
static void compute(struct slice *t, float scale)
{
    TMULS(t->s, t->s, scale);
    pipe_barrier(PIPE_V);
    TROWMAX(t->m, t->s, t->scratch);
    pipe_barrier(PIPE_V);
    TROWEXPANDSUB(t->s, t->s, t->m);
    pipe_barrier(PIPE_V);
    TEXP(t->s, t->s);
    pipe_barrier(PIPE_V);
    if (t->p.dtype != TG_FP32) { /* round, and take the rounded values back for the sum */
        TCVT(t->p, t->s);
        pipe_barrier(PIPE_V);
        TCVT(t->s, t->p);
        pipe_barrier(PIPE_V);
    }
    TROWSUM(t->l, t->s, t->scratch);
}

void kernel_entry(int64_t *args)
{
    const uint64_t s = tg_arg_addr(args[0]), p = tg_arg_addr(args[1]);
    const uint64_t m = tg_arg_addr(args[2]), l = tg_arg_addr(args[3]);
    const uint32_t rows = tg_arg_u32(args[4]), block_size = tg_arg_u32(args[5]), valid = tg_arg_u32(args[6]);
    const uint32_t dtype = tg_arg_u32(args[7]);
    const float scale = tg_arg_f32(args[8]);

    for (uint32_t row = 0, set = 0; row < rows; row += SLICE_ROWS, set ^= 1u) {
        const uint32_t n = rows - row < SLICE_ROWS ? rows - row : SLICE_ROWS;
        const uint64_t at = (uint64_t)row * block_size;
        const struct tg_global s_gm = tg_global_nd(s + at * 4, TG_FP32, n, valid, block_size);
        const struct tg_global p_gm = tg_global_nd(p + at * tg_dtype_bytes(dtype), dtype, n, valid, block_size);
        const struct tg_global m_gm = tg_global_dn(m + (uint64_t)row * 4, TG_FP32, n, 1, n);
        const struct tg_global l_gm = tg_global_dn(l + (uint64_t)row * 4, TG_FP32, n, 1, n);
        struct slice t = slice_make(n, valid, dtype, set);

        if (row >= 2 * SLICE_ROWS) wait_flag(PIPE_MTE3, PIPE_MTE2, set); /* the set is free again */
        TLOAD(t.s, s_gm);
        set_flag(PIPE_MTE2, PIPE_V, set);

        wait_flag(PIPE_MTE2, PIPE_V, set);
        compute(&t, scale);
        set_flag(PIPE_V, PIPE_MTE3, set);

        wait_flag(PIPE_V, PIPE_MTE3, set);
        TSTORE(p_gm, t.p);
        TSTORE(m_gm, t.m);
        TSTORE(l_gm, t.l);
        if (row + 2 * SLICE_ROWS < rows) set_flag(PIPE_MTE3, PIPE_MTE2, set); /* for the slice that waits above */
    }
}
