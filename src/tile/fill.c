/* TEXPANDS, TFILLPAD, TROWEXPAND, TCOLEXPAND: elements of any type, repeated. */
#include <string.h>

#include "tile/execute.h"
#include "tile/number.h"

/* One element, 1, 2 or 4 bytes. */
struct element {
    uint8_t bytes[4];
};

static struct element element_of(double value, uint32_t dtype)
{
    struct element e;
    tg_store_f64(e.bytes, value, dtype);
    return e;
}

static struct element element_at(const uint8_t *from, uint32_t bytes)
{
    struct element e = {{0}};
    memcpy(e.bytes, from, bytes);
    return e;
}

/* The element n times, starting at `to`: copies double in length. */
static void repeat(uint8_t *to, struct element e, uint32_t n, uint32_t bytes)
{
    if (n == 0) return;
    const size_t all = (size_t)n * bytes;
    memcpy(to, e.bytes, bytes);
    for (size_t done = bytes; done < all; done *= 2) memcpy(to + done, to, done < all - done ? done : all - done);
}

static uint8_t *row_at(const struct tg_buffers *buffers, const struct tg_tile *t, uint32_t row)
{
    return tg_tile_at(buffers, t) + (size_t)row * t->cols * tg_dtype_bytes(t->dtype);
}

/* TEXPANDS. */
static void fill(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst;
    const uint32_t bytes = tg_dtype_bytes(dst->dtype);
    const bool rows = dst->layout == TG_ROW_MAJOR;
    const uint32_t n_runs = rows ? dst->valid_rows : dst->valid_cols, n = rows ? dst->valid_cols : dst->valid_rows;
    const size_t step = (size_t)(rows ? dst->cols : dst->rows) * bytes;
    for (uint32_t i = 0; i < n_runs; i++)
        repeat(tg_tile_at(buffers, dst) + i * step, element_of(instr->scalar, dst->dtype), n, bytes);
}

/* TFILLPAD. A source at dst's place with dst's width needs no copy. */
static void fill_pad(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    const uint32_t bytes = tg_dtype_bytes(dst->dtype);
    const struct element pad = element_of(instr->scalar, dst->dtype);
    for (uint32_t row = 0; row < dst->valid_rows; row++) {
        const uint32_t n_copied = row < src->valid_rows ? src->valid_cols : 0;
        if (n_copied > 0) memmove(row_at(buffers, dst, row), row_at(buffers, src, row), (size_t)n_copied * bytes);
        repeat(row_at(buffers, dst, row) + (size_t)n_copied * bytes, pad, dst->valid_cols - n_copied, bytes);
    }
}

/* TROWEXPAND. */
static void expand_column(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *column = instr->b;
    const uint32_t bytes = tg_dtype_bytes(dst->dtype);
    const size_t step = (size_t)(column->layout == TG_COL_MAJOR ? 1 : column->cols) * bytes;
    for (uint32_t row = 0; row < dst->valid_rows; row++)
        repeat(row_at(buffers, dst, row), element_at(tg_tile_at(buffers, column) + row * step, bytes), dst->valid_cols,
               bytes);
}

/* TCOLEXPAND. */
static void expand_row(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst;
    const size_t bytes = (size_t)dst->valid_cols * tg_dtype_bytes(dst->dtype);
    for (uint32_t row = 0; row < dst->valid_rows; row++)
        memmove(row_at(buffers, dst, row), tg_tile_at(buffers, instr->b), bytes);
}

void tg_execute_fill(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    switch (tg_op_info(instr->op)->form) {
    case TG_FORM_FILL: fill(instr, buffers); break;
    case TG_FORM_ROW_EXPAND: expand_column(instr, buffers); break;
    case TG_FORM_COL_EXPAND: expand_row(instr, buffers); break;
    default: fill_pad(instr, buffers); break;
    }
}
