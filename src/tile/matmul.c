/* TMATMUL: Acc [m][n] = Left [m][k] x Right [k][n], accumulated in fp32 in the order of k. */
#include <string.h>

#include "tile/execute.h"
#include "tile/number.h"

enum { ROWS_AT_ONCE = 4, COLS_MAX = TG_L0B_BYTES / 2 / 16 };

static float number_at(const uint8_t *tile, uint32_t dtype, size_t at)
{
    uint16_t half;
    float value;
    if (dtype == TG_FP32) {
        memcpy(&value, tile + at * 4, 4);
        return value;
    }
    memcpy(&half, tile + at * 2, 2);
    return dtype == TG_BF16 ? tg_f32_of_bf16(half) : tg_f32_of_f16(half);
}

/* Left as row-major fp32 [m][k]. */
static void unpack_left(float *to, const uint8_t *tile, const struct tg_tile *t)
{
    uint32_t width = tg_fractal_cols(t->dtype);
    for (uint32_t row = 0; row < t->valid_rows; row++)
        for (uint32_t col = 0; col < t->valid_cols; col++)
            *to++ = number_at(tile, t->dtype, tg_at_zz(t->cols, width, row, col));
}

/* Right as row-major fp32 [k][t->cols]. */
static void unpack_right(float *to, const uint8_t *tile, const struct tg_tile *t)
{
    uint32_t width = tg_fractal_cols(t->dtype);
    for (uint32_t row = 0; row < t->valid_rows; row++)
        for (uint32_t col = 0; col < t->cols; col++)
            *to++ = number_at(tile, t->dtype, tg_at_zn(t->cols, width, row, col));
}

/* Add rows [row, row + n_rows) of the product to sum[n_rows][n]. */
static void multiply(float sum[ROWS_AT_ONCE][COLS_MAX], uint32_t n_rows, const float *left, const float *right,
                     uint32_t k, uint32_t n)
{
    for (uint32_t i = 0; i < n_rows; i++) {
        float *restrict row = sum[i];
        for (uint32_t j = 0; j < k; j++) {
            const float factor = left[(size_t)i * k + j];
            const float *restrict from = right + (size_t)j * n;
            for (uint32_t col = 0; col < n; col++) row[col] += factor * from[col];
        }
    }
}

void tg_execute_matmul(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *acc = instr->dst, *left = instr->a, *right = instr->b;
    uint32_t m = left->valid_rows, k = left->valid_cols, n = right->cols;
    float *left_rows = buffers->scratch, *right_rows = left_rows + (size_t)m * k;
    unpack_left(left_rows, tg_tile_at(buffers, left), left);
    unpack_right(right_rows, tg_tile_at(buffers, right), right);

    float *out = (float *)(void *)tg_tile_at(buffers, acc);
    float sum[ROWS_AT_ONCE][COLS_MAX];
    for (uint32_t row = 0; row < m; row += ROWS_AT_ONCE) {
        uint32_t n_rows = m - row < ROWS_AT_ONCE ? m - row : ROWS_AT_ONCE;
        for (uint32_t i = 0; i < n_rows; i++)
            for (uint32_t col = 0; col < n; col++)
                sum[i][col] = instr->op == TG_OP_TMATMUL_ACC && col < acc->cols
                                  ? out[tg_at_nz(acc->rows, 16, row + i, col)]
                                  : 0;
        multiply(sum, n_rows, left_rows + (size_t)row * k, right_rows, k, n);
        for (uint32_t i = 0; i < n_rows; i++)
            for (uint32_t col = 0; col < n && col < acc->cols; col++)
                out[tg_at_nz(acc->rows, 16, row + i, col)] = sum[i][col];
    }
}
