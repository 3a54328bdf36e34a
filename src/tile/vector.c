/* Vector instructions: a row at a time, in pieces of fp32 that stay in registers and L1; fp16 is widened for the piece
 * and rounded back. Plain loops: the compiler makes vector code of them. */
#include <math.h>
#include <string.h>

#include "tile/execute.h"
#include "tile/number.h"

enum { PIECE = 256 };

/* ---- pieces of rows ---- */

static const uint8_t *row_at(const struct tg_buffers *buffers, const struct tg_tile *t, uint32_t row, uint32_t col)
{
    return tg_tile_at(buffers, t) + ((size_t)row * t->cols + col) * tg_dtype_bytes(t->dtype);
}

static void widen(float *to, const uint8_t *from, uint32_t dtype, uint32_t n)
{
    if (dtype == TG_FP32) {
        memcpy(to, from, n * sizeof *to);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint16_t half;
        int32_t whole;
        if (dtype == TG_INT32) {
            memcpy(&whole, from + (size_t)i * 4, 4);
            to[i] = (float)whole;
        } else {
            memcpy(&half, from + (size_t)i * 2, 2);
            to[i] = dtype == TG_BF16 ? tg_f32_of_bf16(half) : tg_f32_of_f16(half);
        }
    }
}

/* fp32 to int32: nearest even, saturating; NaN is 0. */
static int32_t int32_of(float value)
{
    if (value != value) return 0;
    if (value >= 2147483648.0f) return INT32_MAX;
    if (value < -2147483648.0f) return INT32_MIN;
    return (int32_t)lrintf(value);
}

static void narrow(uint8_t *to, const float *from, uint32_t dtype, uint32_t n)
{
    if (dtype == TG_FP32) {
        memcpy(to, from, n * sizeof *from);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (dtype == TG_INT32) {
            int32_t whole = int32_of(from[i]);
            memcpy(to + (size_t)i * 4, &whole, 4);
        } else {
            uint16_t half = dtype == TG_BF16 ? tg_bf16_of_f32(from[i]) : tg_f16_of_f32(from[i]);
            memcpy(to + (size_t)i * 2, &half, 2);
        }
    }
}

/* ---- arithmetic on a piece ---- */

/* The larger one; NaN if either is, so that poison stays visible. */
static float larger(float a, float b) { return a > b || a != a ? a : b; }

#define EACH(expression)                                                                                               \
    for (uint32_t i = 0; i < n; i++) a[i] = (expression)

static void binary(uint32_t op, float *restrict a, const float *restrict b, uint32_t n)
{
    switch (op) {
    case TG_OP_TADD: EACH(a[i] + b[i]); break;
    case TG_OP_TSUB: EACH(a[i] - b[i]); break;
    case TG_OP_TMUL: EACH(a[i] * b[i]); break;
    case TG_OP_TDIV: EACH(a[i] / b[i]); break;
    case TG_OP_TMAX: EACH(larger(a[i], b[i])); break;
    default: break;
    }
}

/* One source; `scalar` is the instruction's, or the row's for TROWEXPAND*. */
static void unary(uint32_t op, float *a, float scalar, uint32_t n)
{
    switch (op) {
    case TG_OP_TADDS: EACH(a[i] + scalar); break;
    case TG_OP_TROWEXPANDMUL:
    case TG_OP_TMULS: EACH(a[i] * scalar); break;
    case TG_OP_TMAXS: EACH(larger(a[i], scalar)); break;
    case TG_OP_TEXP: EACH(expf(a[i])); break;
    case TG_OP_TLOG: EACH(logf(a[i])); break;
    case TG_OP_TSQRT: EACH(sqrtf(a[i])); break;
    case TG_OP_TROWEXPANDSUB: EACH(a[i] - scalar); break;
    case TG_OP_TROWEXPANDDIV: EACH(a[i] / scalar); break;
    case TG_OP_TROWEXPAND:
    case TG_OP_TEXPANDS: EACH(scalar); break;
    default: break; /* TCVT: the types do the work */
    }
}

/* ---- tiles ---- */

static float scalar_of_row(const struct tg_instr *instr, const struct tg_buffers *buffers, uint32_t row)
{
    const struct tg_tile *column = instr->b;
    float value;
    widen(&value, tg_tile_at(buffers, column) + (size_t)row * tg_dtype_bytes(column->dtype), column->dtype, 1);
    return value;
}

static bool takes_column(uint32_t op)
{
    return op == TG_OP_TROWEXPAND || op == TG_OP_TROWEXPANDSUB || op == TG_OP_TROWEXPANDMUL ||
           op == TG_OP_TROWEXPANDDIV;
}

static void elementwise(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst;
    bool column = takes_column(instr->op);
    float a[PIECE], b[PIECE];
    for (uint32_t row = 0; row < dst->valid_rows; row++) {
        float scalar = column ? scalar_of_row(instr, buffers, row) : instr->scalar;
        for (uint32_t col = 0; col < dst->valid_cols; col += PIECE) {
            uint32_t n = dst->valid_cols - col < PIECE ? dst->valid_cols - col : PIECE;
            if (instr->a) widen(a, row_at(buffers, instr->a, row, col), instr->a->dtype, n);
            if (instr->b && !column) {
                widen(b, row_at(buffers, instr->b, row, col), instr->b->dtype, n);
                binary(instr->op, a, b, n);
            } else {
                unary(instr->op, a, scalar, n);
            }
            narrow((uint8_t *)row_at(buffers, dst, row, col), a, dst->dtype, n);
        }
    }
}

static void fill_pad(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    float a[PIECE];
    for (uint32_t row = 0; row < dst->valid_rows; row++) {
        uint32_t n_copied = row < src->valid_rows ? src->valid_cols : 0;
        for (uint32_t col = 0; col < dst->valid_cols; col += PIECE) {
            uint32_t n = dst->valid_cols - col < PIECE ? dst->valid_cols - col : PIECE;
            uint32_t n_from = col < n_copied ? (n_copied - col < n ? n_copied - col : n) : 0;
            if (n_from > 0) widen(a, row_at(buffers, src, row, col), src->dtype, n_from);
            for (uint32_t i = n_from; i < n; i++) a[i] = instr->scalar;
            narrow((uint8_t *)row_at(buffers, dst, row, col), a, dst->dtype, n);
        }
    }
}

/* A whole tile, column-major ones too: TEXPANDS. */
static void fill_columns(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst;
    uint32_t bytes = tg_dtype_bytes(dst->dtype);
    for (uint32_t col = 0; col < dst->valid_cols; col++)
        for (uint32_t row = 0; row < dst->valid_rows; row++)
            narrow(tg_tile_at(buffers, dst) + ((size_t)col * dst->rows + row) * bytes, &instr->scalar, dst->dtype, 1);
}

/* Sums and maxima run in LANES strands that are joined at the end: vector code without reordering by the compiler. */
enum { LANES = 16 };

static void reduce_rows(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    bool sum = instr->op == TG_OP_TROWSUM;
    float a[PIECE], strand[LANES];
    for (uint32_t row = 0; row < src->valid_rows; row++) {
        for (uint32_t lane = 0; lane < LANES; lane++) strand[lane] = sum ? 0.0f : -INFINITY;
        for (uint32_t col = 0; col < src->valid_cols; col += PIECE) {
            uint32_t n = src->valid_cols - col < PIECE ? src->valid_cols - col : PIECE;
            widen(a, row_at(buffers, src, row, col), src->dtype, n);
            for (uint32_t i = n; i % LANES; i++) a[i] = sum ? 0.0f : -INFINITY;
            for (uint32_t i = 0; i < n; i += LANES)
                for (uint32_t lane = 0; lane < LANES; lane++)
                    strand[lane] = sum ? strand[lane] + a[i + lane] : larger(strand[lane], a[i + lane]);
        }
        float value = strand[0];
        for (uint32_t lane = 1; lane < LANES; lane++) value = sum ? value + strand[lane] : larger(value, strand[lane]);
        narrow(tg_tile_at(buffers, dst) + (size_t)row * tg_dtype_bytes(dst->dtype), &value, dst->dtype, 1);
    }
}

void tg_execute_vector(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    if (instr->op == TG_OP_TROWMAX || instr->op == TG_OP_TROWSUM) reduce_rows(instr, buffers);
    else if (instr->op == TG_OP_TFILLPAD) fill_pad(instr, buffers);
    else if (instr->op == TG_OP_TEXPANDS && instr->dst->layout == TG_COL_MAJOR) fill_columns(instr, buffers);
    else elementwise(instr, buffers);
}
