/*
 * append_slice.h - rows of new keys or values in slices, for the vector kernels that write them into the cache.
 *
 * append.h lists the arguments. A row is [heads][dim]. Heads and tokens of a piece are worked off in slices
 * [head][token] that fit into a set of buffers. Where the tokens of a dimension are neighbours in the cache, a slice is
 * transposed head by head. A single token needs no transposition: a row of a tile can be stored as a column.
 */
#ifndef TG_ATTENTION_APPEND_SLICE_H
#define TG_ATTENTION_APPEND_SLICE_H

#include "append.h"
#include "arguments.h"
#include "rotate.h"

/*
 * UB holds two sets of buffers. From 16 KiB on a transfer runs at nearly full speed.
 *
 *     rows in the cache's type | rows as they come, if they are of another type; |   ... transposed rows at the end
 *                              | then scratch of the transposition ...           |
 *
 * A rotation takes slices of half the size, and all of a set:
 *
 *     rows | index | rows as they come, then swapped rows | cos | sin | scratch
 */
#define ROWS_BYTES (32u * 1024u)
#define OTHER ROWS_BYTES
#define OTHER_BYTES (64u * 1024u)
#define SET (OTHER + OTHER_BYTES)
#define TURNED_BYTES (QUERY_FLOATS * 4u) /* of rows that are rotated */
_Static_assert(2 * TURNED_BYTES <= ROWS_BYTES && 4 * TURNED_BYTES <= OTHER_BYTES, "a rotation fits into a set");

struct task {
    uint64_t from, to;
    int64_t from_token, from_head, to_block, to_head, to_token, to_dim;
    uint32_t dim, heads, from_dtype, to_dtype;
    float factor;
    bool transposes;  /* tokens are neighbours in the cache */
    uint32_t rotated; /* dimensions; 0: none */
    uint64_t cos, sin, index;
    uint64_t scales;
    const int64_t *pieces;
    uint32_t n_pieces;
};

/* Heads [head, head + n_heads) of tokens [token, token + n) of a piece. */
struct slice {
    uint32_t piece, head, n_heads, token, n;
};

static inline uint32_t pitch(uint32_t dtype, uint32_t cols) { return tg_round_up(cols * tg_dtype_bytes(dtype), 32); }

/* ---- slices ------------------------------------------------------------------------------------------------------ */

static inline struct append_piece piece_at(const struct task *t, uint32_t idx)
{
    const int64_t *words = t->pieces + idx * APPEND_PIECE_WORDS;
    const struct append_piece piece = {tg_arg_u32(words[0]), tg_arg_u32(words[1]), tg_arg_u32(words[2]),
                                       tg_arg_u32(words[3]), tg_arg_u32(words[4])};
    return piece;
}

/* Rows need no conversion on their way, and no rotation in another type than theirs. */
static inline bool is_direct(const struct task *t)
{
    return t->from_dtype == t->to_dtype && (!t->rotated || t->from_dtype == TG_FP32);
}

/* Rows of a slice at most. Conversions and rotations go through fp32. */
static inline uint32_t rows_of_slice(const struct task *t)
{
    if (t->rotated) return query_slice_rows(t->dim);
    return ROWS_BYTES / pitch(is_direct(t) ? t->to_dtype : TG_FP32, t->dim);
}

/* Rows of a tile as TTRANS wants its scratch. */
static inline uint32_t scratch_rows(uint32_t dtype, uint32_t n)
{
    return tg_round_up(n, tg_dtype_bytes(dtype) == 1 ? 32 : 16);
}

/* Tokens of a slice of a piece of n: as many as fit for one head, in parts of about equal size. */
static inline uint32_t tokens_of_slice(const struct task *t, uint32_t n)
{
    uint32_t most = rows_of_slice(t);
    /* Half for the scratch, half for the transposed rows. They are rounded up to 16 rows and to 32 bytes. */
    if (t->transposes && n > 1) most = least(most, OTHER_BYTES / 2 / t->dim / 32u * 32u / tg_dtype_bytes(t->to_dtype));
    if (n <= most) return n;
    const uint32_t n_parts = (n + most - 1) / most;
    return least(most, tg_round_up((n + n_parts - 1) / n_parts, 16));
}

static inline uint32_t heads_of_slice(const struct task *t, uint32_t n_heads, uint32_t n)
{
    n_heads = least(n_heads, rows_of_slice(t) / n);
    if (!t->transposes || n == 1) return n_heads;
    const uint32_t scratch = scratch_rows(t->to_dtype, n) * pitch(t->to_dtype, t->dim);
    return least(n_heads, (OTHER_BYTES - scratch) / (t->dim * pitch(t->to_dtype, n)));
}

/* Fill in the sizes of a slice whose beginning is known. */
static inline void fit(const struct task *t, struct slice *s)
{
    const struct append_piece piece = piece_at(t, s->piece);
    const uint32_t most = tokens_of_slice(t, piece.n);
    s->n = least(piece.n - s->token, most);
    s->n_heads = least(t->heads - s->head, heads_of_slice(t, t->heads, most));
}

/* The slice behind *s: heads first, then tokens, then pieces. false: *s was the last one. */
static inline bool next(const struct task *t, struct slice *s)
{
    s->head += s->n_heads;
    if (s->head == t->heads) {
        s->head = 0;
        s->token += s->n;
    }
    if (s->token == piece_at(t, s->piece).n) {
        s->token = 0;
        s->piece++;
    }
    if (s->piece == t->n_pieces) return false;
    fit(t, s);
    return true;
}

static inline struct slice first(const struct task *t)
{
    struct slice s = {0, 0, 0, 0, 0};
    fit(t, &s);
    return s;
}

/* ---- a slice ----------------------------------------------------------------------------------------------------- */

/* MTE2: [head][token][dim] from the new rows. */
static inline void load(const struct task *t, const struct slice *s, const struct tg_tile *rows)
{
    const struct append_piece piece = piece_at(t, s->piece);
    const int64_t at = (int64_t)(piece.row + s->token) * t->from_token + s->head * t->from_head;
    const uint64_t from = t->from + (uint64_t)(at * tg_dtype_bytes(t->from_dtype));
    const uint32_t shape[5] = {1, 1, s->n_heads, s->n, t->dim};
    const int64_t stride[5] = {0, 0, t->from_head, t->from_token, 1};
    const struct tg_global gm = tg_global_make(from, t->from_dtype, TG_ROW_MAJOR, shape, stride);
    TLOAD(*rows, gm);
}

static inline struct rotation rotation_of(const struct task *t, uint32_t n, uint32_t set)
{
    const uint32_t other = set + OTHER;
    const struct rotation r = {t->rotated,
                               vec_at(TG_INT32, n, t->rotated, set + TURNED_BYTES),
                               vec_at(TG_FP32, n, t->rotated, other + TURNED_BYTES),
                               vec_at(TG_FP32, n, t->rotated, other + 2 * TURNED_BYTES),
                               vec_at(TG_FP32, n, t->rotated, other),
                               vec_at(TG_INT32, n, t->rotated, other + 3 * TURNED_BYTES)};
    return r;
}

/* MTE2: the rows of the tables for the tokens of a slice, the same for each head. */
static inline void load_rotation(const struct task *t, const struct slice *s, uint32_t set)
{
    const struct append_piece piece = piece_at(t, s->piece);
    const uint32_t n = s->n_heads * s->n, shape[5] = {1, 1, s->n_heads, s->n, t->rotated};
    const uint64_t at = (uint64_t)(piece.position + s->token) * t->rotated * sizeof(float);
    const int64_t stride[5] = {0, 0, 0, t->rotated, 1};
    const struct rotation r = rotation_of(t, n, set);
    const struct tg_global index = tg_global_nd(t->index, TG_INT32, n, t->rotated, t->rotated);
    const struct tg_global cos = tg_global_make(t->cos + at, TG_FP32, TG_ROW_MAJOR, shape, stride);
    const struct tg_global sin = tg_global_make(t->sin + at, TG_FP32, TG_ROW_MAJOR, shape, stride);
    TLOAD(r.index, index);
    TLOAD(r.cos, cos);
    TLOAD(r.sin, sin);
}

/* V: fp32 in place as elements of 8 bits: multiplied by the factor, limited to the type's range, rounded once. */
static inline struct tg_tile quantise(const struct task *t, struct tg_tile *wide, float factor, uint32_t set)
{
    const bool is_int8 = t->to_dtype == TG_INT8;
    const struct tg_tile to = vec_at(t->to_dtype, wide->valid_rows, t->dim, set);
    const struct tg_tile other = vec_at(is_int8 ? TG_FP16 : t->to_dtype, wide->valid_rows, t->dim, set + OTHER);
    TMULS(*wide, *wide, factor);
    pipe_barrier(PIPE_V);
    to_eight_bits(*wide, other, is_int8 ? to : other); /* fp8 rows would overwrite those that are still to be read */
    if (is_int8) return to;
    pipe_barrier(PIPE_V);
    TMOV(to, other);
    return to;
}

/* V: rows in fp32, rotated, at the start of the set. */
static inline struct tg_tile widen(const struct task *t, struct tg_tile *rows, uint32_t set)
{
    struct tg_tile wide = vec_at(TG_FP32, rows->valid_rows, t->dim, set);
    if (!is_direct(t)) {
        if (t->from_dtype == TG_FP32) TMOV(wide, *rows);
        else TCVT(wide, *rows);
        pipe_barrier(PIPE_V);
    }
    if (t->rotated) {
        const struct rotation r = rotation_of(t, rows->valid_rows, set);
        rotate(&r, &wide);
    }
    return wide;
}

/* Rows [row, row + n) of a tile. */
static inline struct tg_tile rows_of(const struct tg_tile *tile, uint32_t row, uint32_t n)
{
    struct tg_tile part = *tile;
    part.offset += row * pitch(tile->dtype, tile->cols);
    part.rows = part.valid_rows = n;
    return part;
}

/* V: [head][dim][token] of rows [head][token][dim]. */
static inline struct tg_tile transpose(const struct slice *s, const struct tg_tile *rows, uint32_t set)
{
    const uint32_t dim = rows->valid_cols, bytes = s->n_heads * dim * pitch(rows->dtype, s->n);
    const struct tg_tile columns = vec_at(rows->dtype, s->n_heads * dim, s->n, set + SET - bytes);
    const struct tg_tile tmp = vec_at(rows->dtype, scratch_rows(rows->dtype, s->n), dim, set + OTHER);
    for (uint32_t head = 0; head < s->n_heads; head++) {
        const struct tg_tile from = rows_of(rows, head * s->n, s->n), to = rows_of(&columns, head * dim, dim);
        pipe_barrier(PIPE_V); /* they share tmp */
        TTRANS(to, from, tmp);
    }
    return columns;
}

/* MTE3. */
static inline void store(const struct task *t, const struct slice *s, const struct tg_tile *tile)
{
    const struct append_piece piece = piece_at(t, s->piece);
    const int64_t at = piece.block * t->to_block + s->head * t->to_head + (piece.slot + s->token) * t->to_token;
    const uint64_t bytes = tg_dtype_bytes(t->to_dtype), to = t->to + (uint64_t)at * bytes;
    if (t->transposes && s->n == 1) {
        for (uint32_t head = 0; head < s->n_heads; head++) {
            const uint64_t column = to + (uint64_t)(head * t->to_head) * bytes;
            const struct tg_global gm = tg_global_dn(column, t->to_dtype, 1, t->dim, t->to_dim);
            const struct tg_tile row = rows_of(tile, head, 1);
            TSTORE(gm, row);
        }
        return;
    }
    const uint32_t shape[5] = {1, 1, s->n_heads, t->transposes ? t->dim : s->n, t->transposes ? s->n : t->dim};
    const int64_t stride[5] = {0, 0, t->to_head, t->transposes ? t->to_dim : t->to_token, 1};
    const struct tg_global gm = tg_global_make(to, t->to_dtype, TG_ROW_MAJOR, shape, stride);
    TSTORE(gm, *tile);
}

static inline struct task task_of(int64_t *args)
{
    struct task t;
    t.from = tg_arg_addr(args[AP_FROM]);
    t.to = tg_arg_addr(args[AP_TO]);
    t.from_token = args[AP_FROM_TOKEN];
    t.from_head = args[AP_FROM_HEAD];
    t.to_block = args[AP_TO_BLOCK];
    t.to_head = args[AP_TO_HEAD];
    t.to_token = args[AP_TO_TOKEN];
    t.to_dim = args[AP_TO_DIM];
    t.dim = tg_arg_u32(args[AP_DIM]);
    t.heads = tg_arg_u32(args[AP_HEADS]);
    t.from_dtype = tg_arg_u32(args[AP_FROM_DTYPE]);
    t.to_dtype = tg_arg_u32(args[AP_TO_DTYPE]);
    t.factor = tg_arg_f32(args[AP_FACTOR]);
    t.rotated = tg_arg_u32(args[AP_ROTATED]);
    t.cos = t.rotated ? tg_arg_addr(args[AP_COS]) : 0;
    t.sin = t.rotated ? tg_arg_addr(args[AP_SIN]) : 0;
    t.index = t.rotated ? tg_arg_addr(args[AP_INDEX]) : 0;
    t.scales = tg_arg_addr(args[AP_SCALES]);
    t.n_pieces = tg_arg_u32(args[AP_N_PIECES]);
    t.pieces = args + AP_PIECES;
    t.transposes = t.to_dim != 1;
    return t;
}

#endif
