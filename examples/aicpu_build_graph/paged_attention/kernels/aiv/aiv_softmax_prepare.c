/*
 * aiv_softmax_prepare.c - the softmax of a span of KV blocks by itself, on a vector core.
 *
 *     m = max over tokens of scale * s       p = exp(scale * s - m), rounded to dtype       l = sum over tokens of p
 *
 * Where all scores of a row are -infinity, m is -FLT_MAX: p and l are then 0 instead of NaN, and the span adds nothing.
 *
 * Shapes  s    [rows][ld]  fp32: scores; column j is the span's token j
 *         p    [rows][ld]  dtype, written
 *         m, l [rows]      fp32, written; over all tokens. l sums p as rounded, so that numerator and divisor agree
 * args    0 s, 1 p, 2 m, 3 l: device addresses
 *         4 rows: 1 to 128; 5 ld: of s and p, tokens or more
 *         6 tokens: of the span, 1 or more
 *         7 dtype: enum tg_dtype, TG_FP32, TG_FP16 or TG_BF16
 *         8 scale: float
 *
 * Columns that hold no token are masked: they are neither read nor written.
 *
 * The rows are worked off in slices, and the tokens of a slice in chunks, as wide as a tile can be, in two passes: the
 * first finds m, the second, which needs it, p and l. Chunks go through PLACES for scores and two for p, so that the
 * next are loaded and the previous ones stored while V computes. A place goes round the pipes, and each hand-over is an
 * event with the place's number:
 *
 *     scores   MTE2 (load) ---> V (compute) ---> MTE2, PLACES loads later
 *     p                         V (compute) ---> MTE3 (store) ---> V, two chunks later
 *
 * The scores that the first pass leaves in the places are not loaded again: the second pass begins with them and then
 * goes on with the first chunks. A task of up to PLACES chunks loads each of them once.
 */
#include <float.h>
#include <math.h>
#include <tilegraph/tile.h>

/* 32 rows of 128 floats are 16 KiB: from half of it on a transfer runs at nearly full speed. Few rows are longer. */
#define SLICE_ROWS 32u
#define TILE (SLICE_ROWS * 128u * 4u) /* bytes of a slice of a chunk in fp32 */
#define LONG_FLOATS 2048u             /* of a chunk of few rows */
#define PLACES 6u                     /* as many as there is room for */

/* Where things are in UB: 177 of 192 KiB. */
#define UB_S 0u
#define UB_P (UB_S + PLACES * TILE)
#define UB_TOP (UB_P + 2u * TILE)
#define UB_SUM (UB_TOP + TILE)
#define UB_SCRATCH (UB_SUM + TILE)
#define UB_M (UB_SCRATCH + TILE) /* of all rows, as l */
#define UB_L (UB_M + 128u * 4u)

struct task {
    uint64_t s, p;
    uint32_t rows, ld, tokens, dtype;
    float scale;
    uint32_t chunk; /* tokens of a chunk; the last one may have fewer */
    uint32_t n_chunks;
    uint32_t first_kept; /* the first chunk whose scores are still in UB after the first pass */
    uint32_t n_loads;    /* of all slices */
    uint32_t n_stores;   /* of p, of all slices */
};

/* Rows [row, row + n) of all chunks. The tiles are as wide as a whole chunk, or as the task's only one. */
struct slice {
    uint32_t row, n;
    uint32_t first_load, first_store; /* the numbers that its loads and stores begin with */
    struct tg_tile top, sum;          /* over the chunks, element by element: maximum of scores, sum of p */
    struct tg_tile m, l, scratch;
};

static struct tg_tile vec_at(uint32_t dtype, uint32_t rows, uint32_t cols, uint32_t offset)
{
    struct tg_tile tile = tg_tile_vec(dtype, rows, cols);
    TASSIGN(tile, offset);
    return tile;
}

static struct tg_tile column_at(uint32_t rows, uint32_t offset)
{
    struct tg_tile tile = tg_tile_column(TG_FP32, rows);
    TASSIGN(tile, offset);
    return tile;
}

/* Tokens of a chunk. Those of chunk 0 are the width of a tile. */
static uint32_t valid_of(const struct task *t, uint32_t chunk)
{
    const uint32_t left = t->tokens - chunk * t->chunk;
    return left < t->chunk ? left : t->chunk;
}

static struct slice slice_make(const struct task *t, uint32_t row)
{
    const uint32_t idx = row / SLICE_ROWS, cols = valid_of(t, 0);
    struct slice s;
    s.row = row;
    s.n = t->rows - row < SLICE_ROWS ? t->rows - row : SLICE_ROWS;
    s.first_load = idx * (t->first_kept + t->n_chunks);
    s.first_store = idx * t->n_chunks;
    s.top = vec_at(TG_FP32, s.n, cols, UB_TOP);
    s.sum = vec_at(TG_FP32, s.n, cols, UB_SUM);
    s.scratch = vec_at(TG_FP32, s.n, cols, UB_SCRATCH);
    s.m = column_at(s.n, UB_M + row * 4);
    s.l = column_at(s.n, UB_L + row * 4);
    return s;
}

/* The tile, cut to the columns of a chunk that hold tokens. */
static struct tg_tile masked(struct tg_tile tile, const struct task *t, uint32_t chunk)
{
    tile.valid_cols = valid_of(t, chunk);
    return tile;
}

/* The slice's part of a chunk in s or p. */
static struct tg_global chunk_gm(uint64_t array, uint32_t dtype, const struct task *t, const struct slice *s,
                                 uint32_t chunk)
{
    const uint64_t at = (uint64_t)s->row * t->ld + (uint64_t)chunk * t->chunk;
    return tg_global_nd(array + at * tg_dtype_bytes(dtype), dtype, s->n, valid_of(t, chunk), t->ld);
}

/* Where the scores of a load are. */
static struct tg_tile scores_at(const struct slice *s, uint32_t load)
{
    return vec_at(TG_FP32, s->n, s->top.valid_cols, UB_S + load % PLACES * TILE);
}

/* MTE2, V. Load the scores of a chunk and multiply them by the scale. Masked scores become -infinity, which adds
 * nothing to a maximum or to a sum of exp. */
static void load_scores(const struct task *t, const struct slice *s, uint32_t chunk, uint32_t load)
{
    const struct tg_global s_gm = chunk_gm(t->s, TG_FP32, t, s, chunk);
    const struct tg_tile whole = scores_at(s, load), scores = masked(whole, t, chunk);
    if (load >= PLACES) wait_flag(PIPE_V, PIPE_MTE2, load % PLACES);
    TLOAD(scores, s_gm);
    set_flag(PIPE_MTE2, PIPE_V, load % PLACES);

    wait_flag(PIPE_MTE2, PIPE_V, load % PLACES);
    if (scores.valid_cols == whole.valid_cols) {
        TMULS(whole, whole, t->scale);
    } else {
        const struct tg_tile scaled = masked(s->scratch, t, chunk);
        TMULS(scaled, scores, t->scale);
        pipe_barrier(PIPE_V);
        TFILLPAD(whole, scaled, -INFINITY);
    }
    pipe_barrier(PIPE_V);
}

/* V has read the scores of a load for the last time; tell the load that waits for the place, if there is one. */
static void release(const struct task *t, uint32_t load)
{
    if (load + PLACES < t->n_loads) set_flag(PIPE_V, PIPE_MTE2, load % PLACES);
}

/* The first pass. With one chunk its scores are the whole slice. */
static void find_max(const struct task *t, const struct slice *s)
{
    for (uint32_t i = 0; i < t->n_chunks; i++) {
        const uint32_t load = s->first_load + i;
        const struct tg_tile scores = scores_at(s, load);
        load_scores(t, s, i, load);
        if (t->n_chunks == 1) TROWMAX(s->m, scores, s->scratch);
        else if (i == 0) TMOV(s->top, scores);
        else TMAX(s->top, s->top, scores);
        if (i < t->first_kept) release(t, load);
    }
    pipe_barrier(PIPE_V);
    if (t->n_chunks > 1) {
        TROWMAX(s->m, s->top, s->scratch);
        pipe_barrier(PIPE_V);
    }
    struct tg_tile m = tg_tile_vec(TG_FP32, 1, s->n); /* element-wise instructions take rows */
    TRESHAPE(m, s->m);
    TMAXS(m, m, -FLT_MAX); /* -infinity less -infinity would be NaN */
    pipe_barrier(PIPE_V);
}

/* V. p from scores, which are lost. Returns where p is in fp32, as rounded. */
static struct tg_tile exponentials(const struct slice *s, struct tg_tile scores, struct tg_tile p)
{
    TROWEXPANDSUB(scores, scores, s->m);
    pipe_barrier(PIPE_V);
    if (p.dtype == TG_FP32) {
        TEXP(p, scores);
        pipe_barrier(PIPE_V);
        return p;
    }
    TEXP(scores, scores);
    pipe_barrier(PIPE_V);
    TCVT(p, scores);
    pipe_barrier(PIPE_V);
    TCVT(scores, p);
    pipe_barrier(PIPE_V);
    return scores;
}

/* V. Add p of the i-th chunk to the sum; l after the last. */
static void add_up(const struct task *t, const struct slice *s, uint32_t i, struct tg_tile p)
{
    if (t->n_chunks == 1) {
        TROWSUM(s->l, p, s->scratch);
        return;
    }
    if (i == 0) TMOV(s->sum, p);
    else TADD(s->sum, s->sum, p);
    if (i + 1 < t->n_chunks) return;
    pipe_barrier(PIPE_V);
    TROWSUM(s->l, s->sum, s->scratch);
}

/* The second pass. */
static void write_p(const struct task *t, const struct slice *s)
{
    for (uint32_t i = 0; i < t->n_chunks; i++) {
        const uint32_t chunk = (t->first_kept + i) % t->n_chunks;
        const uint32_t load = s->first_load + t->first_kept + i, store = s->first_store + i;
        const struct tg_global p_gm = chunk_gm(t->p, t->dtype, t, s, chunk);
        const struct tg_tile p = vec_at(t->dtype, s->n, s->top.valid_cols, UB_P + store % 2 * TILE);
        const struct tg_tile p_tokens = masked(p, t, chunk);
        if (load >= s->first_load + t->n_chunks) load_scores(t, s, chunk, load);

        if (store >= 2) wait_flag(PIPE_MTE3, PIPE_V, store % 2);
        add_up(t, s, i, exponentials(s, scores_at(s, load), p));
        release(t, load);
        set_flag(PIPE_V, PIPE_MTE3, store % 2);

        wait_flag(PIPE_V, PIPE_MTE3, store % 2);
        TSTORE(p_gm, p_tokens);
        if (store + 2 < t->n_stores) set_flag(PIPE_MTE3, PIPE_V, store % 2);
    }
}

/* MTE3. Of all rows at once; the store of the last p has waited for V to have them. */
static void store_m_and_l(uint64_t m, uint64_t l, uint32_t rows)
{
    const struct tg_global m_gm = tg_global_dn(m, TG_FP32, rows, 1, rows),
                           l_gm = tg_global_dn(l, TG_FP32, rows, 1, rows);
    const struct tg_tile m_ub = column_at(rows, UB_M), l_ub = column_at(rows, UB_L);
    TSTORE(m_gm, m_ub);
    TSTORE(l_gm, l_ub);
}

void kernel_entry(int64_t *args)
{
    struct task t;
    t.s = tg_arg_addr(args[0]);
    t.p = tg_arg_addr(args[1]);
    t.rows = tg_arg_u32(args[4]);
    t.ld = tg_arg_u32(args[5]);
    t.tokens = tg_arg_u32(args[6]);
    t.dtype = tg_arg_u32(args[7]);
    t.scale = tg_arg_f32(args[8]);
    t.chunk = LONG_FLOATS / t.rows / 16 * 16;
    if (t.chunk < 128) t.chunk = 128;
    t.n_chunks = (t.tokens + t.chunk - 1) / t.chunk;
    t.first_kept = t.n_chunks > PLACES ? t.n_chunks - PLACES : 0;
    const uint32_t n_slices = (t.rows + SLICE_ROWS - 1) / SLICE_ROWS;
    t.n_loads = n_slices * (t.first_kept + t.n_chunks);
    t.n_stores = n_slices * t.n_chunks;

    for (uint32_t row = 0; row < t.rows; row += SLICE_ROWS) {
        const struct slice s = slice_make(&t, row);
        find_max(&t, &s);
        write_p(&t, &s);
    }
    store_m_and_l(tg_arg_addr(args[2]), tg_arg_addr(args[3]), t.rows);
    TDRAIN();
}
