/* kernel_programs_aiv.c - programs of a vector core in the manner of operator libraries. See programs.h. */
#include "program_sites.h"

static struct tg_tile vec(uint32_t dtype, uint32_t rows, uint32_t cols, uint32_t offset)
{
    struct tg_tile t = tg_tile_vec(dtype, rows, cols);
    TASSIGN(t, offset);
    return t;
}

static struct tg_tile column(uint32_t rows, uint32_t offset)
{
    struct tg_tile t = tg_tile_column(TG_FP32, rows);
    TASSIGN(t, offset);
    return t;
}

/* Rows [row, row + rows) and columns [col, col + cols) of a Vec tile: the same bytes. */
static struct tg_tile sub(const struct tg_tile *t, uint32_t row, uint32_t col, uint32_t rows, uint32_t cols)
{
    struct tg_tile s = *t;
    s.offset += (row * t->cols + col) * tg_dtype_bytes(t->dtype);
    s.rows = rows;
    s.valid_rows = rows;
    s.valid_cols = cols;
    return s;
}

static struct tg_global nd(uint64_t at, uint32_t rows, uint32_t cols, uint32_t ld)
{
    return tg_global_nd(at, TG_FP32, rows, cols, ld);
}

/* ---- element-wise, with buffers in turn -------------------------------------------------------------------------- */

/* out = x * y + x in chunks. Flags that free the buffers are raised before the loop and taken back behind it. */
static void multiply_add(const struct program *k)
{
    SET(PIPE_V, PIPE_MTE2, EVENT_ID0);
    SET(PIPE_V, PIPE_MTE2, EVENT_ID1);
    SET(PIPE_MTE3, PIPE_V, EVENT_ID0);
    SET(PIPE_MTE3, PIPE_V, EVENT_ID1);
    for (uint32_t i = 0; i < 5; i++) {
        const uint32_t set = i & 1u;
        const struct tg_global x_gm = nd(part(k, PART_X, i * 4096), 16, 64, 64);
        const struct tg_global y_gm = nd(part(k, PART_Y, i * 4096), 16, 64, 64);
        const struct tg_global out_gm = nd(part(k, PART_OUT, i * 4096), 16, 64, 64);
        const struct tg_tile x = vec(TG_FP32, 16, 64, PICK(set, 0) * 4096);
        const struct tg_tile y = vec(TG_FP32, 16, 64, 8192 + PICK(set, 1) * 4096);
        const struct tg_tile out = vec(TG_FP32, 16, 64, 16384 + PICK(set, 0) * 4096);
        WAIT(PIPE_V, PIPE_MTE2, PICK(set, !set));
        TLOAD(x, x_gm);
        TLOAD(y, y_gm);
        SET(PIPE_MTE2, PIPE_V, set);
        WAIT(PIPE_MTE2, PIPE_V, set);
        WAIT(PIPE_MTE3, PIPE_V, set);
        TMUL(out, x, y);
        BARRIER(PIPE_V);
        TADD(out, out, x);
        SET(PIPE_V, PIPE_MTE2, PICK(set, EVENT_ID2));
        SET(PIPE_V, PIPE_MTE3, set);
        WAIT(PIPE_V, PIPE_MTE3, set);
        TSTORE(out_gm, out);
        SET(PIPE_MTE3, PIPE_V, set);
    }
    WAIT(PIPE_V, PIPE_MTE2, EVENT_ID0);
    WAIT(PIPE_V, PIPE_MTE2, EVENT_ID1);
    WAIT(PIPE_MTE3, PIPE_V, EVENT_ID0);
    WAIT(PIPE_MTE3, PIPE_V, EVENT_ID1);
    BARRIER(PIPE_ALL);
}

/* Three buffers in place: load, compute and store of one chunk each at a time. */
static void three_buffers(const struct program *k)
{
    enum { CHUNKS = 7, SETS = 3 };
    for (uint32_t i = 0; i < CHUNKS; i++) {
        const uint32_t set = i % PICK(SETS, 2);
        const struct tg_global x_gm = nd(part(k, PART_X, i * 1024), 8, 32, 32);
        const struct tg_global out_gm = nd(part(k, PART_OUT, i * 1024), 8, 32, 32);
        const struct tg_tile t = vec(TG_FP32, 8, 32, set * PICK(1024u, 512u));
        if (i >= SETS) {
            WAIT(PIPE_MTE3, PIPE_MTE2, set);
        }
        TLOAD(t, x_gm);
        HAND_OVER(PIPE_MTE2, PIPE_V, set);
        TMULS(t, t, 0.5f);
        BARRIER(PIPE_V);
        TADDS(t, t, 1.0f);
        HAND_OVER(PIPE_V, PIPE_MTE3, set);
        TSTORE(out_gm, t);
        if (i + SETS < CHUNKS) {
            SET(PIPE_MTE3, PIPE_MTE2, set);
        }
    }
    HAND_OVER(PIPE_MTE3, PIPE_S, EVENT_ID7);
}

/* A chunk that is shorter than the others, known only at run time. */
static void short_last_chunk(const struct program *k)
{
    const uint32_t n = 300; /* elements */
    for (uint32_t at = 0; at < n; at += 128) {
        const uint32_t cols = n - at < 128 ? n - at : 128;
        const struct tg_global x_gm = nd(part(k, PART_X, at * 4), 1, PICK(cols, cols - 8), n);
        const struct tg_global out_gm = nd(part(k, PART_OUT, at * 4), 1, cols, n);
        struct tg_tile in = vec(TG_FP32, 1, 128, 0), t = vec(TG_FP32, 1, 128, 0);
        in.valid_cols = x_gm.shape[4];
        t.valid_cols = cols;
        if (at > 0) {
            HAND_OVER(PIPE_MTE3, PIPE_MTE2, EVENT_ID0);
        }
        TLOAD(in, x_gm);
        HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
        TEXP(t, t);
        HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
        TSTORE(out_gm, t);
    }
    DO(TDRAIN());
}

/* ---- normalisation and softmax ----------------------------------------------------------------------------------- */

/* y = (x - mean) / sqrt(variance + eps) * gamma + beta, rows in two halves, with one scratch tile for all
 * reductions. */
static void layer_norm(const struct program *k)
{
    enum { ROWS = 16, COLS = 64, BYTES = ROWS * COLS * 4 };
    const struct tg_global weights_gm = nd(part(k, PART_Y, 0), 2, COLS, COLS);
    const struct tg_tile weights = vec(TG_FP32, 2, COLS, 0), scratch = vec(TG_FP32, ROWS, COLS, 512);
    const struct tg_tile gamma = sub(&weights, 0, 0, 1, COLS), beta = sub(&weights, PICK(1u, 2u), 0, 1, COLS);
    const struct tg_tile mean = column(ROWS, 512 + BYTES), variance = column(ROWS, 512 + BYTES + 64);
    TLOAD(weights, weights_gm);
    for (uint32_t i = 0; i < 2; i++) {
        const struct tg_global x_gm = nd(part(k, PART_X, i * BYTES), ROWS, COLS, COLS);
        const struct tg_global out_gm = nd(part(k, PART_OUT, i * BYTES), ROWS, COLS, COLS);
        const struct tg_tile x = vec(TG_FP32, ROWS, COLS, 8192), square = vec(TG_FP32, ROWS, COLS, 8192 + BYTES);
        if (i > 0) {
            HAND_OVER(PIPE_MTE3, PIPE_MTE2, EVENT_ID1);
        }
        TLOAD(x, x_gm);
        HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
        TROWSUM(mean, x, scratch);
        BARRIER(PIPE_V);
        struct tg_tile means = vec(TG_FP32, 1, ROWS, mean.offset), variances = vec(TG_FP32, 1, ROWS, variance.offset);
        TRESHAPE(means, mean);
        TMULS(means, means, 1.0f / COLS);
        BARRIER(PIPE_V);
        TROWEXPANDSUB(x, x, mean);
        BARRIER(PIPE_V);
        TMUL(square, x, x);
        BARRIER(PIPE_V);
        TROWSUM(variance, square, scratch);
        BARRIER(PIPE_V);
        TRESHAPE(variances, variance);
        TMULS(variances, variances, 1.0f / COLS);
        BARRIER(PIPE_V);
        TADDS(variances, variances, 1e-5f);
        BARRIER(PIPE_V);
        TRSQRT(variances, variances);
        BARRIER(PIPE_V);
        TROWEXPANDMUL(x, x, variance);
        BARRIER(PIPE_V);
        TCOLEXPANDMUL(x, x, gamma);
        BARRIER(PIPE_V);
        TCOLEXPANDADD(x, x, beta);
        HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
        TSTORE(out_gm, x);
    }
    DO(TDRAIN());
}

/* Softmax of rows that come in blocks: running maximum and sum, and the sum of scaled blocks. */
static void online_softmax(const struct program *k)
{
    enum { ROWS = 16, COLS = 32, BYTES = ROWS * COLS * 4, BLOCKS = 4 };
    const struct tg_tile scratch = vec(TG_FP32, ROWS, COLS, 0), sum = vec(TG_FP32, ROWS, COLS, BYTES);
    struct tg_tile top = column(ROWS, 2 * BYTES), now = column(ROWS, 2 * BYTES + 64),
                   total = column(ROWS, 2 * BYTES + 128);
    struct tg_tile factor = column(ROWS, 2 * BYTES + 192), part_sum = column(ROWS, 2 * BYTES + 256);
    struct tg_tile tops = vec(TG_FP32, 1, ROWS, 0), nows = tops, totals = tops, factors = tops, part_sums = tops;
    TRESHAPE(tops, top); /* once for the whole kernel */
    TRESHAPE(nows, now);
    TRESHAPE(totals, total);
    TRESHAPE(factors, factor);
    TRESHAPE(part_sums, part_sum);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        const uint32_t set = i & 1u;
        const struct tg_global x_gm = nd(part(k, PART_X, i * COLS * 4), ROWS, COLS, COLS * BLOCKS);
        const struct tg_tile x = vec(TG_FP32, ROWS, COLS, 8192 + set * BYTES);
        if (i >= 2) {
            WAIT(PIPE_V, PIPE_MTE2, set);
        }
        TLOAD(x, x_gm);
        HAND_OVER(PIPE_MTE2, PIPE_V, set);
        TROWMAX(now, x, scratch);
        BARRIER(PIPE_V);
        if (i > 0) {
            TMAX(nows, nows, tops);
            BARRIER(PIPE_V);
            TSUB(factors, tops, nows);
            BARRIER(PIPE_V);
            TEXP(factors, factors);
        }
        TROWEXPANDSUB(x, x, now);
        BARRIER(PIPE_V);
        TEXP(x, x);
        DO(TMOV(tops, nows));
        BARRIER(PIPE_V);
        TROWSUM(part_sum, x, scratch);
        BARRIER(PIPE_V);
        if (i == 0) {
            DO(TMOV(totals, part_sums));
            DO(TMOV(sum, x));
        } else {
            TMUL(totals, totals, factors);
            BARRIER(PIPE_V);
            TADD(totals, totals, part_sums);
            TROWEXPANDMUL(sum, sum, factor);
            BARRIER(PIPE_V);
            TADD(sum, sum, x);
        }
        if (i + 2 < BLOCKS) {
            SET(PIPE_V, PIPE_MTE2, set);
        }
        pipe_barrier(PIPE_V);
    }
    TROWEXPANDDIV(sum, sum, total);
    const struct tg_global out_gm = nd(part(k, PART_OUT, 0), ROWS, COLS, COLS);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, sum);
    HAND_OVER(PIPE_MTE3, PIPE_S, EVENT_ID0);
}

/* Scores of which only the first `keys` columns count: the rest of the tile is padded once with -inf. */
static void masked_softmax(const struct program *k)
{
    const uint32_t keys = 40;
    const struct tg_global x_gm = nd(part(k, PART_X, 0), 8, keys, keys);
    const struct tg_global out_gm = nd(part(k, PART_OUT, 0), 8, 64, 64);
    const struct tg_tile x = vec(TG_FP32, 8, 64, 0), scratch = vec(TG_FP32, 8, 64, 4096);
    const struct tg_tile top = column(8, 8192), total = column(8, 8224);
    const struct tg_tile valid = sub(&x, 0, 0, 8, PICK(keys, keys - 8)), rest = sub(&x, 0, keys, 8, PICK(64 - keys, 8));
    const struct tg_global valid_gm = nd(x_gm.addr, 8, valid.valid_cols, keys);
    TLOAD(valid, valid_gm);
    TEXPANDS(rest, -1e30f);
    BARRIER(PIPE_V);
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TROWMAX(top, x, scratch);
    BARRIER(PIPE_V);
    TROWEXPANDSUB(x, x, top);
    BARRIER(PIPE_V);
    TEXP(x, x);
    BARRIER(PIPE_V);
    TROWSUM(total, x, scratch);
    BARRIER(PIPE_V);
    TROWEXPANDDIV(x, x, total);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, x);
    DO(TDRAIN());
}

/* ---- parts of tiles ---------------------------------------------------------------------------------------------- */

/* Rotary embedding: out = x * cos + rotate_half(x) * sin. */
static void rope(const struct program *k)
{
    enum { ROWS = 8, COLS = 64, HALF = COLS / 2 };
    const struct tg_global x_gm = nd(part(k, PART_X, 0), ROWS, COLS, COLS);
    const struct tg_global cos_gm = nd(part(k, PART_Y, 0), ROWS, COLS, COLS);
    const struct tg_global sin_gm = nd(part(k, PART_Y, 4096), ROWS, COLS, COLS);
    const struct tg_global out_gm = nd(part(k, PART_OUT, 0), ROWS, COLS, COLS);
    const struct tg_tile x = vec(TG_FP32, ROWS, COLS, 0), cosine = vec(TG_FP32, ROWS, COLS, 2048);
    const struct tg_tile sine = vec(TG_FP32, ROWS, COLS, 4096), turned = vec(TG_FP32, ROWS, COLS, 6144);
    const struct tg_tile x_left = sub(&x, 0, 0, ROWS, HALF), x_right = sub(&x, 0, HALF, ROWS, HALF);
    const struct tg_tile left = sub(&turned, 0, 0, ROWS, HALF),
                         right = sub(&turned, 0, PICK(HALF, HALF - 8), ROWS, HALF);
    TLOAD(x, x_gm);
    TLOAD(cosine, cos_gm);
    TLOAD(sine, sin_gm);
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TMULS(left, x_right, -1.0f);
    DO(TMOV(right, x_left));
    BARRIER(PIPE_V);
    TMUL(turned, turned, sine);
    TMUL(x, x, cosine);
    BARRIER(PIPE_V);
    TADD(x, x, turned);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, x);
    DO(TDRAIN());
}

/* The two halves of each row go to different places, and each is stored when it is ready. */
static void split_and_store(const struct program *k)
{
    const struct tg_global x_gm = nd(part(k, PART_X, 0), 16, 64, 64);
    const struct tg_global left_gm = nd(part(k, PART_OUT, 0), 16, 32, 32);
    const struct tg_global right_gm = nd(part(k, PART_OUT, PICK(2048, 1024)), 16, 32, 32);
    const struct tg_tile x = vec(TG_FP32, 16, 64, 0);
    const struct tg_tile left = sub(&x, 0, 0, 16, 32), right = sub(&x, 0, 32, 16, 32);
    TLOAD(x, x_gm);
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TEXP(left, left);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(left_gm, left);
    TABS(right, right);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID1);
    TSTORE(right_gm, right);
    DO(TDRAIN());
}

/* Sum of 16 rows as a tree: halves of the tile are added to each other in place. */
static void reduction_tree(const struct program *k)
{
    const struct tg_global x_gm = nd(part(k, PART_X, 0), 16, 64, 64), out_gm = nd(part(k, PART_OUT, 0), 1, 64, 64);
    const struct tg_tile x = vec(TG_FP32, 16, 64, 0);
    TLOAD(x, x_gm);
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    for (uint32_t rows = 8; rows > 0; rows /= 2) {
        const struct tg_tile upper = sub(&x, 0, 0, rows, 64),
                             lower = sub(&x, PICK(rows, rows - 1 + (rows < 2)), 0, rows, 64);
        TADD(upper, upper, lower);
        if (rows > 1) {
            BARRIER(PIPE_V);
        }
    }
    const struct tg_tile first = sub(&x, 0, 0, 1, 64);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, first);
    DO(TDRAIN());
}

/* A tile filled by two loads side by side, then row by row stored elsewhere. */
static void columns_from_two_tensors(const struct program *k)
{
    const struct tg_tile x = vec(TG_FP32, 4, 48, 0);
    const struct tg_tile left = sub(&x, 0, 0, 4, 24), right = sub(&x, 0, PICK(24, 16), 4, PICK(24, 16));
    const struct tg_global left_gm = nd(part(k, PART_X, 0), 4, 24, 24);
    const struct tg_global right_gm = nd(part(k, PART_Y, 0), 4, right.valid_cols, 24);
    TLOAD(left, left_gm);
    TLOAD(right, right_gm);
    HAND_OVER(PIPE_MTE2, PIPE_MTE3, EVENT_ID0);
    for (uint32_t row = 0; row < 4; row++) {
        const struct tg_tile one = sub(&x, row, 0, 1, 48);
        const struct tg_global one_gm = nd(part(k, PART_OUT, row * PICK(256, 128)), 1, 48, 48);
        TSTORE(one_gm, one);
    }
    HAND_OVER(PIPE_MTE3, PIPE_S, EVENT_ID0);
}

/* ---- indices ----------------------------------------------------------------------------------------------------- */

/* Rows of a table by ids that the kernel loads: each row goes to its place in one tile. */
static void embedding(const struct program *k)
{
    enum { N = 12, COLS = 32 };
    const struct tg_global ids_gm = tg_global_nd(part(k, PART_INDEX, 0), TG_INT32, 1, N, N);
    const struct tg_global out_gm = nd(part(k, PART_OUT, 0), N, COLS, COLS);
    const struct tg_tile ids = vec(TG_INT32, 1, N, 0), rows = vec(TG_FP32, N, COLS, 1024);
    TLOAD(ids, ids_gm);
    HAND_OVER(PIPE_MTE2, PIPE_S, EVENT_ID0);
    for (uint32_t i = 0; i < PICK(N, N - 1); i++) {
        const uint32_t id = (uint32_t)TGETVAL(ids, i);
        const struct tg_global row_gm = nd(part(k, PART_X, id * COLS * 4), 1, COLS, COLS);
        const struct tg_tile row = sub(&rows, i, 0, 1, COLS);
        TLOAD(row, row_gm);
    }
    HAND_OVER(PIPE_MTE2, PIPE_MTE3, EVENT_ID1);
    TSTORE(out_gm, rows);
    DO(TDRAIN());
}

/* Every second element by an index that the kernel computes, from the first rows of a larger tile. */
static void gather_even(const struct program *k)
{
    const struct tg_tile x = vec(TG_FP32, 8, 32, 0), loaded = sub(&x, 0, 0, PICK(4u, 3u), 32);
    const struct tg_tile index = vec(TG_INT32, 2, 32, 2048), first = sub(&index, 0, 0, 1, 32),
                         second = sub(&index, 1, 0, 1, 32);
    const struct tg_tile out = vec(TG_FP32, 2, 32, 4096), scratch = vec(TG_INT32, 2, 32, 5120);
    const struct tg_global x_gm = nd(part(k, PART_X, 0), loaded.valid_rows, 32, 32),
                           out_gm = nd(part(k, PART_OUT, 0), 2, 32, 32);
    TLOAD(loaded, x_gm);
    TCI(first, 0, 0);
    TCI(second, 32, 0);
    HAND_OVER(PIPE_S, PIPE_V, EVENT_ID0);
    TMULS(index, index, PICK(2, 4));
    BARRIER(PIPE_V);
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TGATHER(out, x, index, scratch);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, out);
    DO(TDRAIN());
}

/* Rows in reverse order by TSCATTER into a tile that holds nothing yet. */
static void scatter_reversed(const struct program *k)
{
    enum { ROWS = 8, COLS = 16 };
    const struct tg_tile x = vec(TG_FP32, ROWS, COLS, 0), index = vec(TG_INT32, ROWS, COLS, 1024);
    const struct tg_tile out = vec(TG_FP32, ROWS, COLS, 2048);
    const struct tg_global x_gm = nd(part(k, PART_X, 0), ROWS, COLS, COLS),
                           out_gm = nd(part(k, PART_OUT, 0), ROWS, COLS, COLS);
    TLOAD(x, x_gm);
    for (uint32_t r = 0; r < ROWS; r++) {
        const struct tg_tile row = sub(&index, r, 0, 1, COLS);
        TEXPANDS(row, PICK(ROWS - 1 - r, ROWS - r));
    }
    BARRIER(PIPE_V);
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TSCATTER(out, x, index);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, out);
    DO(TDRAIN());
}

/* The 16 largest of 128 numbers: sort groups of 32, merge the groups, take the values of the pairs. */
static void largest(const struct program *k)
{
    const struct tg_global x_gm = nd(part(k, PART_X, 0), 1, 128, 128), out_gm = nd(part(k, PART_OUT, 0), 1, 16, 16);
    const struct tg_tile x = vec(TG_FP32, 1, 128, 0), sorted = vec(TG_FP32, 1, 256, 1024),
                         merged = vec(TG_FP32, 1, 256, 2048);
    const struct tg_tile index = vec(TG_UINT32, 1, 128, 4096), top = vec(TG_FP32, 1, 16, 5120);
    const struct tg_tile pairs = sub(&merged, 0, 0, 1, 32);
    TLOAD(x, x_gm);
    TCI(index, 0, 0);
    HAND_OVER(PIPE_S, PIPE_V, EVENT_ID0);
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TSORT32(sorted, x, index);
    BARRIER(PIPE_V);
    TMRGSORT(merged, sorted, 64);
    BARRIER(PIPE_V);
    TGATHER_MASK(top, pairs, TG_MASK_P0101);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, top);
    DO(TDRAIN());
}

/* Numbers below a limit are replaced by others. */
static void select_by_mask(const struct program *k)
{
    const struct tg_global x_gm = nd(part(k, PART_X, 0), 8, 64, 64), y_gm = nd(part(k, PART_Y, 0), 8, 64, 64);
    const struct tg_global out_gm = nd(part(k, PART_OUT, 0), 8, 64, 64);
    const struct tg_tile x = vec(TG_FP32, 8, 64, 0), y = vec(TG_FP32, 8, 64, 2048), mask = vec(TG_UINT8, 8, 8, 4096);
    TLOAD(x, x_gm);
    SET(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TLOAD(y, y_gm);
    SET(PIPE_MTE2, PIPE_V, EVENT_ID1);
    WAIT(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TCMPS(mask, x, 0.0f, TG_CMP_GT);
    BARRIER(PIPE_V);
    WAIT(PIPE_MTE2, PIPE_V, EVENT_ID1);
    TSEL(x, mask, x, y);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, x);
    DO(TDRAIN());
}

/* ---- types, transposition, columns from device memory ------------------------------------------------------------ */

static void transpose_blocks(const struct program *k)
{
    enum { N = 16, BYTES = N * N * 4 };
    for (uint32_t i = 0; i < 4; i++) {
        const uint32_t set = i & 1u, row = i / 2, col = i % 2;
        const struct tg_global x_gm = nd(part(k, PART_X, (row * N * 32 + col * N) * 4), N, N, 32);
        const struct tg_global out_gm = nd(part(k, PART_OUT, (col * N * 32 + row * N) * 4), N, N, 32);
        const struct tg_tile x = vec(TG_FP32, N, N, set * 2 * BYTES), out = vec(TG_FP32, N, N, set * 2 * BYTES + BYTES);
        const struct tg_tile scratch = vec(TG_FP32, N, N, PICK(4 * BYTES, 0u));
        if (i >= 2) {
            WAIT(PIPE_V, PIPE_MTE2, set);
        }
        TLOAD(x, x_gm);
        HAND_OVER(PIPE_MTE2, PIPE_V, set);
        if (i >= 2) {
            WAIT(PIPE_MTE3, PIPE_V, set);
        }
        if (i > 0) {
            BARRIER(PIPE_V); /* the scratch tile */
        }
        TTRANS(out, x, scratch);
        if (i < 2) {
            SET(PIPE_V, PIPE_MTE2, set);
        }
        HAND_OVER(PIPE_V, PIPE_MTE3, set);
        TSTORE(out_gm, out);
        if (i < 2) {
            SET(PIPE_MTE3, PIPE_V, set);
        }
    }
    DO(TDRAIN());
}

/* Rows to int8 with a scale for each row. The wider type has a place of its own. */
static void quantize(const struct program *k)
{
    enum { ROWS = 16, COLS = 64 };
    const struct tg_global x_gm = nd(part(k, PART_X, 0), ROWS, COLS, COLS);
    const struct tg_global out_gm = tg_global_nd(part(k, PART_OUT, 0), TG_INT8, ROWS, COLS, COLS);
    const struct tg_global scale_gm = tg_global_dn(part(k, PART_OUT, 4096), TG_FP32, ROWS, 1, ROWS);
    const struct tg_tile x = vec(TG_FP32, ROWS, COLS, 0), size = vec(TG_FP32, ROWS, COLS, 4096);
    const struct tg_tile half = vec(TG_FP16, ROWS, COLS, PICK(8192, 0)),
                         byte = vec(TG_INT8, ROWS, COLS, PICK(10240, 8192));
    const struct tg_tile scratch = vec(TG_FP32, ROWS, COLS, PICK(12288, 4096)), scale = column(ROWS, 16384);
    struct tg_tile scales = vec(TG_FP32, 1, ROWS, 16384);
    TRESHAPE(scales, scale);
    TLOAD(x, x_gm);
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TABS(size, x);
    BARRIER(PIPE_V);
    TROWMAX(scale, size, scratch);
    BARRIER(PIPE_V);
    TMULS(scales, scales, 1.0f / 127);
    BARRIER(PIPE_V);
    SET(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TROWEXPANDDIV(x, x, scale);
    BARRIER(PIPE_V);
    TCVT(half, x, TG_CAST_RINT);
    BARRIER(PIPE_V);
    TCVT(byte, half, TG_CAST_RINT);
    SET(PIPE_V, PIPE_MTE3, EVENT_ID1);
    WAIT(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(scale_gm, scale);
    WAIT(PIPE_V, PIPE_MTE3, EVENT_ID1);
    TSTORE(out_gm, byte);
    DO(TDRAIN());
}

/* fp16 in, fp32 inside, fp16 out. The narrow result lies where the narrow input was. */
static void widen_compute_narrow(const struct program *k)
{
    const struct tg_global x_gm = tg_global_nd(part(k, PART_INDEX, 32768), TG_FP16, 8, 64, 64);
    const struct tg_global out_gm = tg_global_nd(part(k, PART_OUT, 0), TG_FP16, 8, 64, 64);
    const struct tg_tile narrow = vec(TG_FP16, 8, 64, 0), wide = vec(TG_FP32, 8, 64, PICK(1024, 0));
    TLOAD(narrow, x_gm);
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TCVT(wide, narrow);
    BARRIER(PIPE_V);
    TMULS(wide, wide, 3.0f);
    BARRIER(PIPE_V);
    TCVT(narrow, wide, TG_CAST_RINT);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, narrow);
    DO(TDRAIN());
}

/* Each row times its factor; the factors are a column of device memory, and a partial last tile of rows. */
static void scale_rows(const struct program *k)
{
    enum { ROWS = 20, TILE = 16, COLS = 24 };
    for (uint32_t at = 0; at < ROWS; at += TILE) {
        const uint32_t rows = ROWS - at < TILE ? ROWS - at : TILE;
        const struct tg_global x_gm = nd(part(k, PART_X, at * COLS * 4), rows, COLS, COLS);
        const struct tg_global factor_gm = tg_global_dn(part(k, PART_Y, at * 4), TG_FP32, rows, 1, ROWS);
        const struct tg_global out_gm = nd(part(k, PART_OUT, at * COLS * 4), rows, COLS, COLS);
        struct tg_tile x = vec(TG_FP32, TILE, COLS, 0), factor = column(TILE, 4096);
        x.valid_rows = rows;
        factor.valid_rows = rows;
        if (at > 0) {
            HAND_OVER(PIPE_MTE3, PIPE_MTE2, EVENT_ID0);
        }
        DO(TLOAD(x, x_gm));
        TLOAD(factor, factor_gm);
        HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
        TROWEXPANDMUL(x, x, factor);
        HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
        TSTORE(out_gm, x);
    }
    DO(TDRAIN());
}

/* ---- the scalar unit --------------------------------------------------------------------------------------------- */

/* The largest element decides, on the scalar unit, how all are scaled. */
static void scalar_decides(const struct program *k)
{
    const struct tg_global x_gm = nd(part(k, PART_X, 0), 1, 64, 64), out_gm = nd(part(k, PART_OUT, 0), 1, 64, 64);
    const struct tg_tile x = vec(TG_FP32, 1, 64, 0), scratch = vec(TG_FP32, 1, 64, 512), top = column(1, 1024);
    TLOAD(x, x_gm);
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TROWMAX(top, x, scratch);
    HAND_OVER(PIPE_V, PIPE_S, EVENT_ID0);
    const double largest = TGETVAL(top, 0);
    if (largest > 0) TMULS(x, x, 1.0 / largest);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, x);
    DO(TDRAIN());
}

/* Counts by plain stores of the scalar unit, behind transfers of the same kernel and before others. */
static void plain_counts(const struct program *k)
{
    const struct tg_global ids_gm = tg_global_nd(part(k, PART_INDEX, 0), TG_INT32, 1, 64, 64);
    const struct tg_global counts_gm = tg_global_nd(part(k, PART_OUT, 0), TG_INT32, 1, 16, 16);
    const struct tg_global out_gm = tg_global_nd(part(k, PART_OUT, 4096), TG_INT32, 1, 16, 16);
    const struct tg_tile ids = vec(TG_INT32, 1, 64, 0), counts = vec(TG_INT32, 1, 16, 1024);
    volatile int32_t *plain = (volatile int32_t *)(uintptr_t)part(k, PART_OUT, 0);
    TEXPANDS(counts, 0);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(counts_gm, counts);
    TLOAD(ids, ids_gm);
    HAND_OVER(PIPE_MTE3, PIPE_S, EVENT_ID0);
    HAND_OVER(PIPE_MTE2, PIPE_S, EVENT_ID0);
    for (uint32_t i = 0; i < 64; i++) {
        const uint32_t bin = (uint32_t)TGETVAL(ids, i) & 15u;
        plain[bin] = plain[bin] + 1;
    }
    DO(dcci(part(k, PART_OUT, 0), TG_CACHE_LINE));
    dsb();
    HAND_OVER(PIPE_S, PIPE_MTE2, EVENT_ID0);
    TLOAD(counts, counts_gm);
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TADDS(counts, counts, 1);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID1);
    TSTORE(out_gm, counts);
    DO(TDRAIN());
}

/* Partial sums are added to one place of device memory: additions of a kernel need no order among themselves. */
static void add_partial_sums(const struct program *k)
{
    const struct tg_global sum_gm = nd(part(k, PART_OUT, 0), 1, 64, 64);
    for (uint32_t i = 0; i < 3; i++) {
        const struct tg_global x_gm = nd(part(k, PART_X, i * 256), 1, 64, 64);
        const struct tg_tile x = vec(TG_FP32, 1, 64, i * PICK(256, 128));
        TLOAD(x, x_gm);
        HAND_OVER(PIPE_MTE2, PIPE_V, i);
        TMULS(x, x, 2.0f);
        HAND_OVER(PIPE_V, PIPE_MTE3, i);
        TSTORE_ADD(sum_gm, x);
    }
    DO(TDRAIN());
}

/* The sum so far is zeroed, added to, and read again by the same kernel. */
static void zero_add_read(const struct program *k)
{
    const struct tg_global sum_gm = nd(part(k, PART_OUT, 0), 1, 64, 64),
                           out_gm = nd(part(k, PART_OUT, 4096), 1, 64, 64);
    const struct tg_tile zero = vec(TG_FP32, 1, 64, 0), one = vec(TG_FP32, 1, 64, 256), back = vec(TG_FP32, 1, 64, 512);
    TEXPANDS(zero, 0);
    TEXPANDS(one, 1);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(sum_gm, zero);
    BARRIER(PIPE_MTE3);
    TSTORE_ADD(sum_gm, one);
    TSTORE_ADD(sum_gm, one);
    HAND_OVER(PIPE_MTE3, PIPE_MTE2, EVENT_ID0);
    TLOAD(back, sum_gm);
    HAND_OVER(PIPE_MTE2, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, back);
    DO(TDRAIN());
}

/* Every step waits for all pipes: slow, and right. */
static void barriers_of_all_pipes(const struct program *k)
{
    const struct tg_global x_gm = nd(part(k, PART_X, 0), 16, 32, 32), out_gm = nd(part(k, PART_OUT, 0), 16, 32, 32);
    const struct tg_tile x = vec(TG_FP32, 16, 32, 0);
    for (uint32_t i = 0; i < 2; i++) {
        TLOAD(x, x_gm);
        BARRIER(PIPE_ALL);
        TEXP(x, x);
        BARRIER(PIPE_ALL);
        TSTORE(out_gm, x);
        BARRIER(PIPE_ALL);
    }
}

/* A tile is stored in two places, with different row distances, and loaded back transposed by strides. */
static void strides(const struct program *k)
{
    const struct tg_global x_gm = nd(part(k, PART_X, 0), 8, 16, 40),
                           a_gm = nd(part(k, PART_OUT, 0), 8, 16, PICK(16, 12));
    const struct tg_global b_gm = nd(part(k, PART_OUT, 1024), 8, 16, PICK(64, 8));
    const struct tg_global back_gm = nd(part(k, PART_OUT, 1024), 8, 16, 64),
                           c_gm = nd(part(k, PART_OUT, 8192), 8, 16, 16);
    const struct tg_tile x = vec(TG_FP32, 8, 16, 0), back = vec(TG_FP32, 8, 16, 512);
    TLOAD(x, x_gm);
    HAND_OVER(PIPE_MTE2, PIPE_MTE3, EVENT_ID0);
    TSTORE(a_gm, x);
    TSTORE(b_gm, x);
    HAND_OVER(PIPE_MTE3, PIPE_MTE2, EVENT_ID0);
    TLOAD(back, back_gm);
    HAND_OVER(PIPE_MTE2, PIPE_MTE3, EVENT_ID1);
    TSTORE(c_gm, back);
    DO(TDRAIN());
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

#define PROGRAMS(X)                                                                                                    \
    X(multiply_add)                                                                                                    \
    X(three_buffers)                                                                                                   \
    X(short_last_chunk)                                                                                                \
    X(layer_norm)                                                                                                      \
    X(online_softmax)                                                                                                  \
    X(masked_softmax)                                                                                                  \
    X(rope)                                                                                                            \
    X(split_and_store)                                                                                                 \
    X(reduction_tree)                                                                                                  \
    X(columns_from_two_tensors)                                                                                        \
    X(embedding)                                                                                                       \
    X(gather_even)                                                                                                     \
    X(scatter_reversed)                                                                                                \
    X(largest)                                                                                                         \
    X(select_by_mask)                                                                                                  \
    X(transpose_blocks)                                                                                                \
    X(quantize)                                                                                                        \
    X(widen_compute_narrow)                                                                                            \
    X(scale_rows)                                                                                                      \
    X(scalar_decides)                                                                                                  \
    X(plain_counts)                                                                                                    \
    X(add_partial_sums)                                                                                                \
    X(zero_add_read)                                                                                                   \
    X(barriers_of_all_pipes)                                                                                           \
    X(strides)

#include "program_list.h"
