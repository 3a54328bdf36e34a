/* Products of bf16 by AMX. The other types, and products that are too small, go to AVX-512.
 *
 * The tile instruction multiplies pairs of rows of right whose numbers alternate. Memory has row after row:
 *
 *     right, 32 rows x 16 columns in NZ     a tile that the instruction wants
 *     line p      a0 a1 ... a15 b0 ... b15  row p   a0 b0 a1 b1 ... a15 b15     a, b: rows 2p and 2p + 1
 *
 * With many rows of left, registers bring lines into that order, once for WIDE_ROWS rows. With few rows of left, lines
 * are multiplied as they lie in memory. The instruction then pairs two columns of one row, and left has a zero in the
 * place of one of them. A product by AMX has 16 times the speed of one by AVX-512, so that zeros cost less than
 * permutations. The even and the odd columns have factors of their own:
 *
 *     left                    right, a line of one row          sums
 *     x 0                     c0 c1 c2 c3 ...                   x * c0, x * c2, ...   even columns
 *     0 x                                                       x * c1, x * c3, ...   odd columns
 *
 * In NZ a line has two rows of right, 2p and 2p + 1. Left then has two rows for each of its own. One has the factors of
 * even rows: its sums count in the lower half. The other has those of odd rows: its sums count in the upper half. */
#include <assert.h>
#include <immintrin.h>
#include <stdalign.h>
#include <stdbool.h>
#include <string.h>

#include <tilegraph/tile.h>

#include "machine/cpu/amx.h"
#include "machine/cpu/product.h"

enum {
    BLOCK = 16,        /* columns of a block of sums */
    LINE = 64,         /* bytes of a row of a tile */
    LEFT_WORDS = 4096, /* of 4 bytes: left in tiles */
    WIDE_ROWS = 64,    /* of left, multiplied by tiles of right that were made once */
    WIDE_STEP = 32,    /* rows of right in a tile */
    WIDE_STEPS = 4,    /* tiles of a column block that left is made for at a time */
    N_RIGHT = 4        /* tiles of right in memory: one is written while others are read */
};

static inline __mmask16 first16(uint32_t n) { return (__mmask16)(n < 16 ? (1u << n) - 1 : 0xFFFF); }
static inline __mmask32 first32(uint32_t n) { return n < 32 ? (1u << n) - 1 : UINT32_MAX; }
static inline uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* ---- few rows of left: lines of right as they lie ---------------------------------------------------------------- */

/* Tiles by number. */
enum { EVEN_LOW, ODD_LOW, EVEN_HIGH, ODD_HIGH, LEFT_EVEN, LEFT_ODD, RIGHT_LOW, RIGHT_HIGH };

/* A place in the reduction. */
struct place {
    uint32_t piece, row; /* of right; row in its piece */
    uint32_t k;          /* column of left */
};

struct lying {
    const struct tg_product *product;
    struct tg_stream *stream;
    bool in_nz;
    size_t row_bytes, column_bytes;          /* of right, to the next row, and the next column of tiles */
    uint32_t width;                          /* columns of right in a tile: 16 in NZ, else 32 */
    uint32_t lines;                          /* of a tile: 8 or 16 */
    uint32_t step_rows;                      /* rows of right in a tile */
    uint32_t left_rows;                      /* that make the even columns, and as many make the odd ones */
    uint32_t half_words;                     /* of these rows in left's tiles */
    bool in_one;                             /* one tile of left has both, and one tile of sums */
    alignas(LINE) uint32_t left[LEFT_WORDS]; /* [step][even, odd][row][line] */
    alignas(LINE) float sums[4][16][BLOCK];  /* by number of tile */
    alignas(LINE) uint8_t padded[2][16][LINE];
};

/* Rows of right from `at` on that a tile takes. */
static inline uint32_t rows_at(const struct lying *p, const struct place *at)
{
    const uint32_t in_piece = least(p->product->piece_rows - at->row, p->product->k - at->k);
    return least(p->step_rows, in_piece);
}

static inline void advance(const struct lying *p, struct place *at, uint32_t n_rows)
{
    at->k += n_rows;
    at->row += n_rows;
    if (at->row < p->product->piece_rows) return;
    at->row = 0;
    at->piece++;
}

/* A bf16 is the high half of an fp32; left's numbers have zeros in the low half, which is the first of a pair. */
static inline void put_factors(const struct lying *p, uint32_t *even, uint32_t row, __m512i factors)
{
    const __mmask16 mask = first16(p->lines);
    _mm512_mask_storeu_epi32(even + row * p->lines, mask, _mm512_srli_epi32(factors, 16));
    _mm512_mask_storeu_epi32(even + p->half_words + row * p->lines, mask, factors);
}

/* Left for the steps from `at` on, as many as there is room for. Returns their number. */
static uint32_t pack_factors(struct lying *p, struct place at)
{
    const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odds = _mm512_add_epi32(evens, _mm512_set1_epi32(1));
    const uint32_t m = p->product->m;
    uint32_t n_steps = 0, *to = p->left;
    for (; at.k < p->product->k && to + 2 * p->half_words <= p->left + LEFT_WORDS; n_steps++) {
        const uint32_t n_rows = rows_at(p, &at);
        const uint32_t n_high = n_rows > 16 ? n_rows - 16 : 0;
        for (uint32_t row = 0; row < m; row++) {
            const float *from = p->product->left + row * p->product->left_ld + at.k;
            const __m512i low = _mm512_maskz_loadu_epi32(first16(n_rows), from);
            if (!p->in_nz) {
                put_factors(p, to, row, low);
                continue;
            }
            const __m512i high = _mm512_maskz_loadu_epi32(first16(n_high), from + 16);
            put_factors(p, to, row, _mm512_permutex2var_epi32(low, evens, high));
            put_factors(p, to, m + row, _mm512_permutex2var_epi32(low, odds, high));
        }
        to += 2 * p->half_words;
        advance(p, &at, n_rows);
    }
    return n_steps;
}

/* A tile of right that has fewer rows or columns, with zeros in their place. */
static const uint8_t *pad(struct lying *p, uint32_t half, const uint8_t *from, uint32_t n_rows, uint32_t n_cols)
{
    uint8_t(*to)[LINE] = p->padded[half];
    memset(to, 0, sizeof p->padded[half]);
    for (uint32_t row = 0; row < n_rows; row++, from += p->row_bytes) {
        uint8_t *line = p->in_nz ? to[row / 2] + row % 2 * 32 : to[row];
        _mm512_mask_storeu_epi16(line, first32(n_cols), _mm512_maskz_loadu_epi16(first32(n_cols), from));
    }
    return *to;
}

/* Where the tile at the place begins in memory. */
static inline const uint8_t *tile_from(const struct lying *p, uint32_t column, const struct place *at)
{
    const struct tg_product *product = p->product;
    const uint8_t *piece = product->blocks_apart ? product->right[column]
                                                 : product->right[at->piece] + column * p->column_bytes;
    return piece + at->row * p->row_bytes;
}

/* The tile at the place, or a padded copy, and the bytes from line to line. */
static inline const uint8_t *tile_at(struct lying *p, uint32_t half, uint32_t column, const struct place *at,
                                     uint32_t n_rows, size_t *stride)
{
    const uint8_t *from = tile_from(p, column, at);
    const uint32_t n_cols = least(p->width, p->product->n - column * p->width);
    *stride = p->in_nz ? LINE : p->row_bytes;
    if (n_rows == p->step_rows && n_cols == p->width) return from;
    *stride = LINE;
    return pad(p, half, from, n_rows, n_cols);
}

/* Numbers of even and odd columns in turn: 16 of the lower halves, or of the upper ones. */
static inline __m512 zip(const float *even, const float *odd, bool upper)
{
    const __m512i places = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return _mm512_permutex2var_ps(_mm512_load_ps(even), _mm512_add_epi32(places, _mm512_set1_epi32(upper ? 8 : 0)),
                                  _mm512_load_ps(odd));
}

/* The sum of a row and of a block of the column; in_nz, both rows of left count. */
static inline __m512 sum_of(const struct lying *p, uint32_t half, uint32_t row, uint32_t block)
{
    const float(*even)[BLOCK] = p->sums[half ? EVEN_HIGH : EVEN_LOW];
    const float(*odd)[BLOCK] = p->in_one ? even + p->left_rows : p->sums[half ? ODD_HIGH : ODD_LOW];
    const __m512 sum = zip(even[row], odd[row], block > 0);
    if (!p->in_nz) return sum;
    row += p->product->m;
    return _mm512_add_ps(sum, zip(even[row], odd[row], true));
}

/* Add sums of a column of tiles to the product's. false: one is no number, and nothing was added. An infinity of right
 * has met a zero of left's tiles then, or the numbers are so. */
static bool add_sums(const struct lying *p, uint32_t half, uint32_t column, bool fresh)
{
    const struct tg_product *product = p->product;
    const uint32_t n_cols = least(p->width, product->n - column * p->width);
    const uint32_t n_blocks = (n_cols + BLOCK - 1) / BLOCK;
    float *to = product->sum + column * (p->width / BLOCK) * product->block_ld;
    __mmask16 broken = 0;
    for (uint32_t i = 0; i < n_blocks * product->m; i++) {
        const __m512 sum = sum_of(p, half, i % product->m, i / product->m);
        const __mmask16 counts = first16(n_cols - i / product->m * BLOCK);
        broken |= _mm512_mask_cmp_ps_mask(counts, sum, sum, _CMP_UNORD_Q);
    }
    if (broken) return false;
    for (uint32_t block = 0; block < n_blocks; block++, to += product->block_ld)
        for (uint32_t row = 0; row < product->m; row++) {
            __m512 sum = sum_of(p, half, row, block);
            if (!fresh) sum = _mm512_add_ps(sum, _mm512_loadu_ps(to + row * BLOCK));
            _mm512_storeu_ps(to + row * BLOCK, sum);
        }
    return true;
}

/* Sums of the column for the steps from `at` on, without zeros in left. */
static void multiply_again(const struct lying *p, uint32_t column, struct place at, uint32_t n_steps, bool fresh)
{
    const uint8_t *from;
    struct tg_product part = *p->product;
    part.right = &from;
    part.next = NULL;
    part.blocks_apart = false;
    part.sum += column * (p->width / BLOCK) * part.block_ld;
    part.n = least(p->width, part.n - column * p->width);
    for (uint32_t step = 0; step < n_steps; step++) {
        from = tile_from(p, column, &at);
        part.left = p->product->left + at.k;
        part.k = part.piece_rows = rows_at(p, &at);
        part.fresh = fresh && step == 0;
        tg_product_avx512(&part, NULL);
        advance(p, &at, part.k);
    }
}

/* One column of tiles or two, from `at` on. */
static void multiply_columns(struct lying *p, uint32_t column, bool both, struct place at, uint32_t n_steps)
{
    const uint32_t *left = p->left;
    const size_t left_stride = p->lines * sizeof *left;
    tg_amx_zero(EVEN_LOW);
    tg_amx_zero(ODD_LOW);
    tg_amx_zero(EVEN_HIGH);
    tg_amx_zero(ODD_HIGH);
    for (uint32_t step = 0; step < n_steps; step++, left += 2 * p->half_words) {
        const uint32_t n_rows = rows_at(p, &at);
        size_t stride;
        const uint8_t *right = tile_at(p, 0, column, &at, n_rows, &stride);
        tg_amx_load(LEFT_EVEN, left, left_stride);
        if (!p->in_one) tg_amx_load(LEFT_ODD, left + p->half_words, left_stride);
        tg_amx_load(RIGHT_LOW, right, stride);
        tg_amx_add_products(EVEN_LOW, LEFT_EVEN, RIGHT_LOW);
        if (!p->in_one) tg_amx_add_products(ODD_LOW, LEFT_ODD, RIGHT_LOW);
        if (both) {
            right = tile_at(p, 1, column + 1, &at, n_rows, &stride);
            tg_amx_load(RIGHT_HIGH, right, stride);
            tg_amx_add_products(EVEN_HIGH, LEFT_EVEN, RIGHT_HIGH);
            if (!p->in_one) tg_amx_add_products(ODD_HIGH, LEFT_ODD, RIGHT_HIGH);
        }
        const uint32_t n_lines = p->in_nz ? (n_rows + 1) / 2 : n_rows;
        if (p->stream) tg_stream_used(p->stream, both ? 2 * n_lines : n_lines);
        advance(p, &at, n_rows);
    }
    tg_amx_store(EVEN_LOW, p->sums[EVEN_LOW], LINE);
    if (both) tg_amx_store(EVEN_HIGH, p->sums[EVEN_HIGH], LINE);
    if (p->in_one) return;
    tg_amx_store(ODD_LOW, p->sums[ODD_LOW], LINE);
    if (both) tg_amx_store(ODD_HIGH, p->sums[ODD_HIGH], LINE);
}

static void configure(uint32_t left_rows, uint32_t lines)
{
    struct tg_amx_config config = {.palette = 1};
    for (uint32_t tile = 0; tile < TG_AMX_TILES; tile++) {
        const bool is_right = tile == RIGHT_LOW || tile == RIGHT_HIGH, is_left = tile == LEFT_EVEN || tile == LEFT_ODD;
        config.rows[tile] = (uint8_t)(is_right ? lines : left_rows);
        config.row_bytes[tile] = (uint16_t)(is_left ? 4 * lines : LINE);
    }
    tg_amx_configure(&config);
}

static void multiply_lying(const struct tg_product *product, struct tg_stream *stream, bool in_nz)
{
    struct lying p;
    p.product = product;
    p.stream = stream;
    p.in_nz = in_nz;
    p.row_bytes = product->right_ld * sizeof(uint16_t);
    p.width = in_nz ? BLOCK : 2 * BLOCK;
    p.column_bytes = in_nz ? product->panel_ld * sizeof(uint16_t) : LINE;
    p.lines = product->piece_rows <= (in_nz ? 16 : 8) ? 8 : 16;
    p.step_rows = in_nz ? 2 * p.lines : p.lines;
    p.left_rows = in_nz ? 2 * product->m : product->m;
    p.half_words = p.left_rows * p.lines;
    p.in_one = 2 * p.left_rows <= TG_AMX_ROWS;
    const uint32_t n_columns = (product->n + p.width - 1) / p.width;
    bool fresh = product->fresh;
    configure(p.in_one ? 2 * p.left_rows : p.left_rows, p.lines);
    for (struct place at = {0}; at.k < product->k;) {
        const uint32_t n_steps = pack_factors(&p, at);
        for (uint32_t column = 0; column < n_columns; column += 2) {
            const bool both = column + 1 < n_columns;
            multiply_columns(&p, column, both, at, n_steps);
            if (!add_sums(&p, 0, column, fresh)) multiply_again(&p, column, at, n_steps, fresh);
            if (both && !add_sums(&p, 1, column + 1, fresh)) multiply_again(&p, column + 1, at, n_steps, fresh);
        }
        for (uint32_t step = 0; step < n_steps; step++) advance(&p, &at, rows_at(&p, &at));
        fresh = false;
    }
    tg_amx_release();
}

/* ---- many rows of left: lines of right in the instruction's order -------------------------------------------- */

enum { SUM_0, SUM_1, SUM_2, SUM_3, LEFT, RIGHT };

struct wide {
    const struct tg_product *product;
    struct tg_stream *stream; /* NULL: no reports */
    const float *left;        /* at the first row and the panel's first column */
    size_t row_bytes, block_bytes;
    uint32_t m, n_groups; /* rows of left; groups of 16 of them */
    uint32_t k, n_rows;   /* the panel's first row of right, and its rows */
    alignas(LINE) uint16_t left_tiles[WIDE_STEPS][WIDE_ROWS][WIDE_STEP];
    alignas(LINE) uint16_t right_tiles[N_RIGHT][16][2 * BLOCK];
    alignas(LINE) float rest[16][BLOCK]; /* sums of the last group, if it has fewer than 16 rows */
};

/* A bf16 is the high half of an fp32; left's numbers have zeros in the low half. */
static inline __m256i bf16_of(const float *from, __mmask16 mask)
{
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_maskz_loadu_epi32(mask, from), 16));
}

static void pack_left(struct wide *p)
{
    for (uint32_t row = 0; row < 16 * p->n_groups; row++) {
        const float *from = p->left + row * p->product->left_ld;
        for (uint32_t k = 0, step = 0; k < p->n_rows; k += WIDE_STEP, step++) {
            const __mmask32 mask = row < p->m ? first32(p->n_rows - k) : 0;
            __m256i *to = (__m256i *)(void *)p->left_tiles[step][row];
            _mm256_store_si256(to, bf16_of(from + k, (__mmask16)mask));
            _mm256_store_si256(to + 1, bf16_of(from + k + 16, (__mmask16)(mask >> 16)));
        }
    }
}

/* Where row k of right has the columns of the block. */
static inline const uint8_t *row_at(const struct wide *p, uint32_t k, uint32_t block)
{
    const struct tg_product *product = p->product;
    const uint8_t *piece = product->blocks_apart ? product->right[block]
                                                 : product->right[k / product->piece_rows] + block * p->block_bytes;
    return piece + k % product->piece_rows * p->row_bytes;
}

static inline __m512i pair_up(__m256i even, __m256i odd)
{
    static const uint16_t place[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                       8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_permutexvar_epi16(_mm512_loadu_si512(place),
                                    _mm512_inserti64x4(_mm512_castsi256_si512(even), odd, 1));
}

/* Tile number `idx` of the panel: WIDE_STEP rows of a block. Missing rows and columns are zero. */
static void make_right(struct wide *p, uint32_t idx, uint32_t n_steps)
{
    const uint32_t block = idx / n_steps, k = p->k + idx % n_steps * WIDE_STEP;
    const uint32_t n_rows = least(WIDE_STEP, p->k + p->n_rows - k);
    const __mmask16 mask = first16(p->product->n - block * BLOCK);
    const uint8_t *from = row_at(p, k, block);
    uint16_t(*to)[2 * BLOCK] = p->right_tiles[idx % N_RIGHT];
    const bool in_one_piece = k % p->product->piece_rows + n_rows <= p->product->piece_rows;
    for (uint32_t row = 0; row < WIDE_STEP; row += 2, to++) {
        if (!in_one_piece && row < n_rows) from = row_at(p, k + row, block);
        const uint8_t *second = in_one_piece || row + 1 >= n_rows ? from + p->row_bytes : row_at(p, k + row + 1, block);
        const __m256i even = _mm256_maskz_loadu_epi16(row < n_rows ? mask : 0, from);
        const __m256i odd = _mm256_maskz_loadu_epi16(row + 1 < n_rows ? mask : 0, second);
        _mm512_store_si512(*to, pair_up(even, odd));
        from += 2 * p->row_bytes;
    }
    if (p->stream) tg_stream_used(p->stream, (n_rows + 1) / 2);
}

/* Sums of the groups, from memory or zeros. A group of fewer than 16 rows has its sums in `rest`. */
static void load_sums(struct wide *p, float *const *sums, bool fresh)
{
    tg_amx_zero(SUM_0);
    tg_amx_zero(SUM_1);
    tg_amx_zero(SUM_2);
    tg_amx_zero(SUM_3);
    if (fresh) return;
    tg_amx_load(SUM_0, sums[0], LINE);
    if (p->n_groups > 1) tg_amx_load(SUM_1, sums[1], LINE);
    if (p->n_groups > 2) tg_amx_load(SUM_2, sums[2], LINE);
    if (p->n_groups > 3) tg_amx_load(SUM_3, sums[3], LINE);
}

static void store_sums(struct wide *p, float *const *sums)
{
    tg_amx_store(SUM_0, sums[0], LINE);
    if (p->n_groups > 1) tg_amx_store(SUM_1, sums[1], LINE);
    if (p->n_groups > 2) tg_amx_store(SUM_2, sums[2], LINE);
    if (p->n_groups > 3) tg_amx_store(SUM_3, sums[3], LINE);
}

static void multiply_tile(const struct wide *p, uint32_t idx, uint32_t step)
{
    const uint16_t(*left)[WIDE_STEP] = p->left_tiles[step];
    tg_amx_load(RIGHT, p->right_tiles[idx % N_RIGHT], LINE);
    tg_amx_load(LEFT, left, LINE);
    tg_amx_add_products(SUM_0, LEFT, RIGHT);
    if (p->n_groups == 1) return;
    tg_amx_load(LEFT, left + 16, LINE);
    tg_amx_add_products(SUM_1, LEFT, RIGHT);
    if (p->n_groups == 2) return;
    tg_amx_load(LEFT, left + 32, LINE);
    tg_amx_add_products(SUM_2, LEFT, RIGHT);
    if (p->n_groups == 3) return;
    tg_amx_load(LEFT, left + 48, LINE);
    tg_amx_add_products(SUM_3, LEFT, RIGHT);
}

/* All columns, for the panel's rows of right. A tile of right is made while the one before it is multiplied. */
static void multiply_panel(struct wide *p, float *sum, bool fresh)
{
    const uint32_t n_steps = (p->n_rows + WIDE_STEP - 1) / WIDE_STEP;
    const uint32_t n_tiles = (p->product->n + BLOCK - 1) / BLOCK * n_steps;
    const uint32_t n_full = p->m / 16, n_rest = p->m % 16;
    pack_left(p);
    make_right(p, 0, n_steps);
    for (uint32_t idx = 0; idx < n_tiles; sum += p->product->block_ld) {
        float *sums[4];
        for (uint32_t group = 0; group < 4; group++) sums[group] = group < n_full ? sum + group * 16 * BLOCK : *p->rest;
        if (n_rest > 0 && !fresh) memcpy(p->rest, sum + n_full * 16 * BLOCK, n_rest * sizeof p->rest[0]);
        load_sums(p, sums, fresh);
        for (uint32_t step = 0; step < n_steps; step++, idx++) {
            if (idx + 1 < n_tiles) make_right(p, idx + 1, n_steps);
            multiply_tile(p, idx, step);
        }
        store_sums(p, sums);
        if (n_rest > 0) memcpy(sum + n_full * 16 * BLOCK, p->rest, n_rest * sizeof p->rest[0]);
    }
}

static void multiply_wide(const struct tg_product *product, struct tg_stream *stream)
{
    struct wide p;
    p.product = product;
    p.row_bytes = product->right_ld * sizeof(uint16_t);
    p.block_bytes = product->panel_ld * sizeof(uint16_t);
    p.stream = stream;
    memset(p.rest, 0, sizeof p.rest);
    configure(16, 16);
    for (uint32_t row = 0; row < product->m; row += WIDE_ROWS) {
        p.m = least(WIDE_ROWS, product->m - row);
        p.n_groups = (p.m + 15) / 16;
        for (p.k = 0; p.k < product->k; p.k += p.n_rows) {
            p.n_rows = least(WIDE_STEPS * WIDE_STEP, product->k - p.k);
            p.left = product->left + row * product->left_ld + p.k;
            multiply_panel(&p, product->sum + row * BLOCK, product->fresh && p.k == 0);
        }
        p.stream = NULL; /* the first rows have read all of right */
    }
    tg_amx_release();
}

/* ---- which ------------------------------------------------------------------------------------------------------- */

/* Is AVX-512 faster? It reads contiguous rows for one or two rows of left at the speed of L2. */
static inline bool is_small(const struct tg_product *product, bool in_nz)
{
    const uint64_t n_lines = (uint64_t)product->k * product->n / (LINE / sizeof(uint16_t));
    return n_lines < TG_AMX_LINES_LEAST || (!in_nz && product->m < TG_AMX_ROWS_LEAST);
}

void tg_product_amx(const struct tg_product *product, struct tg_stream *stream)
{
    const bool in_nz = product->right_ld == BLOCK, in_rows = product->panel_ld == BLOCK;
    if (product->dtype != TG_BF16 || (!in_nz && !in_rows) || is_small(product, in_nz))
        tg_product_avx512(product, stream);
    else if (product->m <= (in_nz ? 8 : 16)) multiply_lying(product, stream, in_nz);
    else multiply_wide(product, stream);
}
