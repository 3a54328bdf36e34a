/*
 * aiv_softmax.c - the softmax of a span of KV blocks by itself, on a vector core. arguments.h lists the arguments.
 *
 *     x = scale * s      x = cap * tanh(x / cap)      x += slope * distance      x += mask, or -infinity
 *     m = max over tokens of x      p = exp(x - m), rounded to dtype      l = sum over tokens of p
 *
 * The distance of a key is its position less that of the row's token. Where a row sees no key, or all its scores are
 * -infinity, m is LEAST: p and l are then 0 instead of NaN, and the span adds nothing. l sums p as rounded, so that
 * numerator and divisor agree.
 *
 * Columns that hold no token are neither read nor written.
 *
 * The kernel works off the rows in slices and the tokens of a slice in chunks, in two passes. The first finds m, the
 * second p and l. Chunks go through PLACES for scores and two for p: while V computes, the next ones are loaded and the
 * previous ones stored. A place goes round the pipes. Each hand-over is an event with the place's number:
 *
 *     scores   MTE2 (load) ---> V (compute) ---> MTE2, PLACES loads later
 *     p                         V (compute) ---> MTE3 (store) ---> V, two chunks later
 *
 * The scores that the first pass leaves in the places are not loaded again: the second pass begins with them and then
 * goes on with the first chunks. A task of up to PLACES chunks loads each of them once.
 */
#include <math.h>

#include "../arguments.h"
#include "../rows.h"

/* 32 rows of 128 floats are 16 KiB: from half of it on a transfer runs at nearly full speed. Few rows are longer. */
#define SLICE_ROWS 32u
#define TILE (SLICE_ROWS * 128u * 4u) /* bytes of a slice of a chunk in fp32 */
#define LONG_FLOATS 768u              /* of a chunk of few rows */
#define PLACES 4u
#define UNSEEN 1e30f   /* for each key by which a key is out of sight, this is taken from its score */
#define LEAST (-1e29f) /* of m: a row that sees no key has weights of 0 */
#define SLICES_MAX 8u  /* of ROWS_MAX rows: two for each token of 33 heads or more, or 17 rows or more each */
#define EACH_ROW (SLICE_ROWS * 32u) /* bytes of a value of each row, eight times */

/* Events of MTE2 and V behind those of the places. */
#define MASK_EVENT EVENT_ID4
#define ROWS_EVENT EVENT_ID5
#define COUNTS_EVENT EVENT_ID6

/* Where things are in UB: 184 of 192 KiB. TROWEXPAND* uses the last 8 as scratch (docs/checking.md). */
#define UB_S 0u
#define UB_P (UB_S + PLACES * TILE)
#define UB_TOP (UB_P + 2u * TILE)
#define UB_SUM (UB_TOP + TILE)
#define UB_SCRATCH (UB_SUM + TILE)
#define UB_DISTANCE (UB_SCRATCH + TILE)
#define UB_MASK (UB_DISTANCE + TILE)
#define UB_COUNTS (UB_MASK + TILE) /* 0, 1, ... */
#define UB_ROW (UB_COUNTS + LONG_FLOATS * 4u)
#define UB_FIRST (UB_ROW + EACH_ROW)
#define UB_SLOPE (UB_FIRST + EACH_ROW)
#define UB_M (UB_SLOPE + EACH_ROW) /* of all rows, as l */
#define UB_L (UB_M + SLICES_MAX * SLICE_ROWS * 4u)
_Static_assert(UB_L + SLICES_MAX * SLICE_ROWS * 4u <= 184u * 1024u, "UB is full");
_Static_assert(LONG_FLOATS <= COUNTS, "a chunk has a count for each column");

struct task {
    uint64_t s, p, counts, slopes, mask;
    uint32_t rows, group, ld, tokens, dtype;
    float scale, soft_cap;
    int32_t distance, left, right;
    uint32_t mask_dtype;
    int64_t mask_token_ld, mask_head_ld;
    bool has_distance; /* some chunk needs the distances of its keys */
    uint32_t chunk;    /* tokens of a chunk; the last one may have fewer */
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

static struct tg_tile column_at(uint32_t rows, uint32_t offset) { return place(tg_tile_column(TG_FP32, rows), offset); }

/* Tokens of a chunk. Those of chunk 0 are the width of a tile. */
static uint32_t valid_of(const struct task *t, uint32_t chunk) { return least(t->tokens - chunk * t->chunk, t->chunk); }

static struct slice slice_make(const struct task *t, uint32_t row, uint32_t idx)
{
    const uint32_t cols = valid_of(t, 0);
    struct slice s;
    s.row = row;
    s.n = slice_rows(t->rows, row, t->group, SLICE_ROWS);
    s.first_load = idx * (t->first_kept + t->n_chunks);
    s.first_store = idx * t->n_chunks;
    s.top = vec_at(TG_FP32, s.n, cols, UB_TOP);
    s.sum = vec_at(TG_FP32, s.n, cols, UB_SUM);
    s.scratch = vec_at(TG_FP32, s.n, cols, UB_SCRATCH);
    s.m = column_at(s.n, UB_M + idx * SLICE_ROWS * 4);
    s.l = column_at(s.n, UB_L + idx * SLICE_ROWS * 4);
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

/* ---- from scores to x, on V ------------------------------------------------------------------------------------- */

/* x = cap * tanh(x / cap), as cap - 2 cap / (exp(2 x / cap) + 1). */
static void cap_scores(const struct task *t, struct tg_tile x, struct tg_tile scratch)
{
    TMULS(x, x, 2.0f / t->soft_cap);
    pipe_barrier(PIPE_V);
    TEXP(x, x);
    pipe_barrier(PIPE_V);
    TADDS(x, x, 1.0f);
    pipe_barrier(PIPE_V);
    TRECIP(scratch, x);
    pipe_barrier(PIPE_V);
    TMULS(scratch, scratch, -2.0f * t->soft_cap);
    pipe_barrier(PIPE_V);
    TADDS(x, scratch, t->soft_cap);
    pipe_barrier(PIPE_V);
}

/* MTE2, V. Apply the mask of a chunk; `load` is its number. */
static void apply_mask(const struct task *t, const struct slice *s, uint32_t chunk, uint32_t load, struct tg_tile x)
{
    const uint32_t n = valid_of(t, chunk), bits = t->mask_dtype == TG_UINT8, bytes = tg_dtype_bytes(t->mask_dtype);
    const uint64_t from = t->mask + (uint64_t)chunk * t->chunk * bytes / (bits ? 8 : 1);
    const uint32_t cols = bits ? (n + 7) / 8 : n;
    const struct tg_global gm = rows_gm(from, t->mask_dtype, s->row, s->n, t->group, cols, t->mask_token_ld,
                                        t->mask_head_ld);
    const struct tg_tile mask = vec_at(t->mask_dtype, s->n, cols, UB_MASK);
    const struct tg_tile other = vec_at(TG_FP32, s->n, n, UB_DISTANCE);

    if (load > 0) wait_flag(PIPE_V, PIPE_MTE2, MASK_EVENT);
    TLOAD(mask, gm);
    set_flag(PIPE_MTE2, PIPE_V, MASK_EVENT);
    wait_flag(PIPE_MTE2, PIPE_V, MASK_EVENT);
    if (bits) {
        TEXPANDS(other, -INFINITY);
        pipe_barrier(PIPE_V);
        TSEL(x, mask, x, other);
        pipe_barrier(PIPE_V);
    } else if (t->mask_dtype == TG_FP32) {
        TADD(x, x, mask);
        pipe_barrier(PIPE_V);
    } else {
        TCVT(other, mask);
        pipe_barrier(PIPE_V);
        TADD(x, x, other);
        pipe_barrier(PIPE_V);
    }
}

/* Is a key of the chunk outside of the window of a row of the slice? */
static bool hides_right(const struct task *t, const struct slice *s, uint32_t chunk)
{
    const int64_t last_key = t->distance + (int64_t)chunk * t->chunk + valid_of(t, chunk) - 1;
    return t->right >= 0 && last_key - s->row / t->group > t->right;
}
static bool hides_left(const struct task *t, const struct slice *s, uint32_t chunk)
{
    const int64_t first_key = t->distance + (int64_t)chunk * t->chunk;
    return t->left >= 0 && first_key - (s->row + s->n - 1) / t->group < -(int64_t)t->left;
}

/* ALiBi, causality and the window: the terms that depend on the position of a key. */
static void apply_distance(const struct task *t, const struct slice *s, uint32_t chunk, struct tg_tile x)
{
    const bool right = hides_right(t, s, chunk), left = hides_left(t, s, chunk);
    if (!right && !left && !t->slopes) return;
    const uint32_t n = valid_of(t, chunk);
    const struct tg_tile distance = vec_at(TG_FP32, s->n, n, UB_DISTANCE),
                         scratch = vec_at(TG_FP32, s->n, n, UB_SCRATCH);
    const struct tg_tile counts = vec_at(TG_FP32, 1, n, UB_COUNTS);
    const struct tg_tile row = vec_at(TG_FP32, s->n, 8, UB_ROW), first = vec_at(TG_FP32, s->n, 8, UB_FIRST);

    const int64_t first_key = t->distance + (int64_t)chunk * t->chunk; /* less the position of token 0 */
    if (t->slopes) {
        const struct tg_tile slope = vec_at(TG_FP32, s->n, 8, UB_SLOPE);
        TCOLEXPAND(distance, counts);
        TSUBS(first, row, first_key);
        pipe_barrier(PIPE_V);
        TROWEXPANDSUB(distance, distance, first);
        pipe_barrier(PIPE_V);
        TROWEXPANDMUL(scratch, distance, slope);
        pipe_barrier(PIPE_V);
        TADD(x, x, scratch);
        pipe_barrier(PIPE_V);
    }
    for (uint32_t side = 0; side < 2; side++) {
        if (side == 0 ? !right : !left) continue;
        TCOLEXPAND(distance, counts);
        TADDS(first, row, (side == 0 ? t->right : -(int64_t)t->left) - first_key);
        pipe_barrier(PIPE_V);
        /* The keys between the last or first one that a row sees, and this one: below 0, the row does not see it. */
        if (side == 0) TROWEXPANDSUB(scratch, first, distance);
        else TROWEXPANDSUB(scratch, distance, first);
        pipe_barrier(PIPE_V);
        TMINS(scratch, scratch, 0.0f);
        pipe_barrier(PIPE_V);
        TMULS(scratch, scratch, UNSEEN);
        pipe_barrier(PIPE_V);
        TADD(x, x, scratch);
        pipe_barrier(PIPE_V);
    }
}

/* MTE2, V. Load the scores of a chunk and turn them into x. Columns without a token become -infinity, which adds
 * nothing to a maximum nor to a sum of exp. */
static void load_scores(const struct task *t, const struct slice *s, uint32_t chunk, uint32_t load)
{
    const struct tg_global s_gm = chunk_gm(t->s, TG_FP32, t, s, chunk);
    const struct tg_tile whole = scores_at(s, load), scores = masked(whole, t, chunk);
    if (load >= PLACES) wait_flag(PIPE_V, PIPE_MTE2, load % PLACES);
    TLOAD(scores, s_gm);
    set_flag(PIPE_MTE2, PIPE_V, load % PLACES);

    wait_flag(PIPE_MTE2, PIPE_V, load % PLACES);
    TMULS(scores, scores, t->scale);
    pipe_barrier(PIPE_V);
    if (t->soft_cap > 0) cap_scores(t, scores, masked(s->scratch, t, chunk));
    if (t->mask) apply_mask(t, s, chunk, load, scores);
    if (t->has_distance) apply_distance(t, s, chunk, scores);
    if (t->mask && load + 1 < t->n_loads) set_flag(PIPE_V, PIPE_MTE2, MASK_EVENT);
    if (scores.valid_cols < whole.valid_cols) {
        TFILLPAD_INPLACE(whole, scores, -INFINITY);
        pipe_barrier(PIPE_V);
    }
}

/* MTE2. The values of each row that the distances need. */
static void load_rows(const struct task *t, const struct slice *s, bool first_slice)
{
    const struct tg_global row_gm = rows_gm(t->counts, TG_FP32, s->row, s->n, t->group, 8, 8, 0);
    const struct tg_tile row = vec_at(TG_FP32, s->n, 8, UB_ROW);
    if (!first_slice) wait_flag(PIPE_V, PIPE_MTE2, ROWS_EVENT);
    TLOAD(row, row_gm);
    if (t->slopes) {
        const struct tg_global slope_gm = rows_gm(t->slopes, TG_FP32, s->row, s->n, t->group, 8, 0, 8);
        const struct tg_tile slope = vec_at(TG_FP32, s->n, 8, UB_SLOPE);
        TLOAD(slope, slope_gm);
    }
    set_flag(PIPE_MTE2, PIPE_V, ROWS_EVENT);
    wait_flag(PIPE_MTE2, PIPE_V, ROWS_EVENT);
}

/* ---- softmax ----------------------------------------------------------------------------------------------------- */

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
    TMAXS(m, m, LEAST); /* exp of hidden scores, which are further below, is 0 */
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

/* MTE3. The store of the slice's last p has waited for V to have them. */
static void store_m_and_l(uint64_t m, uint64_t l, const struct slice *s)
{
    const uint64_t at = (uint64_t)s->row * 4;
    const struct tg_global m_gm = tg_global_dn(m + at, TG_FP32, s->n, 1, s->n),
                           l_gm = tg_global_dn(l + at, TG_FP32, s->n, 1, s->n);
    TSTORE(m_gm, s->m);
    TSTORE(l_gm, s->l);
}

/* How the work is divided. */
static void divide(struct task *t)
{
    uint32_t n_slices = 0;
    for (uint32_t row = 0; row < t->rows; row += slice_rows(t->rows, row, t->group, SLICE_ROWS)) n_slices++;
    t->chunk = LONG_FLOATS / t->rows / 16 * 16;
    if (t->chunk < 128) t->chunk = 128;
    t->n_chunks = (t->tokens + t->chunk - 1) / t->chunk;
    t->first_kept = t->n_chunks > PLACES ? t->n_chunks - PLACES : 0;
    t->n_loads = n_slices * (t->first_kept + t->n_chunks);
    t->n_stores = n_slices * t->n_chunks;

    const int64_t last = t->distance + (int64_t)t->tokens - 1, last_token = (t->rows - 1) / t->group;
    t->has_distance = t->slopes || (t->right >= 0 && last > t->right) ||
                      (t->left >= 0 && t->distance - last_token < -(int64_t)t->left);
}

/* MTE2. */
static void load_counts(const struct task *t)
{
    const uint32_t n = valid_of(t, 0);
    const struct tg_global gm = tg_global_nd(t->counts + ROWS_MAX * 8 * 4, TG_FP32, 1, n, n);
    const struct tg_tile counts = vec_at(TG_FP32, 1, n, UB_COUNTS);
    TLOAD(counts, gm);
    set_flag(PIPE_MTE2, PIPE_V, COUNTS_EVENT);
    wait_flag(PIPE_MTE2, PIPE_V, COUNTS_EVENT);
}

void kernel_entry(int64_t *args)
{
    struct task t;
    t.s = tg_arg_addr(args[SM_S]);
    t.p = tg_arg_addr(args[SM_P]);
    t.rows = tg_arg_u32(args[SM_ROWS]);
    t.group = tg_arg_u32(args[SM_GROUP]);
    t.ld = tg_arg_u32(args[SM_LD]);
    t.tokens = tg_arg_u32(args[SM_TOKENS]);
    t.dtype = tg_arg_u32(args[SM_DTYPE]);
    t.scale = tg_arg_f32(args[SM_SCALE]);
    t.soft_cap = tg_arg_f32(args[SM_SOFT_CAP]);
    t.distance = (int32_t)args[SM_DISTANCE];
    t.left = (int32_t)args[SM_LEFT];
    t.right = (int32_t)args[SM_RIGHT];
    t.counts = tg_arg_addr(args[SM_COUNTS]);
    t.slopes = tg_arg_addr(args[SM_SLOPES]);
    t.mask = tg_arg_addr(args[SM_MASK]);
    t.mask_dtype = tg_arg_u32(args[SM_MASK_DTYPE]);
    t.mask_token_ld = args[SM_MASK_TOKEN_LD];
    t.mask_head_ld = args[SM_MASK_HEAD_LD];
    divide(&t);

    if (t.has_distance) load_counts(&t);
    for (uint32_t row = 0, idx = 0; row < t.rows; idx++) {
        const struct slice s = slice_make(&t, row, idx);
        if (t.has_distance) load_rows(&t, &s, idx == 0);
        find_max(&t, &s);
        write_p(&t, &s);
        row += s.n;
        if (t.has_distance && row < t.rows) set_flag(PIPE_V, PIPE_MTE2, ROWS_EVENT);
        store_m_and_l(tg_arg_addr(args[SM_M]), tg_arg_addr(args[SM_L]), &s);
    }
    TDRAIN();
}
