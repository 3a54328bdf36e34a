/* rows.h - tiles and views that the kernels share (arguments.h says what a row is). */
#ifndef TG_ATTENTION_ROWS_H
#define TG_ATTENTION_ROWS_H

#include <stdbool.h>
#include <tilegraph/tile.h>

static inline uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

static inline struct tg_tile place(struct tg_tile tile, uint32_t offset)
{
    TASSIGN(tile, offset);
    return tile;
}

static inline struct tg_tile vec_at(uint32_t dtype, uint32_t rows, uint32_t cols, uint32_t offset)
{
    return place(tg_tile_vec(dtype, rows, cols), offset);
}

/* The bytes of a 1 x n row as the n x 1 column that TROWEXPAND* take. */
static inline struct tg_tile as_column(const struct tg_tile *row)
{
    struct tg_tile column = tg_tile_column(row->dtype, row->valid_cols);
    TRESHAPE(column, *row);
    return column;
}

/* V. fp32 rows as elements of 8 bits: limited to the type's range, rounded once to nearest even. Changes `wide`. half:
 * fp16 of its shape, for int8. */
static inline void to_eight_bits(struct tg_tile wide, struct tg_tile half, struct tg_tile to)
{
    const bool is_int8 = to.dtype == TG_INT8;
    const float most = is_int8 ? 127.0f : to.dtype == TG_FP8_E4M3 ? 448.0f : 57344.0f;
    TMINS(wide, wide, most);
    pipe_barrier(PIPE_V);
    TMAXS(wide, wide, is_int8 ? -128.0f : -most);
    pipe_barrier(PIPE_V);
    if (!is_int8) {
        TCVT(to, wide);
        return;
    }
    TCVT(wide, wide, TG_CAST_RINT); /* fp16 has these whole numbers: they are not rounded again */
    pipe_barrier(PIPE_V);
    TCVT(half, wide);
    pipe_barrier(PIPE_V);
    /* The numbers fit. Without saturation the device would use the end of UB as scratch. */
    TCVT(to, half, TG_CAST_RINT, TG_SATURATION_ON);
}

/* The number of rows of a slice that begins at `row`: up to `most`, and inside of one token or whole tokens, so that a
 * view with one distance from head to head and one from token to token describes them. */
static inline uint32_t slice_rows(uint32_t rows, uint32_t row, uint32_t group, uint32_t most)
{
    const uint32_t n = least(rows - row, most), head = row % group;
    if (n <= group - head) return n;
    return head ? group - head : n / group * group;
}

/* `cols` elements of each of n rows from `row` on, a slice as above. addr: of row 0. */
static inline struct tg_global rows_gm(uint64_t addr, uint32_t dtype, uint32_t row, uint32_t n, uint32_t group,
                                       uint32_t cols, int64_t token_ld, int64_t head_ld)
{
    const int64_t first = row / group * token_ld + row % group * head_ld;
    const uint64_t from = addr + (uint64_t)(first * (int64_t)tg_dtype_bytes(dtype));
    const bool one_token = n <= group - row % group;
    const uint32_t shape[5] = {1, 1, one_token ? 1 : n / group, one_token ? n : group, cols};
    const int64_t stride[5] = {0, 0, token_ld, head_ld, 1};
    return tg_global_make(from, dtype, TG_ROW_MAJOR, shape, stride);
}

#endif
