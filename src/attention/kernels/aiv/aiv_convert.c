/*
 * aiv_convert.c - keys or values of a span of KV blocks in the type that a cube core multiplies, on a vector core.
 * arguments.h lists the arguments.
 *
 *     to = from * scale of the block, rounded to the other type
 *
 * The copy is one block of all tokens of the span. It has the order of the blocks: a row for each dimension, with the
 * tokens of each block behind those of the block before; or a row for each token.
 *
 * The kernel works off pieces of blocks, which take turns on two sets of buffers:
 *
 *     MTE2 (load) ---> V (convert) ---> MTE3 (store) ---> MTE2, two pieces later
 */
#include "../arguments.h"
#include "../rows.h"

#define PIECE 8192u /* elements */

/* Where things are in a set of buffers: elements as loaded, as fp16, as fp32, as stored. */
#define SET_HALF (PIECE * 4u)
#define SET_WIDE (SET_HALF + PIECE * 2u)
#define SET_OUT (SET_WIDE + PIECE * 4u)
#define SET_BYTES (SET_OUT + PIECE * 2u)
_Static_assert(2u * SET_BYTES <= 192u * 1024u, "UB is full");

struct task {
    uint64_t to;
    uint32_t dim, from_dtype, to_dtype, tokens, block_tokens, from_ld, to_ld;
    bool dims_are_rows;
    const int64_t *blocks; /* address and scale of each */
};

/* Some rows of a block. */
struct piece {
    uint32_t at, n_tokens; /* tokens of the span that the block holds */
    uint32_t row, n_rows, n_cols;
};

/* The piece that begins at `row` of the block with token `at`. */
static struct piece piece_make(const struct task *t, uint32_t at, uint32_t row)
{
    struct piece p = {.at = at, .n_tokens = least(t->block_tokens, t->tokens - at), .row = row};
    const uint32_t rows = t->dims_are_rows ? t->dim : p.n_tokens;
    p.n_cols = t->dims_are_rows ? p.n_tokens : t->dim;
    p.n_rows = least(rows - row, PIECE / tg_round_up(p.n_cols, 32));
    return p;
}

/* The piece behind it. false: it was the last. */
static bool piece_next(const struct task *t, struct piece *p)
{
    const uint32_t rows = t->dims_are_rows ? t->dim : p->n_tokens;
    if (p->row + p->n_rows < rows) {
        *p = piece_make(t, p->at, p->row + p->n_rows);
        return true;
    }
    if (p->at + p->n_tokens >= t->tokens) return false;
    *p = piece_make(t, p->at + p->n_tokens, 0);
    return true;
}

/* V. The tile that is to be stored. */
static struct tg_tile convert(const struct task *t, const struct piece *p, struct tg_tile tile, float scale,
                              uint32_t set)
{
    const struct tg_tile half = vec_at(TG_FP16, p->n_rows, p->n_cols, set + SET_HALF);
    const struct tg_tile wide = vec_at(TG_FP32, p->n_rows, p->n_cols, set + SET_WIDE);
    const bool to_wide = t->to_dtype == TG_FP32;
    const struct tg_tile out = vec_at(t->to_dtype, p->n_rows, p->n_cols, set + (to_wide ? SET_WIDE : SET_OUT));
    if (tile.dtype == TG_INT8) {
        TCVT(half, tile);
        pipe_barrier(PIPE_V);
        tile = half;
    }
    if (tile.dtype == t->to_dtype && scale == 1.0f) return tile;
    const bool fp8 = tile.dtype == TG_FP8_E4M3 || tile.dtype == TG_FP8_E5M2;
    if (fp8 && scale == 1.0f) {
        TCVT(out, tile);
        return out;
    }
    if (tile.dtype != TG_FP32) {
        TCVT(wide, tile);
        pipe_barrier(PIPE_V);
        tile = wide;
    }
    if (scale != 1.0f) {
        TMULS(tile, tile, scale);
        pipe_barrier(PIPE_V);
    }
    if (to_wide) return tile;
    TCVT(out, tile);
    return out;
}

static void work(const struct task *t)
{
    struct piece p = piece_make(t, 0, 0), counted = p;
    uint32_t n = 1;
    while (piece_next(t, &counted)) n++;
    for (uint32_t i = 0; i < n; i++, piece_next(t, &p)) {
        const int64_t *block = t->blocks + 2 * (p.at / t->block_tokens);
        const uint32_t set = i % 2 * SET_BYTES;
        const uint64_t from = tg_arg_addr(block[0]) + (uint64_t)p.row * t->from_ld * tg_dtype_bytes(t->from_dtype);
        const uint64_t first = t->dims_are_rows ? (uint64_t)p.row * t->to_ld + p.at
                                                : ((uint64_t)p.at + p.row) * t->to_ld;
        const struct tg_global from_gm = tg_global_nd(from, t->from_dtype, p.n_rows, p.n_cols, t->from_ld);
        const struct tg_global to_gm = tg_global_nd(t->to + first * tg_dtype_bytes(t->to_dtype), t->to_dtype, p.n_rows,
                                                    p.n_cols, t->to_ld);
        const struct tg_tile loaded = vec_at(t->from_dtype, p.n_rows, p.n_cols, set);
        if (i >= 2) wait_flag(PIPE_MTE3, PIPE_MTE2, i % 2);
        TLOAD(loaded, from_gm);
        set_flag(PIPE_MTE2, PIPE_V, i % 2);

        wait_flag(PIPE_MTE2, PIPE_V, i % 2);
        const struct tg_tile converted = convert(t, &p, loaded, tg_arg_f32(block[1]), set);
        set_flag(PIPE_V, PIPE_MTE3, i % 2);

        wait_flag(PIPE_V, PIPE_MTE3, i % 2);
        TSTORE(to_gm, converted);
        if (i + 2 < n) set_flag(PIPE_MTE3, PIPE_MTE2, i % 2);
    }
}

void kernel_entry(int64_t *args)
{
    struct task t;
    t.to = tg_arg_addr(args[CV_TO]);
    t.dim = tg_arg_u32(args[CV_DIM]);
    t.from_dtype = tg_arg_u32(args[CV_FROM_DTYPE]);
    t.to_dtype = tg_arg_u32(args[CV_TO_DTYPE]);
    t.tokens = tg_arg_u32(args[CV_TOKENS]);
    t.block_tokens = tg_arg_u32(args[CV_BLOCK_TOKENS]);
    t.from_ld = tg_arg_u32(args[CV_FROM_LD]);
    t.to_ld = tg_arg_u32(args[CV_TO_LD]);
    t.dims_are_rows = args[CV_DIMS_ARE_ROWS] != 0;
    t.blocks = args + CV_BLOCKS;
    work(&t);
    TDRAIN();
}
