/* Instructions that move elements: gather, scatter, sequences, transposition, concatenation, sorting, and single
 * elements. */
#include <stdlib.h>
#include <string.h>

#include "tile/execute.h"
#include "tile/number.h"

enum { SORTED = 32, PAIR_BYTES = 8, LISTS = 4 };

static uint8_t *element_at(const struct tg_buffers *buffers, const struct tg_tile *t, uint32_t row, uint32_t col)
{
    return tg_tile_at(buffers, t) + ((size_t)row * t->cols + col) * tg_dtype_bytes(t->dtype);
}

static int64_t index_at(const struct tg_buffers *buffers, const struct tg_tile *index, uint32_t row, uint32_t col)
{
    return (int64_t)tg_load_f64(element_at(buffers, index, row, col), index->dtype);
}

/* ---- gather and scatter ---- */

/* The value for an index outside the source is unspecified: all ones, which is NaN and therefore visible. */
static void gather(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    const uint32_t bytes = tg_dtype_bytes(dst->dtype);
    const int64_t n = (int64_t)src->rows * src->cols;
    for (uint32_t row = 0; row < dst->valid_rows; row++)
        for (uint32_t col = 0; col < dst->valid_cols; col++) {
            const int64_t at = index_at(buffers, instr->index, row, col);
            uint8_t *to = element_at(buffers, dst, row, col);
            if (at >= 0 && at < n) memcpy(to, tg_tile_at(buffers, src) + (size_t)at * bytes, bytes);
            else memset(to, 0xFF, bytes);
        }
}

static void gather_mask(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    const uint32_t bytes = tg_dtype_bytes(dst->dtype);
    for (uint32_t row = 0; row < dst->valid_rows; row++)
        for (uint32_t col = 0, out = 0; col < src->valid_cols; col++) {
            if (tg_mask_count(instr->mode, col % 4 + 1) == tg_mask_count(instr->mode, col % 4)) continue;
            memcpy(element_at(buffers, dst, row, out++), element_at(buffers, src, row, col), bytes);
        }
}

/* A row outside dst is skipped. */
static void scatter(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    const uint32_t bytes = tg_dtype_bytes(dst->dtype);
    for (uint32_t row = 0; row < src->valid_rows; row++)
        for (uint32_t col = 0; col < src->valid_cols; col++) {
            const int64_t to = index_at(buffers, instr->index, row, col);
            if (to < 0 || to >= (int64_t)dst->valid_rows) continue;
            memcpy(element_at(buffers, dst, (uint32_t)to, col), element_at(buffers, src, row, col), bytes);
        }
}

/* ---- sequences, transposition, concatenation ---- */

static void sequence(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst;
    uint32_t word;
    tg_store_f64(&word, instr->scalar, dst->dtype);
    for (uint32_t col = 0; col < dst->valid_cols; col++) {
        const uint32_t value = instr->mode ? word - col : word + col; /* low bits: it wraps */
        memcpy(element_at(buffers, dst, 0, col), &value, tg_dtype_bytes(dst->dtype));
    }
}

/* Elements of 16 bytes that alternate: of a and b, from their first or their second halves. */
#ifdef __clang__
#define LOW(a, b) __builtin_shufflevector(a, b, LOW_ORDER)
#define HIGH(a, b) __builtin_shufflevector(a, b, HIGH_ORDER)
#else
#define LOW(a, b) __builtin_shuffle(a, b, (__typeof__(a)){LOW_ORDER})
#define HIGH(a, b) __builtin_shuffle(a, b, (__typeof__(a)){HIGH_ORDER})
#endif

/*
 * Transpose a square of SIDE rows of 16 bytes in registers, SIDE being a power of two. A step interleaves each row of
 * the first half with its partner in the second half: the bits of an element's place (row, column) move up by one.
 * After as many steps as a row number has bits, row and column have changed places.
 */
#define TRANSPOSE_SQUARE(NAME, TYPE, SIDE)                                                                             \
    typedef TYPE NAME##_row __attribute__((vector_size(16)));                                                          \
    static void NAME(uint8_t *to, size_t to_pitch, const uint8_t *from, size_t from_pitch)                             \
    {                                                                                                                  \
        NAME##_row a[SIDE], b[SIDE];                                                                                   \
        for (int i = 0; i < SIDE; i++) memcpy(&a[i], from + (size_t)i * from_pitch, 16);                               \
        for (int step = 1; step < SIDE; step *= 2) {                                                                   \
            for (int i = 0; i < SIDE / 2; i++) {                                                                       \
                b[2 * i] = LOW(a[i], a[i + SIDE / 2]);                                                                 \
                b[2 * i + 1] = HIGH(a[i], a[i + SIDE / 2]);                                                            \
            }                                                                                                          \
            memcpy(a, b, sizeof a);                                                                                    \
        }                                                                                                              \
        for (int i = 0; i < SIDE; i++) memcpy(to + (size_t)i * to_pitch, &a[i], 16);                                   \
    }

#define LOW_ORDER 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_ORDER 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
TRANSPOSE_SQUARE(transpose_square_8, uint8_t, 16)
#undef LOW_ORDER
#undef HIGH_ORDER
#define LOW_ORDER 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH_ORDER 4, 12, 5, 13, 6, 14, 7, 15
TRANSPOSE_SQUARE(transpose_square_16, uint16_t, 8)
#undef LOW_ORDER
#undef HIGH_ORDER
#define LOW_ORDER 0, 4, 1, 5
#define HIGH_ORDER 2, 6, 3, 7
TRANSPOSE_SQUARE(transpose_square_32, uint32_t, 4)
#undef LOW_ORDER
#undef HIGH_ORDER

/* Whole squares in registers, the elements beside them one by one. */
static void transpose(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    const uint32_t bytes = tg_dtype_bytes(dst->dtype), side = 16 / bytes;
    const size_t to_pitch = (size_t)dst->cols * bytes, from_pitch = (size_t)src->cols * bytes;
    const uint32_t rows = src->valid_rows / side * side, cols = src->valid_cols / side * side;
    for (uint32_t col = 0; col < cols; col += side)
        for (uint32_t row = 0; row < rows; row += side) {
            uint8_t *to = element_at(buffers, dst, col, row);
            const uint8_t *from = element_at(buffers, src, row, col);
            if (bytes == 1) transpose_square_8(to, to_pitch, from, from_pitch);
            else if (bytes == 2) transpose_square_16(to, to_pitch, from, from_pitch);
            else transpose_square_32(to, to_pitch, from, from_pitch);
        }
    for (uint32_t row = 0; row < src->valid_rows; row++)
        for (uint32_t col = row < rows ? cols : 0; col < src->valid_cols; col++)
            memcpy(element_at(buffers, dst, col, row), element_at(buffers, src, row, col), bytes);
}

static void concat(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *a = instr->a, *b = instr->b;
    const size_t bytes = tg_dtype_bytes(dst->dtype);
    for (uint32_t row = 0; row < dst->valid_rows; row++) {
        memcpy(element_at(buffers, dst, row, 0), element_at(buffers, a, row, 0), a->valid_cols * bytes);
        memcpy(element_at(buffers, dst, row, a->valid_cols), element_at(buffers, b, row, 0), b->valid_cols * bytes);
    }
}

/* ---- sorting ---- */

/* A value with its index, 8 bytes: fp32, or fp16 and two bytes of zero; then the index. */
struct pair {
    uint8_t bytes[PAIR_BYTES];
};

static struct pair pair_of(const uint8_t *value, uint32_t dtype, uint32_t index)
{
    struct pair pair = {{0}};
    memcpy(pair.bytes, value, tg_dtype_bytes(dtype));
    memcpy(pair.bytes + 4, &index, sizeof index);
    return pair;
}

/* Does a pair come before an earlier pair of the input? A NaN is larger than any number. */
static bool comes_before(const struct pair *a, const struct pair *b, uint32_t dtype)
{
    const double x = tg_load_f64(a->bytes, dtype), y = tg_load_f64(b->bytes, dtype);
    return x != x ? y == y : x > y;
}

/* Stable, by insertion: 32 elements. */
static void sort(struct pair pairs[SORTED], uint32_t dtype)
{
    for (uint32_t i = 1; i < SORTED; i++) {
        const struct pair moved = pairs[i];
        uint32_t at = i;
        for (; at > 0 && comes_before(&moved, &pairs[at - 1], dtype); at--) pairs[at] = pairs[at - 1];
        pairs[at] = moved;
    }
}

static void sort_rows(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    struct pair pairs[SORTED];
    for (uint32_t row = 0; row < src->valid_rows; row++)
        for (uint32_t col = 0; col < src->valid_cols; col += SORTED) {
            for (uint32_t i = 0; i < SORTED; i++)
                pairs[i] = pair_of(element_at(buffers, src, row, col + i), src->dtype,
                                   (uint32_t)index_at(buffers, instr->index, row, col + i));
            sort(pairs, src->dtype);
            memcpy(element_at(buffers, dst, row, 0) + (size_t)col * PAIR_BYTES, pairs, sizeof pairs);
        }
}

/* Sorted lists of pairs; n pairs of each list remain. */
struct lists {
    const uint8_t *at[LISTS];
    uint32_t n[LISTS];
    uint32_t n_lists;
};

/* Merge into `to` until all lists have ended, or until one has. Of equal pairs the earlier list's comes first. */
static void merge(uint8_t *to, struct lists *lists, uint32_t dtype, bool until_one_ends)
{
    for (;;) {
        uint32_t best = LISTS;
        struct pair largest = {{0}}, next;
        for (uint32_t i = 0; i < lists->n_lists; i++) {
            if (lists->n[i] == 0 && until_one_ends) return;
            if (lists->n[i] == 0) continue;
            memcpy(&next, lists->at[i], sizeof next);
            if (best < LISTS && !comes_before(&next, &largest, dtype)) continue;
            best = i;
            largest = next;
        }
        if (best == LISTS) return;
        memcpy(to, &largest, sizeof largest);
        to += PAIR_BYTES;
        lists->at[best] += PAIR_BYTES;
        lists->n[best]--;
    }
}

static void merge_runs(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    const size_t run_bytes = (size_t)instr->immediate[0] * tg_dtype_bytes(src->dtype);
    const size_t bytes = (size_t)src->valid_cols * tg_dtype_bytes(src->dtype);
    for (size_t at = 0; at < bytes; at += LISTS * run_bytes) {
        struct lists lists = {.n_lists = LISTS};
        for (uint32_t i = 0; i < LISTS; i++) {
            lists.at[i] = tg_tile_at(buffers, src) + at + i * run_bytes;
            lists.n[i] = (uint32_t)(run_bytes / PAIR_BYTES);
        }
        merge(tg_tile_at(buffers, dst) + at, &lists, src->dtype, false);
    }
}

static void merge_lists(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *const tiles[LISTS] = {instr->a, instr->b, instr->c, instr->d};
    struct lists lists = {.n_lists = 0};
    struct tg_merge_counts counts = {{0}};
    for (uint32_t i = 0; i < LISTS && tiles[i]; i++) {
        lists.at[i] = tg_tile_at(buffers, tiles[i]);
        lists.n[i] = tiles[i]->valid_cols * tg_dtype_bytes(tiles[i]->dtype) / PAIR_BYTES;
        counts.n[i] = (uint16_t)lists.n[i];
        lists.n_lists++;
    }
    merge(tg_tile_at(buffers, instr->dst), &lists, instr->a->dtype, instr->mode != 0);
    for (uint32_t i = 0; i < lists.n_lists; i++) counts.n[i] = (uint16_t)(counts.n[i] - lists.n[i]);
    if (instr->result) memcpy(instr->result, &counts, sizeof counts);
}

/* ---- single elements ---- */

static void get_value(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const double value = tg_load_f64(tg_tile_at(buffers, instr->a), instr->a->dtype);
    memcpy(instr->result, &value, sizeof value);
}

static void set_value(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    tg_store_f64(tg_tile_at(buffers, instr->dst), instr->scalar, instr->dst->dtype);
}

void tg_execute_permute(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    switch (tg_op_info(instr->op)->form) {
    case TG_FORM_GATHER: gather(instr, buffers); break;
    case TG_FORM_GATHER_MASK: gather_mask(instr, buffers); break;
    case TG_FORM_SCATTER: scatter(instr, buffers); break;
    case TG_FORM_SEQUENCE: sequence(instr, buffers); break;
    case TG_FORM_TRANSPOSE: transpose(instr, buffers); break;
    case TG_FORM_CONCAT: concat(instr, buffers); break;
    case TG_FORM_SORT: sort_rows(instr, buffers); break;
    case TG_FORM_MERGE_RUNS: merge_runs(instr, buffers); break;
    case TG_FORM_MERGE_LISTS: merge_lists(instr, buffers); break;
    case TG_FORM_GET_VALUE: get_value(instr, buffers); break;
    default: set_value(instr, buffers); break;
    }
}
