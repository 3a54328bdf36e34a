/*
 * aiv_merge.c - merge a span of KV blocks into the running softmax of its rows, on a vector core.
 *
 *     m' = max(m, m_j)     a = exp(m - m')     b = exp(m_j - m')
 *     l' = a * l + b * l_j                     o' = a * o + b * o_j
 *
 * and at the end, with a sink as one more key of score `sink` and value 0,
 *
 *     out = scale * o' / l'     lse = m' + ln l'
 *
 * Rows that no key has reached (l is 0) get zeros and -infinity. arguments.h lists the arguments.
 *
 * The rows are worked off in slices, and two sets of buffers go round the pipes:
 *
 *     MTE2 (load) ---> V (merge, finish) ---> MTE3 (store) ---> MTE2, two slices later
 */
#include <float.h>

#include "../arguments.h"
#include "../rows.h"

/* 32 KiB of o, in up to 32 rows: from 16 KiB on a transfer runs at nearly full speed. */
#define FLOATS 8192u
#define SLICE_ROWS 32u
#define ROW (SLICE_ROWS * 4u)       /* bytes of a value of each row */
#define EACH_ROW (SLICE_ROWS * 32u) /* the same, eight times */

/* Where things are in a set of buffers; o is at its start. */
#define SET_O_J (FLOATS * 4u)         /* and, in 16-bit types, out */
#define SET_NARROW (SET_O_J + 20480u) /* out in 8-bit types, behind fp16: rows are rounded up to 32 bytes */
#define SET_M (2u * FLOATS * 4u)
#define SET_L (SET_M + ROW)
#define SET_A (SET_L + ROW)
#define SET_B (SET_A + ROW)
#define SET_L_J (SET_B + ROW)
#define SET_SINK (SET_L_J + ROW)
#define SET_EIGHT (SET_SINK + EACH_ROW)
#define SET_BYTES (SET_EIGHT + EACH_ROW)
_Static_assert(2u * SET_BYTES <= 192u * 1024u, "UB is full");

struct task {
    uint64_t m_j, l_j, o_j, m, l, o, out, lse, sinks;
    uint32_t rows, group, dim, out_dtype;
    bool has_span, has_running, last;
    float scale;
    int64_t out_token_ld, out_head_ld, lse_token_ld, lse_head_ld;
    uint32_t n_slices;
};

/* Per-row values are 1 x n rows here, for element-wise instructions take row-major tiles. */
struct slice {
    uint32_t row, n;
    struct tg_tile m, l, o; /* the running softmax */
    struct tg_tile a, b;    /* m before the merge and m_j, which become the factors of both sides */
    struct tg_tile l_j, o_j;
    struct tg_tile out, half;   /* o in the output's type, o itself in fp32; scratch of 8-bit outputs */
    struct tg_tile sink, eight; /* [n][8] */
};

static uint32_t rows_at(const struct task *t, uint32_t row)
{
    return slice_rows(t->rows, row, t->group, least(SLICE_ROWS, FLOATS / t->dim));
}

static struct slice slice_make(const struct task *t, uint32_t row, uint32_t idx)
{
    const uint32_t start = idx % 2 * SET_BYTES;
    struct slice s;
    s.row = row;
    s.n = rows_at(t, row);
    s.o = vec_at(TG_FP32, s.n, t->dim, start);
    s.o_j = vec_at(TG_FP32, s.n, t->dim, start + SET_O_J);
    const bool is_narrow = tg_dtype_bytes(t->out_dtype) == 1;
    s.half = vec_at(TG_FP16, s.n, t->dim, start + SET_O_J);
    s.out = t->out_dtype == TG_FP32 ? s.o
                                    : vec_at(t->out_dtype, s.n, t->dim, start + (is_narrow ? SET_NARROW : SET_O_J));
    s.m = vec_at(TG_FP32, 1, s.n, start + SET_M);
    s.l = vec_at(TG_FP32, 1, s.n, start + SET_L);
    s.a = vec_at(TG_FP32, 1, s.n, start + SET_A);
    s.b = vec_at(TG_FP32, 1, s.n, start + SET_B);
    s.l_j = vec_at(TG_FP32, 1, s.n, start + SET_L_J);
    s.sink = vec_at(TG_FP32, s.n, 8, start + SET_SINK);
    s.eight = vec_at(TG_FP32, s.n, 8, start + SET_EIGHT);
    return s;
}

/* The slice's part of a [rows] array, and of a [rows][dim] one. */
static struct tg_global row_gm(uint64_t array, const struct slice *s)
{
    return tg_global_nd(array + (uint64_t)s->row * 4, TG_FP32, 1, s->n, s->n);
}
static struct tg_global matrix_gm(uint64_t array, const struct task *t, const struct slice *s)
{
    return tg_global_nd(array + (uint64_t)s->row * t->dim * 4, TG_FP32, s->n, t->dim, t->dim);
}

/* MTE2. A span or a running softmax alone is the result as it stands: V has nothing to merge. */
static void load(const struct task *t, struct slice *s)
{
    const bool merges = t->has_span && t->has_running;
    if (t->has_span) {
        const struct tg_global m_j = row_gm(t->m_j, s), l_j = row_gm(t->l_j, s), o_j = matrix_gm(t->o_j, t, s);
        TLOAD(*(merges ? &s->b : &s->m), m_j);
        TLOAD(*(merges ? &s->l_j : &s->l), l_j);
        TLOAD(*(merges ? &s->o_j : &s->o), o_j);
    }
    if (t->has_running) {
        const struct tg_global m = row_gm(t->m, s), l = row_gm(t->l, s), o = matrix_gm(t->o, t, s);
        TLOAD(*(merges ? &s->a : &s->m), m);
        TLOAD(s->l, l);
        TLOAD(s->o, o);
    }
    if (t->last && t->sinks) {
        const struct tg_global sinks = rows_gm(t->sinks, TG_FP32, s->row, s->n, t->group, 8, 0, 8);
        TLOAD(s->sink, sinks);
    }
}

/* V. The softmax of no key. */
static void clear(struct slice *s)
{
    TEXPANDS(s->m, -FLT_MAX);
    TEXPANDS(s->l, 0.0f);
    TEXPANDS(s->o, 0.0f);
    pipe_barrier(PIPE_V);
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
    pipe_barrier(PIPE_V);
}

/* V. As a merge with a span of one key, whose m is the sink, l 1 and o 0. */
static void add_sink(struct slice *s)
{
    struct tg_tile sink = as_column(&s->b);
    TROWMAX(sink, s->sink, s->eight);
    pipe_barrier(PIPE_V);
    TMAX(s->a, s->m, s->b);
    pipe_barrier(PIPE_V);
    TSUB(s->m, s->m, s->a);
    TSUB(s->b, s->b, s->a);
    pipe_barrier(PIPE_V);
    TEXP(s->m, s->m);
    TEXP(s->b, s->b);
    pipe_barrier(PIPE_V);
    const struct tg_tile factor = as_column(&s->m);
    TMUL(s->l, s->l, s->m);
    TROWEXPANDMUL(s->o, s->o, factor);
    pipe_barrier(PIPE_V);
    TADD(s->l, s->l, s->b);
    TMOV(s->m, s->a);
    pipe_barrier(PIPE_V);
}

/* V. */
static void finish(const struct task *t, struct slice *s)
{
    if (t->sinks) add_sink(s);
    if (t->lse) {
        TLOG(s->a, s->l);
        pipe_barrier(PIPE_V);
        TADD(s->a, s->a, s->m);
        pipe_barrier(PIPE_V);
        const struct tg_tile lse = as_column(&s->a);
        TROWEXPAND(s->eight, lse);
        pipe_barrier(PIPE_V);
    }
    TMAXS(s->l, s->l, FLT_MIN); /* without a key 0 / 0 would be NaN */
    pipe_barrier(PIPE_V);
    if (t->scale != 1.0f) {
        TMULS(s->l, s->l, 1.0f / t->scale);
        pipe_barrier(PIPE_V);
    }
    const struct tg_tile l = as_column(&s->l);
    TROWEXPANDDIV(s->o, s->o, l);
    if (s->out.dtype == TG_FP32) return;
    pipe_barrier(PIPE_V);
    if (tg_dtype_bytes(s->out.dtype) == 1) to_eight_bits(s->o, s->half, s->out);
    else TCVT(s->out, s->o);
}

/* MTE3. */
static void store(const struct task *t, struct slice *s)
{
    if (!t->last) {
        const struct tg_global m = row_gm(t->m, s), l = row_gm(t->l, s), o = matrix_gm(t->o, t, s);
        TSTORE(m, s->m);
        TSTORE(l, s->l);
        TSTORE(o, s->o);
        return;
    }
    const struct tg_global out = rows_gm(t->out, t->out_dtype, s->row, s->n, t->group, t->dim, t->out_token_ld,
                                         t->out_head_ld);
    TSTORE(out, s->out);
    if (t->lse) {
        const struct tg_global lse = rows_gm(t->lse, TG_FP32, s->row, s->n, t->group, 1, t->lse_token_ld,
                                             t->lse_head_ld);
        struct tg_tile one = s->eight;
        one.valid_cols = 1;
        TSTORE(lse, one);
    }
}

static void work(const struct task *t)
{
    for (uint32_t row = 0, idx = 0; idx < t->n_slices; idx++) {
        struct slice s = slice_make(t, row, idx);
        const uint32_t set = idx % 2;

        if (idx >= 2) wait_flag(PIPE_MTE3, PIPE_MTE2, set); /* the set is free again */
        load(t, &s);
        set_flag(PIPE_MTE2, PIPE_V, set);

        wait_flag(PIPE_MTE2, PIPE_V, set);
        if (!t->has_span && !t->has_running) clear(&s);
        if (t->has_span && t->has_running) merge(&s);
        if (t->last) finish(t, &s);
        set_flag(PIPE_V, PIPE_MTE3, set);

        wait_flag(PIPE_V, PIPE_MTE3, set);
        store(t, &s);
        if (idx + 2 < t->n_slices) set_flag(PIPE_MTE3, PIPE_MTE2, set); /* for the slice that waits above */
        row += s.n;
    }
}

void kernel_entry(int64_t *args)
{
    const uint32_t flags = tg_arg_u32(args[MG_FLAGS]);
    struct task t;
    t.m_j = tg_arg_addr(args[MG_M_J]);
    t.l_j = tg_arg_addr(args[MG_L_J]);
    t.o_j = tg_arg_addr(args[MG_O_J]);
    t.m = tg_arg_addr(args[MG_M]);
    t.l = tg_arg_addr(args[MG_L]);
    t.o = tg_arg_addr(args[MG_O]);
    t.rows = tg_arg_u32(args[MG_ROWS]);
    t.group = tg_arg_u32(args[MG_GROUP]);
    t.dim = tg_arg_u32(args[MG_DIM]);
    t.has_span = flags & MG_HAS_SPAN;
    t.has_running = flags & MG_HAS_RUNNING;
    t.last = flags & MG_LAST;
    t.scale = tg_arg_f32(args[MG_SCALE]);
    t.out = tg_arg_addr(args[MG_OUT]);
    t.out_dtype = tg_arg_u32(args[MG_OUT_DTYPE]);
    t.out_token_ld = args[MG_OUT_TOKEN_LD];
    t.out_head_ld = args[MG_OUT_HEAD_LD];
    t.lse = tg_arg_addr(args[MG_LSE]);
    t.lse_token_ld = args[MG_LSE_TOKEN_LD];
    t.lse_head_ld = args[MG_LSE_HEAD_LD];
    t.sinks = tg_arg_addr(args[MG_SINKS]);
    t.n_slices = 0;
    for (uint32_t row = 0; row < t.rows; row += rows_at(&t, row)) t.n_slices++;
    work(&t);
    TDRAIN();
}
