/*
 * aiv_online_update.c - merge a span of KV blocks into the running softmax of its sequence, on a vector core.
 *
 *     m' = max(m, m_j)     a = exp(m - m')     b = exp(m_j - m')
 *     l' = a * l + b * l_j                     o' = a * o + b * o_j
 *
 * and after the last merge out = o' / l', in dtype.
 *
 * Shapes  m_j, l_j [rows]  o_j [rows][head_dim]  fp32: what span j has by itself
 *         m, l     [rows]  o   [rows][head_dim]  fp32: the running softmax of the spans before j; becomes m', l', o'
 *         out [rows][head_dim]                   dtype, written with the last span
 * args    0 m_j, 1 l_j, 2 o_j, 3 m, 4 l, 5 o, 6 out: device addresses
 *         7 rows: 1 or more; 8 head_dim: a multiple of 8 up to 256
 *         9 dtype: enum tg_dtype, TG_FP32, TG_FP16 or TG_BF16
 *         10 span: j; 11 n_spans: of the sequence
 *
 * The first span reads no m, l, o and the last writes none, so a sequence of one span needs none. A sequence of no
 * token (n_spans is 0) reads nothing at all: its out is zeros.
 *
 * As in aiv_softmax_prepare the rows are worked off in slices, and two sets of buffers go round the pipes:
 *
 *     MTE2 (load) ---> V (merge, normalise) ---> MTE3 (store) ---> MTE2, two slices later
 */
#include <stdbool.h>
#include <tilegraph/tile.h>

/* 32 rows of 128 floats are 16 KiB, from which on a transfer runs at nearly full speed. UB holds two sets of buffers,
 * 162 of 192 KiB. */
#define SLICE_ROWS 32u
#define FLOATS (SLICE_ROWS * 256u * 4u) /* bytes of o and o_j of a slice */
#define ROW (SLICE_ROWS * 4u)           /* bytes of m and l of a slice */

/* Where things are in a set of buffers; o is at its start. */
#define SET_O_J FLOATS
#define SET_OUT (2u * FLOATS) /* used with 16-bit types only */
#define SET_M (SET_OUT + FLOATS / 2u)
#define SET_L (SET_M + ROW)
#define SET_A (SET_L + ROW)
#define SET_B (SET_A + ROW)
#define SET_L_J (SET_B + ROW)
#define SET_BYTES (SET_L_J + ROW)

struct task {
    uint64_t m_j, l_j, o_j, m, l, o, out;
    uint32_t rows, head_dim, dtype;
    bool first, last;
};

/* Per-row values are 1 x n rows here, for element-wise instructions take row-major tiles. */
struct slice {
    uint32_t row, n;        /* rows [row, row + n) of the task */
    struct tg_tile m, l, o; /* the running softmax */
    struct tg_tile a, b;    /* m before the merge and m_j, which become the factors of both sides */
    struct tg_tile l_j, o_j;
    struct tg_tile out; /* o in dtype; o itself in fp32 */
};

static struct tg_tile vec_at(uint32_t dtype, uint32_t rows, uint32_t cols, uint32_t offset)
{
    struct tg_tile tile = tg_tile_vec(dtype, rows, cols);
    TASSIGN(tile, offset);
    return tile;
}

/* The slice of `t` that begins at `row`, in buffer set 0 or 1. */
static struct slice slice_make(const struct task *t, uint32_t row, uint32_t set)
{
    const uint32_t start = set * SET_BYTES;
    struct slice s;
    s.row = row;
    s.n = t->rows - row < SLICE_ROWS ? t->rows - row : SLICE_ROWS;
    s.o = vec_at(TG_FP32, s.n, t->head_dim, start);
    s.o_j = vec_at(TG_FP32, s.n, t->head_dim, start + SET_O_J);
    s.out = t->dtype == TG_FP32 ? s.o : vec_at(t->dtype, s.n, t->head_dim, start + SET_OUT);
    s.m = vec_at(TG_FP32, 1, s.n, start + SET_M);
    s.l = vec_at(TG_FP32, 1, s.n, start + SET_L);
    s.a = vec_at(TG_FP32, 1, s.n, start + SET_A);
    s.b = vec_at(TG_FP32, 1, s.n, start + SET_B);
    s.l_j = vec_at(TG_FP32, 1, s.n, start + SET_L_J);
    return s;
}

/* The slice's part of a [rows] array, and of a [rows][head_dim] one. */
static struct tg_global rows_gm(uint64_t array, const struct slice *s)
{
    return tg_global_nd(array + (uint64_t)s->row * 4, TG_FP32, 1, s->n, s->n);
}
static struct tg_global matrix_gm(uint64_t array, uint32_t dtype, const struct task *t, const struct slice *s)
{
    const uint64_t at = (uint64_t)s->row * t->head_dim * tg_dtype_bytes(dtype);
    return tg_global_nd(array + at, dtype, s->n, t->head_dim, t->head_dim);
}

/* The bytes of a 1 x n row as the n x 1 column that TROWEXPAND* take. */
static struct tg_tile as_column(const struct tg_tile *row)
{
    struct tg_tile column = tg_tile_column(row->dtype, row->valid_cols);
    TRESHAPE(column, *row);
    return column;
}

/* MTE2. The results of the first span are the running softmax: V has nothing to merge. */
static void load(const struct task *t, struct slice *s)
{
    const struct tg_global m_j = rows_gm(t->m_j, s), l_j = rows_gm(t->l_j, s);
    const struct tg_global o_j = matrix_gm(t->o_j, TG_FP32, t, s);
    if (t->first) {
        TLOAD(s->m, m_j);
        TLOAD(s->l, l_j);
        TLOAD(s->o, o_j);
        return;
    }
    const struct tg_global m = rows_gm(t->m, s), l = rows_gm(t->l, s), o = matrix_gm(t->o, TG_FP32, t, s);
    TLOAD(s->a, m);
    TLOAD(s->b, m_j);
    TLOAD(s->l, l);
    TLOAD(s->l_j, l_j);
    TLOAD(s->o, o);
    TLOAD(s->o_j, o_j);
}

/* V. Instructions between two barriers do not touch each other's results. */
static void merge(struct slice *s)
{
    TMAX(s->m, s->a, s->b);
    pipe_barrier(PIPE_V);
    TSUB(s->a, s->a, s->m);
    TSUB(s->b, s->b, s->m);
    pipe_barrier(PIPE_V);
    TEXP(s->a, s->a);
    TEXP(s->b, s->b);
    pipe_barrier(PIPE_V);

    const struct tg_tile a = as_column(&s->a), b = as_column(&s->b);
    TMUL(s->l, s->l, s->a);
    TMUL(s->l_j, s->l_j, s->b);
    TROWEXPANDMUL(s->o, s->o, a);
    TROWEXPANDMUL(s->o_j, s->o_j, b);
    pipe_barrier(PIPE_V);
    TADD(s->l, s->l, s->l_j);
    TADD(s->o, s->o, s->o_j);
}

/* V. */
static void normalise(struct slice *s)
{
    const struct tg_tile l = as_column(&s->l);
    TROWEXPANDDIV(s->o, s->o, l);
    if (s->out.dtype == TG_FP32) return;
    pipe_barrier(PIPE_V);
    TCVT(s->out, s->o);
}

/* MTE3. */
static void store(const struct task *t, struct slice *s)
{
    if (t->last) {
        const struct tg_global out = matrix_gm(t->out, t->dtype, t, s);
        TSTORE(out, s->out);
        return;
    }
    const struct tg_global m = rows_gm(t->m, s), l = rows_gm(t->l, s), o = matrix_gm(t->o, TG_FP32, t, s);
    TSTORE(m, s->m);
    TSTORE(l, s->l);
    TSTORE(o, s->o);
}

static void update(const struct task *t)
{
    for (uint32_t row = 0, set = 0; row < t->rows; row += SLICE_ROWS, set ^= 1u) {
        struct slice s = slice_make(t, row, set);

        if (row >= 2 * SLICE_ROWS) wait_flag(PIPE_MTE3, PIPE_MTE2, set); /* the set is free again */
        load(t, &s);
        set_flag(PIPE_MTE2, PIPE_V, set);

        wait_flag(PIPE_MTE2, PIPE_V, set);
        if (!t->first) merge(&s);
        if (!t->first && t->last) pipe_barrier(PIPE_V);
        if (t->last) normalise(&s);
        set_flag(PIPE_V, PIPE_MTE3, set);

        wait_flag(PIPE_V, PIPE_MTE3, set);
        store(t, &s);
        if (row + 2 * SLICE_ROWS < t->rows) set_flag(PIPE_MTE3, PIPE_MTE2, set); /* for the slice that waits above */
    }
}

/* Zeros to all of out: one slice of them, stored again and again. */
static void write_zeros(const struct task *t)
{
    struct slice zeros = slice_make(t, 0, 0);
    TEXPANDS(zeros.o, 0.0f);
    if (t->dtype != TG_FP32) {
        pipe_barrier(PIPE_V);
        TCVT(zeros.out, zeros.o);
    }
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    for (uint32_t row = 0; row < t->rows; row += SLICE_ROWS) {
        const struct slice s = slice_make(t, row, 0);
        const struct tg_global out = matrix_gm(t->out, t->dtype, t, &s);
        TSTORE(out, s.out);
    }
}

void kernel_entry(int64_t *args)
{
    const uint32_t span = tg_arg_u32(args[10]), n_spans = tg_arg_u32(args[11]);
    struct task t;
    t.m_j = tg_arg_addr(args[0]);
    t.l_j = tg_arg_addr(args[1]);
    t.o_j = tg_arg_addr(args[2]);
    t.m = tg_arg_addr(args[3]);
    t.l = tg_arg_addr(args[4]);
    t.o = tg_arg_addr(args[5]);
    t.out = tg_arg_addr(args[6]);
    t.rows = tg_arg_u32(args[7]);
    t.head_dim = tg_arg_u32(args[8]);
    t.dtype = tg_arg_u32(args[9]);
    t.first = span == 0;
    t.last = span + 1 == n_spans;

    if (n_spans == 0) {
        write_zeros(&t);
    } else {
        update(&t);
    }
    TDRAIN();
}
