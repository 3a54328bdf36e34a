/* Products in the order of a2a3sim: each multiplication is rounded, and the terms of a sum are added in the order of k.
 * Slower than the other variants; the bits do not depend on the instruction set (src/tile/matmul.inc has the same
 * order). */
#include <string.h>

#include <tilegraph/tile.h>

#include "machine/cpu/product.h"
#include "tile/number.h"

enum { LANES = 16 };

static void widen(float *to, const void *from, uint32_t dtype, uint32_t n)
{
    const uint16_t *halves = from;
    if (dtype == TG_FP32) memcpy(to, from, n * sizeof *to);
    else if (dtype == TG_BF16)
        for (uint32_t i = 0; i < n; i++) to[i] = tg_f32_of_bf16(halves[i]);
    else
        for (uint32_t i = 0; i < n; i++) to[i] = tg_f32_of_f16(halves[i]);
}

static void multiply(const struct tg_product *p, struct tg_stream *stream)
{
    (void)stream; /* no prefetching */
    if (p->blocks_apart) {
        tg_product_by_blocks(p, NULL, multiply);
        return;
    }
    const size_t bytes = tg_dtype_bytes(p->dtype), row_bytes = p->right_ld * bytes;
    const uint32_t panel = 32 / (uint32_t)bytes;
    for (uint32_t col = 0; col < p->n; col += LANES) {
        const uint32_t n_cols = p->n - col < LANES ? p->n - col : LANES;
        float *block = p->sum + col / LANES * p->block_ld;
        if (p->fresh) memset(block, 0, p->m * LANES * sizeof *block);
        for (uint32_t j = 0; j < p->k; j++) {
            const uint8_t *row = p->right[j / p->piece_rows] + j % p->piece_rows * row_bytes;
            float line[LANES] = {0};
            for (uint32_t at = 0; at < n_cols; at += panel)
                widen(line + at, row + (col + at) / panel * p->panel_ld * bytes, p->dtype,
                      n_cols - at < panel ? n_cols - at : panel);
            for (uint32_t i = 0; i < p->m; i++) {
                const float factor = p->left[i * p->left_ld + j];
                for (uint32_t lane = 0; lane < LANES; lane++) block[i * LANES + lane] += factor * line[lane];
            }
        }
    }
}

const struct tg_product_variant tg_product_ordered = {"ordered", TG_ISA_PORTABLE, multiply, widen, tg_unpack_portable};
