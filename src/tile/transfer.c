/* TLOAD, TSTORE, TMOV: bytes between device memory and the buffers, from one layout to the other. */
#include <string.h>

#include "tile/execute.h"
#include "tile/number.h"

/* The address of row `row`, whose number counts through the stacked outer dimensions, at column 0. */
static uint64_t row_address(const struct tg_global *g, uint32_t row)
{
    int64_t at = 0;
    if (row < g->shape[3]) return g->addr + (uint64_t)(row * g->stride[3] * (int64_t)tg_dtype_bytes(g->dtype));
    for (int d = 3; d >= 0; d--) {
        at += (int64_t)(row % g->shape[d]) * g->stride[d];
        row /= g->shape[d];
    }
    return g->addr + (uint64_t)(at * (int64_t)tg_dtype_bytes(g->dtype));
}

bool tg_global_run(const struct tg_global *g, uint32_t index, struct tg_run_of_bytes *run)
{
    uint32_t bytes = tg_dtype_bytes(g->dtype);
    if (g->layout == TG_COL_MAJOR) {
        if (index >= g->shape[4]) return false;
        run->address = g->addr + (uint64_t)((int64_t)index * g->stride[4] * (int64_t)bytes);
        run->bytes = (uint64_t)g->shape[3] * bytes;
        return true;
    }
    if (index >= g->shape[0] * g->shape[1] * g->shape[2] * g->shape[3]) return false;
    run->address = row_address(g, index);
    run->bytes = (uint64_t)g->shape[4] * bytes;
    return true;
}

struct tg_run_of_bytes tg_global_extent(const struct tg_global *g)
{
    const int64_t bytes = tg_dtype_bytes(g->dtype);
    int64_t low = 0, high = 0; /* elements from the first to the last */
    for (int d = 0; d < 5; d++) {
        const int64_t last = ((int64_t)g->shape[d] - 1) * g->stride[d];
        if (last < 0) low += last;
        else high += last;
    }
    const struct tg_run_of_bytes all = {g->addr + (uint64_t)(low * bytes), (uint64_t)((high - low + 1) * bytes)};
    return all;
}

static void *at_global(uint64_t address) { return (void *)(uintptr_t)address; }

/* A row of a fractal, whose last one may be cut. A whole one is a copy of a size that the compiler knows. */
static void copy_row(uint8_t *to, const uint8_t *from, size_t bytes)
{
    if (bytes == 32) memcpy(to, from, 32);
    else memcpy(to, from, bytes);
}

/* One row of device memory into the NZ tile: 32 bytes a fractal. */
static void load_row_nz(uint8_t *tile, const struct tg_tile *t, uint32_t row, const uint8_t *from)
{
    uint32_t bytes = tg_dtype_bytes(t->dtype), width = tg_fractal_cols(t->dtype);
    for (uint32_t col = 0; col < t->valid_cols; col += width) {
        uint32_t n = t->valid_cols - col < width ? t->valid_cols - col : width;
        copy_row(tile + (size_t)tg_at_nz(t->rows, width, row, col) * bytes, from + (size_t)col * bytes,
                 (size_t)n * bytes);
    }
}

/* One column of device memory into the NZ tile: an element a row. */
static void load_column_nz(uint8_t *tile, const struct tg_tile *t, uint32_t col, const uint8_t *from)
{
    uint32_t bytes = tg_dtype_bytes(t->dtype), width = tg_fractal_cols(t->dtype);
    for (uint32_t row = 0; row < t->valid_rows; row++)
        memcpy(tile + (size_t)tg_at_nz(t->rows, width, row, col) * bytes, from + (size_t)row * bytes, bytes);
}

/* Has the tile no padding? */
static bool is_whole(const struct tg_tile *t) { return t->valid_rows == t->rows && t->valid_cols == t->cols; }

void tg_execute_load(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *t = instr->dst;
    uint8_t *tile = tg_tile_at(buffers, t);
    size_t bytes = tg_dtype_bytes(t->dtype);
    if (t->kind == TG_MAT && !is_whole(t)) memset(tile, 0, tg_tile_bytes(t));

    struct tg_run_of_bytes run;
    for (uint32_t i = 0; tg_global_run(instr->global, i, &run); i++) {
        const uint8_t *from = at_global(run.address);
        if (t->kind == TG_VEC)
            memcpy(tile + i * bytes * (t->layout == TG_ROW_MAJOR ? t->cols : t->rows), from, run.bytes);
        else if (instr->global->layout == TG_ROW_MAJOR) load_row_nz(tile, t, i, from);
        else load_column_nz(tile, t, i, from);
    }
}

/* A row of fp32 accumulators, 16 columns a block of the NZ layout, to device memory in another type. */
static void store_row_acc(const float *tile, const struct tg_tile *t, uint32_t row, uint8_t *to, uint32_t dtype)
{
    const uint32_t bytes = tg_dtype_bytes(dtype);
    for (uint32_t col = 0; col < t->valid_cols; col += 16) {
        const float *from = tile + tg_at_nz(t->rows, 16, row, col);
        const uint32_t n = t->valid_cols - col < 16 ? t->valid_cols - col : 16;
        uint16_t halves[16];
        if (dtype == TG_FP32 && n == 16) {
            memcpy(to + (size_t)col * bytes, from, 16 * sizeof *from); /* a size that the compiler knows */
            continue;
        }
        if (dtype == TG_BF16)
            for (uint32_t i = 0; i < 16; i++) halves[i] = tg_bf16_of_f32(from[i]);
        else if (dtype == TG_FP16)
            for (uint32_t i = 0; i < 16; i++) halves[i] = tg_f16_of_f32(from[i]);
        memcpy(to + (size_t)col * bytes, dtype == TG_FP32 ? (const void *)from : halves, (size_t)n * bytes);
    }
}

void tg_execute_store(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *t = instr->a;
    const uint8_t *tile = tg_tile_at(buffers, t);
    size_t bytes = tg_dtype_bytes(t->dtype);
    struct tg_run_of_bytes run;
    for (uint32_t i = 0; tg_global_run(instr->global, i, &run); i++) {
        uint8_t *to = at_global(run.address);
        if (t->kind == TG_ACC) store_row_acc((const float *)(const void *)tile, t, i, to, instr->global->dtype);
        else memcpy(to, tile + i * bytes * (t->layout == TG_ROW_MAJOR ? t->cols : t->rows), run.bytes);
    }
}

/* NZ to ZZ. A row of a fractal is 32 bytes in both; what is behind the valid columns of the last one is padding. */
static void move_left(uint8_t *to, const struct tg_tile *dst, const uint8_t *from, const struct tg_tile *src)
{
    uint32_t bytes = tg_dtype_bytes(dst->dtype), width = tg_fractal_cols(dst->dtype);
    for (uint32_t row = 0; row < dst->valid_rows; row++)
        for (uint32_t col = 0; col < dst->valid_cols; col += width) {
            uint32_t n = dst->valid_cols - col < width ? dst->valid_cols - col : width;
            copy_row(to + (size_t)tg_at_zz(dst->cols, width, row, col) * bytes,
                     from + (size_t)tg_at_nz(src->rows, width, row, col) * bytes, (size_t)n * bytes);
        }
}

/* NZ to ZN: every element changes places. Elements [row, row + rows) x [col, col + cols), one by one. */
static void move_right_part(uint8_t *to, const struct tg_tile *dst, const uint8_t *from, const struct tg_tile *src,
                            uint32_t row, uint32_t col, uint32_t rows, uint32_t cols)
{
    const uint32_t bytes = tg_dtype_bytes(dst->dtype), width = tg_fractal_cols(dst->dtype);
    for (uint32_t r = row; r < row + rows; r++)
        for (uint32_t c = col; c < col + cols; c++) {
            size_t out = tg_at_zn(dst->cols, width, r, c), in = tg_at_nz(src->rows, width, r, c);
            if (bytes == 2) memcpy(to + out * 2, from + in * 2, 2);
            else memcpy(to + out * 4, from + in * 4, 4);
        }
}

/* A whole fractal of 16 x 16 elements of 2 bytes. */
static void turn_halves(uint16_t *to, const uint16_t *from)
{
    for (int c = 0; c < 16; c++)
        for (int r = 0; r < 16; r++) to[c * 16 + r] = from[r * 16 + c];
}

/* A whole fractal of 8 x 16 elements of 4 bytes; columns from 8 on come from `next` elements behind the others. */
static void turn_words(uint32_t *to, const uint32_t *from, size_t next)
{
    for (int c = 0; c < 8; c++)
        for (int r = 0; r < 8; r++) {
            to[c * 8 + r] = from[r * 8 + c];
            to[(c + 8) * 8 + r] = from[next + (size_t)(r * 8 + c)];
        }
}

static void move_right(uint8_t *to, const struct tg_tile *dst, const uint8_t *from, const struct tg_tile *src)
{
    const uint32_t bytes = tg_dtype_bytes(dst->dtype), width = tg_fractal_cols(dst->dtype);
    for (uint32_t row = 0; row < dst->valid_rows; row += width)
        for (uint32_t col = 0; col < dst->valid_cols; col += 16) {
            const uint32_t rows = dst->valid_rows - row < width ? dst->valid_rows - row : width;
            const uint32_t cols = dst->valid_cols - col < 16 ? dst->valid_cols - col : 16;
            void *out = to + (size_t)tg_at_zn(dst->cols, width, row, col) * bytes;
            const void *in = from + (size_t)tg_at_nz(src->rows, width, row, col) * bytes;
            if (rows < width || cols < 16) move_right_part(to, dst, from, src, row, col, rows, cols);
            else if (bytes == 2) turn_halves(out, in);
            else turn_words(out, in, (size_t)src->rows * width);
        }
}

void tg_execute_move(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    uint8_t *to = tg_tile_at(buffers, dst);
    const uint8_t *from = tg_tile_at(buffers, src);
    size_t bytes = tg_dtype_bytes(dst->dtype);
    if (dst->kind != TG_VEC && !is_whole(dst)) memset(to, 0, tg_tile_bytes(dst));
    if (dst->kind == TG_LEFT) move_left(to, dst, from, src);
    else if (dst->kind == TG_RIGHT) move_right(to, dst, from, src);
    else
        for (uint32_t row = 0; row < dst->valid_rows; row++)
            memmove(to + row * dst->cols * bytes, from + row * src->cols * bytes, dst->valid_cols * bytes);
}
