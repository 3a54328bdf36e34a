/* product.h - products that read their right operand in place, in device memory: the cube core of `cpu`. */
#ifndef TG_MACHINE_CPU_PRODUCT_H
#define TG_MACHINE_CPU_PRODUCT_H

#include <stdbool.h>

#include "machine/cpu/stream.h"
#include "tile/isa.h"

/*
 * sum [m][n] += left [m][k] x right [k][n], or = if it is fresh
 *
 * Shapes    left [m][k] fp32, left_ld elements apart; each value is one that dtype can represent. right [k][n] of dtype
 *           (fp32, fp16, bf16), in pieces of piece_rows rows below each other; the last piece has the rest. In a piece
 *           rows are right_ld elements apart. A panel is 32 bytes of a row; panels are panel_ld elements apart: 32
 *           bytes in rows that are contiguous, a whole column block in the NZ layout. With blocks_apart, right is one
 *           piece of 2-byte elements in NZ, and each block of 16 columns has an address: small blocks of a cache.
 *           sum in blocks of 16 columns, block_ld elements apart, of rows of 16 fp32: an Acc tile's layout.
 * Writes    sum, m rows of every block that holds one of the n columns; the block's other columns get values without a
 *           meaning.
 * Reads     n elements of each row of right and nothing behind them.
 * Rounding  fp32. A multiply and an add may be fused, terms are added in any order, and numbers nearer to zero than
 *           2^-126 may become zero.
 */
struct tg_product {
    const float *left;
    const uint8_t *const *right; /* where each piece begins, or each block of columns */
    const uint8_t *const *next;  /* where as many begin that the next product reads, laid out like these, or NULL */
    float *sum;
    size_t left_ld, right_ld, panel_ld, block_ld;
    uint32_t piece_rows; /* 1 to k */
    uint32_t m, k, n, dtype;
    bool fresh; /* the old contents of sum do not count */
    bool blocks_apart;
};

/* Compute it; `stream`, which may be NULL, hears of the reads of right. Threads: any, on other sums. */
typedef void tg_product_fn(const struct tg_product *product, struct tg_stream *stream);

/* A product whose blocks are apart, block by block: for a `multiply` that takes no such product. */
void tg_product_by_blocks(const struct tg_product *product, struct tg_stream *stream, tg_product_fn *multiply);

/* to[i] = from[i] as fp32, n of them, of dtype. */
typedef void tg_widen_fn(float *to, const void *from, uint32_t dtype, uint32_t n);

/* Rows that a product cannot read where they are, and where they go. */
struct tg_unpacking {
    const uint8_t *from; /* int8 or fp8 [n_rows][n_cols]; or to_dtype, 2 bytes, transposed: [n_cols][n_rows] */
    size_t from_ld;      /* bytes from row to row, or from column to column */
    uint8_t *to;         /* of to_dtype in NZ, n_rows in a column block, whole blocks of 16 columns */
    uint32_t n_rows, n_cols;
    uint32_t from_dtype, to_dtype; /* to: fp32, fp16, bf16, which have every number of the 8-bit types */
};

/* Widen rows, or transpose them if from_dtype is to_dtype. `stream`, which may be NULL, hears of the reads. Reads only
 * the elements. */
typedef void tg_unpack_fn(const struct tg_unpacking *unpacking, struct tg_stream *stream);

/* Compiled for one instruction set. */
struct tg_product_variant {
    const char *name;
    enum tg_isa needs;
    tg_product_fn *multiply;
    tg_widen_fn *widen;
    tg_unpack_fn *unpack;
};

#define TG_PRODUCT_VARIANT(name, needs, widening)                                                                      \
    tg_product_fn tg_product_##name;                                                                                   \
    tg_widen_fn tg_widen_##widening;                                                                                   \
    tg_unpack_fn tg_unpack_##widening;
#include "machine/cpu/product_variants.inc"
#undef TG_PRODUCT_VARIANT

/* Line `idx` of product_variants.inc, slowest first; NULL beyond the last. */
const struct tg_product_variant *tg_product_variant_at(size_t idx);

/* Terms are added in the order of k, without fusing: the bits of a2a3sim, on every instruction set. */
extern const struct tg_product_variant tg_product_ordered;

/* The fastest variant that needs no more than `isa`. */
const struct tg_product_variant *tg_product_variant_for(enum tg_isa isa);

#endif
