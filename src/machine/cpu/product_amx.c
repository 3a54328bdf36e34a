/* Products of bf16 by AMX. Small products, and the other types, go to AVX-512.
 *
 * The tile instruction multiplies pairs of rows of right whose numbers alternate. Registers bring them into that order,
 * on the way from device memory to a scratch that stays in L1:
 *
 *     right, 32 rows x 16 columns           a tile, 16 pairs x 16 columns
 *     row 2p      a0  a1  a2  a3  ...       row p   a0  b0  a1  b1  ...  a15 b15
 *     row 2p + 1  b0  b1  b2  b3  ...
 *
 * Missing rows and columns of right are zero there. Blocks of sums are tiles in their memory layout. */
#include <assert.h>
#include <immintrin.h>
#include <stdalign.h>
#include <stdbool.h>

#include <tilegraph/tile.h>

#include "machine/cpu/amx.h"
#include "machine/cpu/product.h"

enum {
    STEP = 32,        /* rows of right, and columns, that are multiplied at once; 32 bf16 are a line */
    PAIRS = STEP / 2, /* rows of a tile of right */
    BLOCK = 16,       /* columns of a block of sums */
    DEEP_STEPS = 2,   /* steps of a panel whose many sums are loaded and stored each time */
    PART_ROWS = 128,  /* of left, at most */
    TELL_PAIRS = 2    /* pairs read between two reports to the stream */
};

/* Tiles by number. */
enum { SUM_LOW, SUM_HIGH, LEFT, RIGHT_LOW, RIGHT_HIGH, N_TILES };

/* A few rows of right, and their operands. */
struct panel {
    const struct tg_product *product;
    struct tg_stream *stream; /* NULL: no reports */
    const float *left;        /* at the panel's first column */
    const uint8_t *right;
    size_t row_bytes, block_bytes; /* from row to row, from block to block of 16 columns */
    uint32_t k, n_steps;
    bool fresh; /* sums begin at zero */
    alignas(64) uint16_t left_tiles[DEEP_STEPS][PART_ROWS][STEP];
    alignas(64) uint16_t right_tiles[DEEP_STEPS][2][PAIRS][2 * BLOCK];
};

/* A mask of the first n of 32. */
static inline uint32_t first(uint32_t n) { return n < 32 ? (1u << n) - 1 : UINT32_MAX; }

/* A bf16 is the high half of an fp32; left's numbers have zeros in the low half. */
static inline __m256i bf16_of(const float *from, __mmask16 mask)
{
    const __m512i bits = _mm512_castps_si512(_mm512_maskz_loadu_ps(mask, from));
    assert(_mm512_test_epi32_mask(bits, _mm512_set1_epi32(0xFFFF)) == 0);
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(bits, 16));
}

static void pack_left(struct panel *p)
{
    for (uint32_t step = 0; step < p->n_steps; step++) {
        const uint32_t mask = first(p->k - step * STEP);
        const float *from = p->left + step * STEP;
        for (uint32_t row = 0; row < p->product->m; row++, from += p->product->left_ld) {
            __m256i *to = (__m256i *)(void *)p->left_tiles[step][row];
            _mm256_store_si256(to, bf16_of(from, (__mmask16)mask));
            _mm256_store_si256(to + 1, bf16_of(from + STEP / 2, (__mmask16)(mask >> 16)));
        }
    }
}

static inline __m256i row_of(const uint8_t *from, bool exists, __mmask16 mask)
{
    return exists ? _mm256_maskz_loadu_epi16(mask, from) : _mm256_setzero_si256();
}

/* One step of a block of 16 columns, those in the mask. A permutation for two rows. */
static void interleave(struct panel *p, uint32_t step, uint32_t half, const uint8_t *column, __mmask16 mask)
{
    static const uint16_t place[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                       8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i alternating = _mm512_loadu_si512(place);
    const uint32_t n_rows = p->k - step * STEP;
    const size_t row_bytes = p->row_bytes;
    struct tg_stream *const stream = p->stream;
    const uint8_t *from = column + step * STEP * row_bytes;
    for (uint32_t pair = 0; pair < PAIRS; pair++, from += 2 * row_bytes) {
        const __m256i even = row_of(from, 2 * pair < n_rows, mask);
        const __m256i odd = row_of(from + row_bytes, 2 * pair + 1 < n_rows, mask);
        const __m512i rows = _mm512_inserti64x4(_mm512_castsi256_si512(even), odd, 1);
        _mm512_store_si512(p->right_tiles[step][half][pair], _mm512_permutexvar_epi16(alternating, rows));
        if (!stream || pair % TELL_PAIRS != 0 || 2 * pair >= n_rows) continue;
        const uint32_t n_told = n_rows - 2 * pair < 2 * TELL_PAIRS ? n_rows - 2 * pair : 2 * TELL_PAIRS;
        tg_stream_used(stream, (n_told + 1) / 2);
    }
}

/* Sixteen rows of sums, or the configured number of rows, of one block or of two. */
static void multiply_rows(const struct panel *p, uint32_t row, float *sum, bool both)
{
    float *low = sum + row * BLOCK, *high = low + p->product->block_ld;
    if (p->fresh) {
        tg_amx_zero(SUM_LOW);
        tg_amx_zero(SUM_HIGH);
    } else {
        tg_amx_load(SUM_LOW, low, TG_AMX_ROW_BYTES);
        if (both) tg_amx_load(SUM_HIGH, high, TG_AMX_ROW_BYTES);
    }
    for (uint32_t step = 0; step < p->n_steps; step++) {
        tg_amx_load(LEFT, p->left_tiles[step][row], TG_AMX_ROW_BYTES);
        tg_amx_load(RIGHT_LOW, p->right_tiles[step][0], TG_AMX_ROW_BYTES);
        tg_amx_add_products(SUM_LOW, LEFT, RIGHT_LOW);
        if (!both) continue;
        tg_amx_load(RIGHT_HIGH, p->right_tiles[step][1], TG_AMX_ROW_BYTES);
        tg_amx_add_products(SUM_HIGH, LEFT, RIGHT_HIGH);
    }
    tg_amx_store(SUM_LOW, low, TG_AMX_ROW_BYTES);
    if (both) tg_amx_store(SUM_HIGH, high, TG_AMX_ROW_BYTES);
}

static void multiply_panel(struct panel *p)
{
    const struct tg_product *product = p->product;
    pack_left(p);
    for (uint32_t col = 0; col < product->n; col += STEP) {
        const uint32_t mask = first(product->n - col);
        const uint8_t *column = p->right + col / BLOCK * p->block_bytes;
        for (uint32_t step = 0; step < p->n_steps; step++) interleave(p, step, 0, column, (__mmask16)mask);
        for (uint32_t step = 0; mask >> BLOCK && step < p->n_steps; step++)
            interleave(p, step, 1, column + p->block_bytes, (__mmask16)(mask >> BLOCK));
        for (uint32_t row = 0; row < product->m; row += TG_AMX_ROWS)
            multiply_rows(p, row, product->sum + col / BLOCK * product->block_ld, mask >> BLOCK);
    }
}

/* Tiles of left and of sums have this many rows. */
static void configure(uint32_t rows)
{
    struct tg_amx_config config = {.palette = 1};
    for (uint32_t tile = 0; tile < N_TILES; tile++) {
        config.rows[tile] = (uint8_t)(tile < RIGHT_LOW ? rows : PAIRS);
        config.row_bytes[tile] = TG_AMX_ROW_BYTES;
    }
    tg_amx_configure(&config);
}

/* A part of up to 16 rows, or of a multiple of 16, and one piece of right. A signal may end a kernel midway and leave
 * tiles configured, or make the system discard them. So each call configures the tiles itself. */
static void multiply_piece(const struct tg_product *product, struct tg_stream *stream)
{
    const uint32_t depth = product->m > TG_AMX_ROWS ? DEEP_STEPS * STEP : STEP;
    struct panel p;
    p.product = product;
    p.stream = stream;
    p.row_bytes = product->right_ld * sizeof(uint16_t);
    p.block_bytes = product->panel_ld * sizeof(uint16_t);
    p.fresh = product->fresh;
    configure(product->m < TG_AMX_ROWS ? product->m : TG_AMX_ROWS);
    for (uint32_t k = 0; k < product->k; k += depth) {
        p.left = product->left + k;
        p.right = *product->right + k * p.row_bytes;
        p.k = product->k - k < depth ? product->k - k : depth;
        p.n_steps = (p.k + STEP - 1) / STEP;
        multiply_panel(&p);
        p.fresh = false;
    }
    tg_amx_release();
}

static void multiply(const struct tg_product *product, struct tg_stream *stream)
{
    struct tg_product piece = *product;
    for (uint32_t n_left = product->k; n_left > 0; n_left -= piece.k) {
        piece.k = n_left < product->piece_rows ? n_left : product->piece_rows;
        multiply_piece(&piece, stream);
        piece.left += piece.k;
        piece.right++;
        piece.fresh = false;
    }
}

/* Is the product cheaper with AVX-512, which takes a cycle to widen a line of right and one for each row? */
static bool is_worth_it(const struct tg_product *part)
{
    const uint64_t n_lines = (uint64_t)part->k * ((part->n + STEP - 1) / STEP);
    const uint32_t n_tiles = (part->m + TG_AMX_ROWS - 1) / TG_AMX_ROWS;
    return n_lines * (part->m + 1) > TG_AMX_CONFIGURE_CYCLES + n_lines * n_tiles * TG_AMX_LINE_CYCLES;
}

static uint32_t part_rows(uint32_t m)
{
    return m < TG_AMX_ROWS ? m : m < PART_ROWS ? m / TG_AMX_ROWS * TG_AMX_ROWS : PART_ROWS;
}

void tg_product_amx(const struct tg_product *product, struct tg_stream *stream)
{
    if (product->dtype != TG_BF16) {
        tg_product_avx512(product, stream);
        return;
    }
    if (product->blocks_apart) {
        tg_product_by_blocks(product, stream, tg_product_amx);
        return;
    }
    struct tg_product part = *product;
    for (uint32_t n_left = product->m; n_left > 0; n_left -= part.m) {
        part.m = part_rows(n_left);
        if (is_worth_it(&part)) multiply(&part, stream);
        else tg_product_avx512(&part, stream);
        part.left += part.m * part.left_ld;
        part.sum += part.m * BLOCK;
        stream = NULL; /* the first part has read all of right */
    }
}
