/* buffers.h - the on-chip memory of one core, and the places of tiles in it. */
#ifndef TG_TILE_BUFFERS_H
#define TG_TILE_BUFFERS_H

#include <stdint.h>

#include <tilegraph/tile.h>

/* Capacities in bytes: Ascend910B1.ini of CANN 8.1.RC1; UB: 910B AscendC hardware specification. */
enum {
    TG_L1_BYTES = 512 * 1024,
    TG_L0A_BYTES = 64 * 1024,
    TG_L0B_BYTES = 64 * 1024,
    TG_L0C_BYTES = 128 * 1024,
    TG_UB_BYTES = 192 * 1024,
    TG_BIAS_BYTES = 1024,
    TG_SCRATCH_BYTES = 512 * 1024 /* not part of the device: operands of a product, unpacked to fp32 */
};

struct tg_tile_variant;

struct tg_buffers {
    const struct tg_tile_variant *variant; /* of the arithmetic; execute.h */
    uint8_t *of_kind[TG_TILE_KINDS];       /* by enum tg_tile_kind; NULL: this core does not have the buffer */
    float *scratch;                        /* cube cores */
};

static inline uint32_t tg_kind_capacity(uint32_t kind)
{
    static const uint32_t bytes[TG_TILE_KINDS] = {TG_L1_BYTES,  TG_L0A_BYTES, TG_L0B_BYTES,
                                                  TG_L0C_BYTES, TG_UB_BYTES,  TG_BIAS_BYTES};
    return kind < TG_TILE_KINDS ? bytes[kind] : 0;
}

/* The tile's first byte. The tile has passed the rules. */
static inline uint8_t *tg_tile_at(const struct tg_buffers *buffers, const struct tg_tile *tile)
{
    return buffers->of_kind[tile->kind] + tile->offset;
}

/* Elements in 32 bytes: the width of a fractal. */
static inline uint32_t tg_fractal_cols(uint32_t dtype) { return 32u / tg_dtype_bytes(dtype); }

/* ---- the place of element [row][col] of a tile, in elements from its start ----------------------------------------
 */

/* NZ: column-major blocks, `width` columns wide, of row-major fractals. Mat: width of a fractal; Acc: 16. */
static inline uint32_t tg_at_nz(uint32_t rows, uint32_t width, uint32_t row, uint32_t col)
{
    return (col / width * rows + row) * width + col % width;
}

/* ZZ: row-major blocks of row-major fractals (Left). */
static inline uint32_t tg_at_zz(uint32_t cols, uint32_t width, uint32_t row, uint32_t col)
{
    return (row / 16 * (cols / width) + col / width) * 16 * width + row % 16 * width + col % width;
}

/* ZN: row-major blocks of column-major fractals, `width` rows by 16 columns (Right). */
static inline uint32_t tg_at_zn(uint32_t cols, uint32_t width, uint32_t row, uint32_t col)
{
    return (row / width * (cols / 16) + col / 16) * 16 * width + col % 16 * width + row % width;
}

/* Of any tile; Mat tiles are NZ, or ZN if they are column-major. */
static inline uint32_t tg_element_at(const struct tg_tile *t, uint32_t row, uint32_t col)
{
    const uint32_t width = tg_fractal_cols(t->dtype);
    switch (t->kind) {
    case TG_MAT:
        return t->layout == TG_ROW_MAJOR ? tg_at_nz(t->rows, width, row, col) : tg_at_zn(t->cols, width, row, col);
    case TG_LEFT: return tg_at_zz(t->cols, width, row, col);
    case TG_RIGHT: return tg_at_zn(t->cols, width, row, col);
    case TG_ACC: return tg_at_nz(t->rows, 16, row, col);
    case TG_BIAS: return col;
    default: return t->layout == TG_ROW_MAJOR ? row * t->cols + col : col * t->rows + row;
    }
}

#endif
