/*
 * aiv_combine.c - results over parts of the keys, as results over all of them, on a vector core. arguments.h lists the
 * arguments.
 *
 *     m = largest lse_j     w_j = exp(lse_j - m)     l = sum of w_j
 *     out = sum of w_j * out_j / l                   lse = m + ln l
 *
 * A part without keys has an lse of -infinity and weighs nothing. Rows that no part has keys for get zeros and
 * -infinity. The kernel works off the rows in slices, and the parts of a slice in order. Parts take turns on two sets
 * of buffers:
 *
 *     MTE2 (load a part) ---> V (add it) ---> MTE2, two parts later          V (finish) ---> MTE3 (store) ---> V
 */
#include <float.h>

#include "../arguments.h"
#include "../rows.h"

#define FLOATS 4096u /* of a slice, in up to 32 rows */
#define SLICE_ROWS 32u
#define ROW (SLICE_ROWS * 4u)
#define EACH_ROW (SLICE_ROWS * 32u)
#define LEAST (-1e29f) /* of m, as in aiv_softmax.c */
#define STORED_EVENT EVENT_ID2

/* Where things are in UB: the sets of a part's rows and lse, then the sums. */
#define SET_LSE (FLOATS * 4u)
#define SET_BYTES (SET_LSE + EACH_ROW)
#define UB_WIDE (2u * SET_BYTES)
#define UB_O (UB_WIDE + FLOATS * 4u)
#define UB_OUT (UB_O + FLOATS * 4u)
#define UB_EIGHT (UB_OUT + FLOATS * 4u)
#define UB_M (UB_EIGHT + EACH_ROW)
#define UB_L (UB_M + ROW)
#define UB_A (UB_L + ROW)
#define UB_B (UB_A + ROW)
#define UB_L_J (UB_B + ROW)
_Static_assert(UB_L_J + ROW <= 192u * 1024u, "UB is full");

struct task {
    uint64_t out, lse;
    uint32_t rows, heads, dim, dtype, n_parts;
    int64_t out_token_ld, out_head_ld, lse_token_ld, lse_head_ld;
    const int64_t *parts;
};

static uint32_t rows_at(const struct task *t, uint32_t row)
{
    return slice_rows(t->rows, row, t->heads, least(SLICE_ROWS, FLOATS / t->dim));
}

static struct tg_tile row_at(uint32_t n, uint32_t offset) { return vec_at(TG_FP32, 1, n, offset); }

/* MTE2. Load n rows of a part into its set. */
static void load(const struct task *t, uint32_t row, uint32_t n, uint32_t part, uint32_t set)
{
    const int64_t *p = t->parts + part * CB_PART;
    const struct tg_global out_gm = rows_gm(tg_arg_addr(p[CB_PART_OUT]), t->dtype, row, n, t->heads, t->dim,
                                            p[CB_PART_OUT_TOKEN_LD], p[CB_PART_OUT_HEAD_LD]);
    const struct tg_global lse_gm = rows_gm(tg_arg_addr(p[CB_PART_LSE]), TG_FP32, row, n, t->heads, 1,
                                            p[CB_PART_LSE_TOKEN_LD], p[CB_PART_LSE_HEAD_LD]);
    const struct tg_tile out = vec_at(t->dtype, n, t->dim, set * SET_BYTES);
    const struct tg_tile lse = vec_at(TG_FP32, n, 1, set * SET_BYTES + SET_LSE);
    TLOAD(out, out_gm);
    TLOAD(lse, lse_gm);
}

/* V. Add a part's rows to the sums; `first`: they are the sums so far. */
static void add(const struct task *t, uint32_t n, uint32_t set, bool first)
{
    const struct tg_tile loaded = vec_at(t->dtype, n, t->dim, set * SET_BYTES);
    const struct tg_tile lse = vec_at(TG_FP32, n, 1, set * SET_BYTES + SET_LSE);
    const struct tg_tile eight = vec_at(TG_FP32, n, 1, UB_EIGHT);
    const struct tg_tile wide = t->dtype == TG_FP32 ? loaded : vec_at(TG_FP32, n, t->dim, UB_WIDE);
    const struct tg_tile o = vec_at(TG_FP32, n, t->dim, UB_O);
    const struct tg_tile m = row_at(n, UB_M), l = row_at(n, UB_L), a = row_at(n, UB_A), b = row_at(n, UB_B);
    const struct tg_tile l_j = row_at(n, UB_L_J);
    struct tg_tile column = as_column(&l_j);

    TROWMAX(column, lse, eight);
    if (t->dtype != TG_FP32) TCVT(wide, loaded);
    pipe_barrier(PIPE_V);
    TMAXS(b, l_j, LEAST);
    pipe_barrier(PIPE_V);
    TSUB(l_j, l_j, b);
    pipe_barrier(PIPE_V);
    TEXP(l_j, l_j); /* 1; without keys 0 */
    pipe_barrier(PIPE_V);
    if (first) {
        TMOV(m, b);
        TMOV(l, l_j);
        TMOV(o, wide);
        pipe_barrier(PIPE_V);
        return;
    }
    TMOV(a, m);
    pipe_barrier(PIPE_V);
    TMAX(m, a, b);
    pipe_barrier(PIPE_V);
    TSUB(a, a, m);
    TSUB(b, b, m);
    pipe_barrier(PIPE_V);
    TEXP(a, a);
    TEXP(b, b);
    pipe_barrier(PIPE_V);
    TMUL(b, b, l_j);
    TMUL(l, l, a);
    pipe_barrier(PIPE_V);
    const struct tg_tile old = as_column(&a), fresh = as_column(&b);
    TADD(l, l, b);
    TROWEXPANDMUL(o, o, old);
    TROWEXPANDMUL(wide, wide, fresh);
    pipe_barrier(PIPE_V);
    TADD(o, o, wide);
    pipe_barrier(PIPE_V);
}

/* V, MTE3. */
static void finish(const struct task *t, uint32_t row, uint32_t n)
{
    const struct tg_tile o = vec_at(TG_FP32, n, t->dim, UB_O);
    const struct tg_tile out = t->dtype == TG_FP32 ? o : vec_at(t->dtype, n, t->dim, UB_OUT);
    const struct tg_tile m = row_at(n, UB_M), l = row_at(n, UB_L), a = row_at(n, UB_A);
    struct tg_tile eight = vec_at(TG_FP32, n, 8, UB_EIGHT);
    TLOG(a, l);
    pipe_barrier(PIPE_V);
    TADD(a, a, m);
    TMAXS(l, l, FLT_MIN);
    pipe_barrier(PIPE_V);
    const struct tg_tile lse = as_column(&a), divisor = as_column(&l);
    TROWEXPAND(eight, lse);
    TROWEXPANDDIV(o, o, divisor);
    pipe_barrier(PIPE_V);
    if (t->dtype != TG_FP32) TCVT(out, o);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    const struct tg_global out_gm = rows_gm(t->out, t->dtype, row, n, t->heads, t->dim, t->out_token_ld,
                                            t->out_head_ld);
    TSTORE(out_gm, out);
    if (!t->lse) return;
    const struct tg_global lse_gm = rows_gm(t->lse, TG_FP32, row, n, t->heads, 1, t->lse_token_ld, t->lse_head_ld);
    eight.valid_cols = 1;
    TSTORE(lse_gm, eight);
}

static void work(const struct task *t)
{
    uint32_t n_loads = 0, load_idx = 0;
    for (uint32_t row = 0; row < t->rows; row += rows_at(t, row)) n_loads += t->n_parts;
    for (uint32_t row = 0, n; row < t->rows; row += n) {
        n = rows_at(t, row);
        if (row > 0) wait_flag(PIPE_MTE3, PIPE_V, STORED_EVENT);
        for (uint32_t part = 0; part < t->n_parts; part++, load_idx++) {
            const uint32_t set = load_idx % 2;
            if (load_idx >= 2) wait_flag(PIPE_V, PIPE_MTE2, set);
            load(t, row, n, part, set);
            set_flag(PIPE_MTE2, PIPE_V, set);
            wait_flag(PIPE_MTE2, PIPE_V, set);
            add(t, n, set, part == 0);
            if (load_idx + 2 < n_loads) set_flag(PIPE_V, PIPE_MTE2, set);
        }
        finish(t, row, n);
        if (row + n < t->rows) set_flag(PIPE_MTE3, PIPE_V, STORED_EVENT);
    }
}

void kernel_entry(int64_t *args)
{
    struct task t;
    t.out = tg_arg_addr(args[CB_OUT]);
    t.lse = tg_arg_addr(args[CB_LSE]);
    t.rows = tg_arg_u32(args[CB_ROWS]);
    t.heads = tg_arg_u32(args[CB_HEADS]);
    t.dim = tg_arg_u32(args[CB_DIM]);
    t.dtype = tg_arg_u32(args[CB_DTYPE]);
    t.n_parts = tg_arg_u32(args[CB_N_PARTS]);
    t.out_token_ld = args[CB_OUT_TOKEN_LD];
    t.out_head_ld = args[CB_OUT_HEAD_LD];
    t.lse_token_ld = args[CB_LSE_TOKEN_LD];
    t.lse_head_ld = args[CB_LSE_HEAD_LD];
    t.parts = args + CB_PARTS;
    work(&t);
    TDRAIN();
}
