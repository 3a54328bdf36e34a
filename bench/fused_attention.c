/*
 * The loop reads keys and values once, in rows of 128 numbers. It multiplies each row by one number for each query
 * head, and adds the products to sums in registers. K of a block of 128 tokens consists of such rows: a row is one
 * dimension of all tokens, and the sums are scores. A row of V is one token. With blocks of 16 tokens, a row of K has
 * several dimensions: each 64 bytes have factors of their own, and the sums of a row are added up at the end.
 *
 * A line of 32 bf16 is widened as its even and its odd elements, an instruction each; sums stay parted until they are
 * used. Up to four query heads share a read. With more than one, the sums of half a row are what registers hold: strips
 * of 16 rows, which are in L1, are gone through several times. Every pass asks for its share of the lines to come, over
 * the ends of tiles too, so that memory is busy during the softmax.
 *
 * Vectors of 64 bytes, as the compiler provides them; where the computer's are shorter, it splits them.
 */
#include "fused_attention.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

typedef float floats __attribute__((vector_size(64), may_alias));
typedef uint32_t words __attribute__((vector_size(64), may_alias));
typedef int32_t ints __attribute__((vector_size(64), may_alias));

enum {
    LANES = 16,
    VECTORS = FUSED_HEAD_DIM / LANES, /* of sums, of a row */
    SPAN = 128,                       /* tokens a softmax */
    STRIP = 16,                       /* rows */
    TOGETHER = 4,                     /* query heads that share a read */
    LINE = 64,
    AHEAD = 3072 /* bytes; with several passes, a strip */
};

_Static_assert((int)SPAN == (int)FUSED_HEAD_DIM, "weights and queries have the same distance from row to row");

#define INLINE static inline __attribute__((always_inline))

enum type { BF16, FP32 };
INLINE uint32_t row_bytes(enum type type) { return FUSED_HEAD_DIM * (type == BF16 ? 2 : 4); }

struct work {
    floats scores[FUSED_ROWS][VECTORS], total[FUSED_ROWS][VECTORS]; /* sums, parted */
    floats factors[FUSED_ROWS][FUSED_HEAD_DIM];                     /* blocks of 16: the query, a vector a line of K */
    float query[FUSED_ROWS][FUSED_HEAD_DIM], weights[FUSED_ROWS][SPAN]; /* weights: scores first */
};

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

INLINE floats all(float x) { return x - (floats){0}; }

INLINE float number(const void *from, enum type type, uint32_t at)
{
    if (type == FP32) return ((const float *)from)[at];
    const uint32_t bits = (uint32_t)((const uint16_t *)from)[at] << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE void put_number(void *to, enum type type, uint32_t at, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (type == FP32) ((float *)to)[at] = value;
    else ((uint16_t *)to)[at] = (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/* 32 sums as they are numbered, from those of even and of odd elements. */
INLINE void interleave(floats even, floats odd, float *to)
{
    *(floats *)(void *)to = __builtin_shufflevector(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    *(floats *)(void *)(to + LANES) = __builtin_shufflevector(even, odd, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29,
                                                              14, 30, 15, 31);
}

INLINE void unpart(const floats sums[VECTORS], enum type type, float *to)
{
    if (type == FP32) memcpy(to, sums, VECTORS * sizeof *sums);
    else
        for (uint32_t v = 0; v < VECTORS; v += 2) interleave(sums[v], sums[v + 1], to + v * LANES);
}

INLINE floats larger(floats a, floats b)
{
    const ints is = a > b;
    return (floats)(((ints)a & is) | ((ints)b & ~is));
}

/* A vector turned by half, by a quarter, ...: top and sum of all lanes, in each of them, in four steps. */
#define LANE(i, n) (((i) + (n)) % LANES)
#define TURNED(v, n)                                                                                                   \
    __builtin_shufflevector(v, v, LANE(0, n), LANE(1, n), LANE(2, n), LANE(3, n), LANE(4, n), LANE(5, n), LANE(6, n),  \
                            LANE(7, n), LANE(8, n), LANE(9, n), LANE(10, n), LANE(11, n), LANE(12, n), LANE(13, n),    \
                            LANE(14, n), LANE(15, n))

INLINE floats top_of(floats v)
{
    v = larger(v, TURNED(v, 8));
    v = larger(v, TURNED(v, 4));
    v = larger(v, TURNED(v, 2));
    return larger(v, TURNED(v, 1));
}

INLINE floats sum_of(floats v)
{
    v += TURNED(v, 8);
    v += TURNED(v, 4);
    v += TURNED(v, 2);
    return v + TURNED(v, 1);
}

/* exp(x) for x <= 0, to 2^-22 of it: 2^n times a polynomial of what is left of x. */
INLINE floats exp_of(floats x)
{
    x = larger(x, all(-87.0f));
    const ints n = __builtin_convertvector(x * 1.44269504f - 0.5f, ints); /* towards 0: the nearest */
    const floats whole = __builtin_convertvector(n, floats);
    const floats r = x - whole * 0.693145752f - whole * 1.42860677e-6f;
    floats y = r * (1.0f / 720) + 1.0f / 120;
    y = y * r + 1.0f / 24;
    y = y * r + 1.0f / 6;
    y = y * r + 0.5f;
    y = y * r + 1.0f;
    y = y * r + 1.0f;
    return y * (floats)((n + 127) << 23);
}

/* ---- the product ------------------------------------------------------------------------------------------------- */

/* Rows that are read, and those that come after: where lines are asked for. */
struct tile {
    const uint8_t *at, *next;
    uint32_t n_rows;
};

/* Ask for n lines, `step` bytes apart. The first says whether they are this tile's. */
INLINE void ask(const struct tile *tile, enum type type, uint32_t at, uint32_t n, uint32_t step)
{
    const uint32_t bytes = tile->n_rows * row_bytes(type);
    const uint8_t *from = at < bytes ? tile->at + at : tile->next + (at - bytes);
#pragma GCC unroll 8
    for (uint32_t i = 0; i < n; i++) __builtin_prefetch(from + i * step, 0, 3);
}

/* sums[query head][from, from + n_vectors) += factor * row, for the rows of a strip and `heads` query heads. The factor
 * is a number a row (by_row[query head][row]) or a vector a line (by_line[query head][line of the tile]); the other
 * pointer is NULL. It is one of n_passes over the strip, which together ask for as much as they read. */
INLINE void multiply(floats (*sums)[VECTORS], uint32_t heads, uint32_t from, uint32_t n_vectors, enum type type,
                     const struct tile *tile, uint32_t first, uint32_t n_rows, float (*by_row)[FUSED_HEAD_DIM],
                     floats (*by_line)[FUSED_HEAD_DIM], uint32_t pass, uint32_t n_passes)
{
    const uint32_t lines = row_bytes(type) / LINE, a_line = type == BF16 ? 2 : 1, n_ask = n_vectors / a_line;
    const uint32_t ahead = heads == 1 ? AHEAD : STRIP * row_bytes(type), share = row_bytes(type) / n_passes;
    uint32_t asked = first * row_bytes(type) + ahead + pass * STRIP * share;
    floats sum[TOGETHER][VECTORS];
    for (uint32_t head = 0; head < heads; head++)
        for (uint32_t v = 0; v < n_vectors; v++) sum[head][v] = sums[head][from + v];
    for (uint32_t row = first; row < first + n_rows; row++, asked += share) {
        const uint8_t *at = tile->at + row * row_bytes(type);
        ask(tile, type, asked, n_ask, share / n_ask);
#pragma GCC unroll 8
        for (uint32_t v = 0; v < n_vectors; v += a_line) {
            const uint32_t line = (from + v) / a_line;
            const words bits = *(const words *)(const void *)(at + line * LINE);
            const floats even = type == BF16 ? (floats)(bits << 16) : (floats)bits;
            const floats odd = (floats)(bits & 0xFFFF0000u);
#pragma GCC unroll 4
            for (uint32_t head = 0; head < heads; head++) {
                const floats factor = by_line ? by_line[head][row * lines + line] : all(by_row[head][row]);
                sum[head][v] += factor * even;
                if (type == BF16) sum[head][v + 1] += factor * odd;
            }
        }
    }
    for (uint32_t head = 0; head < heads; head++)
        for (uint32_t v = 0; v < n_vectors; v++) sums[head][from + v] = sum[head][v];
}

/* The same for all rows of a tile and n_heads query heads; `together` of them share a read. */
INLINE void multiply_tile(floats (*sums)[VECTORS], uint32_t n_heads, uint32_t together, enum type type,
                          const struct tile *tile, float (*by_row)[FUSED_HEAD_DIM], floats (*by_line)[FUSED_HEAD_DIM])
{
    __builtin_prefetch(tile->next, 0, 2); /* early: a tile begins with a page that has not been used for long */
    const uint32_t halves = together > 1 ? 2 : 1, n_passes = halves * n_heads / together;
    const uint32_t strip = n_passes > 1 ? STRIP : tile->n_rows;
    for (uint32_t first = 0; first < tile->n_rows; first += strip) {
        const uint32_t left = tile->n_rows - first, n = left < strip ? left : strip;
        for (uint32_t head = 0, pass = 0; head < n_heads; head += together) {
            float(*row)[FUSED_HEAD_DIM] = by_line ? NULL : by_row + head;
            floats(*line)[FUSED_HEAD_DIM] = by_line ? by_line + head : NULL;
#pragma GCC unroll 2
            for (uint32_t half = 0; half < halves; half++, pass++)
                multiply(sums + head, together, half * VECTORS / 2, VECTORS / halves, type, tile, first, n, row, line,
                         pass, n_passes);
        }
    }
}

/* ---- attention --------------------------------------------------------------------------------------------------- */

INLINE const uint8_t *block_of(const struct attention_loop *p, const uint8_t *cache, uint32_t token)
{
    return cache + ((uint64_t)p->blocks[token / p->block_size] * p->kv_heads + p->kv_head) * p->block_bytes;
}

/* The tile of `token` in K or in V; next is what is read after it. */
INLINE struct tile tile_of(const struct attention_loop *p, const uint8_t *cache, uint32_t token, uint32_t end)
{
    const uint32_t next = token + p->block_size, span = token / SPAN * SPAN;
    struct tile tile = {block_of(p, cache, token), NULL, 0};
    if (next < end) tile.next = block_of(p, cache, next);
    else if (cache == p->keys) tile.next = block_of(p, p->values, span);
    else tile.next = end < p->tokens ? block_of(p, p->keys, end) : tile.at;
    return tile;
}

/* With blocks of 16 tokens, a vector of sums holds several dimensions of each token. Add them up. */
INLINE void add_up(const floats sums[VECTORS], enum type type, float *scores)
{
    floats even = {0}, odd = {0};
    for (uint32_t v = 0; v < VECTORS; v += 2) {
        even += sums[v];
        odd += sums[v + 1];
    }
    if (type == FP32) {
        *(floats *)(void *)scores = even + odd;
        return;
    }
    /* The lower halves are one dimension's, the upper the next one's. */
    const floats low = __builtin_shufflevector(even, odd, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    const floats high = __builtin_shufflevector(even, odd, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15,
                                                31);
    *(floats *)(void *)scores = low + high;
}

/* Scores of the tokens [first, end), at most SPAN. */
INLINE void score(const struct attention_loop *p, struct work *w, enum type type, uint32_t together, bool small,
                  uint32_t first, uint32_t end)
{
    for (uint32_t token = first; token < end; token += p->block_size) {
        struct tile tile = tile_of(p, p->keys, token, end);
        tile.n_rows = (uint32_t)(p->block_bytes / row_bytes(type));
        memset(w->scores, 0, p->rows * sizeof w->scores[0]);
        multiply_tile(w->scores, p->rows, together, type, &tile, w->query, small ? w->factors : NULL);
        for (uint32_t row = 0; row < p->rows; row++) {
            if (small) add_up(w->scores[row], type, w->weights[row] + (token - first));
            else unpart(w->scores[row], type, w->weights[row]);
        }
    }
}

/* Turn scores into weights. Scale the earlier sums to the new maximum. */
INLINE void soften(const struct attention_loop *p, struct work *w, struct fused_part *part, uint32_t n)
{
    for (uint32_t row = 0; row < p->rows; row++) {
        float *weights = w->weights[row];
        for (uint32_t i = n; i < SPAN; i++) weights[i] = -INFINITY;
        floats *vectors = (floats *)(void *)weights, top = vectors[0], sum = {0};
        for (uint32_t v = 1; v < SPAN / LANES; v++) top = larger(top, vectors[v]);
        const floats before = all(part->top[row]), now = larger(top_of(top) * p->scale, before);
        for (uint32_t v = 0; v < SPAN / LANES; v++) {
            vectors[v] = exp_of(vectors[v] * p->scale - now);
            sum += vectors[v];
        }
        const floats shrink = exp_of(before - now);
        part->top[row] = now[0];
        part->sum[row] = part->sum[row] * shrink[0] + sum_of(sum)[0];
        for (uint32_t v = 0; v < VECTORS; v++) w->total[row][v] *= shrink;
    }
}

INLINE void add_values(const struct attention_loop *p, struct work *w, enum type type, uint32_t together,
                       uint32_t first, uint32_t end)
{
    for (uint32_t token = first; token < end; token += p->block_size) {
        struct tile tile = tile_of(p, p->values, token, end);
        tile.n_rows = end - token < p->block_size ? end - token : p->block_size;
        multiply_tile(w->total, p->rows, together, type, &tile,
                      (float(*)[FUSED_HEAD_DIM])(void *)(w->weights[0] + (token - first)), NULL);
    }
}

INLINE void take_query(const struct attention_loop *p, struct work *w, enum type type, bool small)
{
    for (uint32_t row = 0; row < p->rows; row++) {
        float *query = w->query[row];
        for (uint32_t d = 0; d < FUSED_HEAD_DIM; d++) query[d] = number(p->query, type, row * FUSED_HEAD_DIM + d);
        if (!small) continue;
        /* A line of K has one dimension of 16 tokens, or two. */
        for (uint32_t d = 0; d < FUSED_HEAD_DIM; d++) {
            const floats factor = all(query[d]);
            if (type == FP32) w->factors[row][d] = factor;
            else memcpy((float *)w->factors[row] + d * (LANES / 2), &factor, sizeof factor / 2);
        }
    }
}

INLINE void attend(const struct attention_loop *p, struct fused_part *part, enum type type, uint32_t together,
                   bool small)
{
    struct work w;
    take_query(p, &w, type, small);
    memset(w.total, 0, p->rows * sizeof w.total[0]);
    for (uint32_t row = 0; row < p->rows; row++) {
        part->top[row] = -INFINITY;
        part->sum[row] = 0;
    }
    for (uint32_t first = 0; first < p->tokens; first += SPAN) {
        const uint32_t end = p->tokens - first < SPAN ? p->tokens : first + SPAN;
        score(p, &w, type, together, small, first, end);
        soften(p, &w, part, end - first);
        add_values(p, &w, type, together, first, end);
    }
    for (uint32_t row = 0; row < p->rows; row++) unpart(w.total[row], type, part->total[row]);
}

INLINE void attend_by_shape(const struct attention_loop *p, struct fused_part *part, enum type type)
{
    assert(p->head_dim == FUSED_HEAD_DIM && p->rows <= FUSED_ROWS && (p->block_size == 16 || p->block_size == SPAN));
    if (p->rows % TOGETHER) {
        if (p->block_size == SPAN) attend(p, part, type, 1, false);
        else attend(p, part, type, 1, true);
    } else if (p->block_size == SPAN) attend(p, part, type, TOGETHER, false);
    else attend(p, part, type, TOGETHER, true);
}

INLINE void finish(const struct fused_part *parts, uint32_t n_parts, uint32_t rows, enum type type, void *out)
{
    for (uint32_t row = 0; row < rows; row++) {
        float top = -INFINITY, sum = 0, total[FUSED_HEAD_DIM] = {0};
        for (uint32_t i = 0; i < n_parts; i++) top = parts[i].top[row] > top ? parts[i].top[row] : top;
        for (uint32_t i = 0; i < n_parts; i++) {
            const float weight = expf(parts[i].top[row] - top);
            sum += weight * parts[i].sum[row];
            for (uint32_t d = 0; d < FUSED_HEAD_DIM; d++) total[d] += weight * parts[i].total[row][d];
        }
        for (uint32_t d = 0; d < FUSED_HEAD_DIM; d++) put_number(out, type, row * FUSED_HEAD_DIM + d, total[d] / sum);
    }
}

void fused_attention_bf16(const struct attention_loop *p, struct fused_part *part) { attend_by_shape(p, part, BF16); }
void fused_attention_fp32(const struct attention_loop *p, struct fused_part *part) { attend_by_shape(p, part, FP32); }

void fused_finish_bf16(const struct fused_part *parts, uint32_t n_parts, uint32_t rows, void *out)
{
    finish(parts, n_parts, rows, BF16, out);
}

void fused_finish_fp32(const struct fused_part *parts, uint32_t n_parts, uint32_t rows, void *out)
{
    finish(parts, n_parts, rows, FP32, out);
}
