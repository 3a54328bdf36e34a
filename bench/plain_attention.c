#include "plain_attention.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "pa_problem.h"

static float of_bf16(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
static uint16_t to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
static float of_fp32(float value) { return value; }
static float to_fp32(float value) { return value; }

/* A matrix of a block in rows, from column blocks of 16 elements of 2 bytes. Not for loops that are timed. */
static const void *in_rows(const void *packed, uint32_t rows, uint32_t cols)
{
    static _Thread_local uint16_t all[256 * 256];
    const uint16_t *from = packed;
    for (uint32_t row = 0; row < rows; row++)
        for (uint32_t col = 0; col < cols; col++) all[row * cols + col] = from[pa_nz_at(rows, row, col)];
    return all;
}

/* One query head; K of a block is [head_dim][block_size], V [block_size][head_dim]. */
#define PLAIN(name, type, of, to)                                                                                      \
    static void name##_head(const struct attention_loop *p, const type *query, type *out, float *weights)              \
    {                                                                                                                  \
        float top = -FLT_MAX, sum = 0, total[256] = {0};                                                               \
        for (uint32_t first = 0; first < p->tokens; first += p->block_size) {                                          \
            const uint64_t block = (uint64_t)p->blocks[first / p->block_size] * p->kv_heads + p->kv_head;              \
            const void *found = p->keys + block * p->block_bytes;                                                      \
            const type *keys = p->packed ? in_rows(found, p->head_dim, p->block_size) : found;                         \
            const uint32_t n = p->tokens - first < p->block_size ? p->tokens - first : p->block_size;                  \
            float *scores = weights + first;                                                                           \
            for (uint32_t j = 0; j < n; j++) scores[j] = 0;                                                            \
            for (uint32_t d = 0; d < p->head_dim; d++)                                                                 \
                for (uint32_t j = 0; j < n; j++) scores[j] += of(query[d]) * of(keys[d * p->block_size + j]);          \
            for (uint32_t j = 0; j < n; j++) scores[j] *= p->scale;                                                    \
            for (uint32_t j = 0; j < n; j++) top = scores[j] > top ? scores[j] : top;                                  \
        }                                                                                                              \
        for (uint32_t j = 0; j < p->tokens; j++) weights[j] = expf(weights[j] - top);                                  \
        for (uint32_t j = 0; j < p->tokens; j++) sum += weights[j];                                                    \
        for (uint32_t first = 0; first < p->tokens; first += p->block_size) {                                          \
            const uint64_t block = (uint64_t)p->blocks[first / p->block_size] * p->kv_heads + p->kv_head;              \
            const void *found = p->values + block * p->block_bytes;                                                    \
            const type *values = p->packed ? in_rows(found, p->block_size, p->head_dim) : found;                       \
            const uint32_t n = p->tokens - first < p->block_size ? p->tokens - first : p->block_size;                  \
            for (uint32_t j = 0; j < n; j++)                                                                           \
                for (uint32_t d = 0; d < p->head_dim; d++)                                                             \
                    total[d] += weights[first + j] * of(values[j * p->head_dim + d]);                                  \
        }                                                                                                              \
        for (uint32_t d = 0; d < p->head_dim; d++) out[d] = to(total[d] / sum);                                        \
    }                                                                                                                  \
    void name(const struct attention_loop *p, void *out, float *scores)                                                \
    {                                                                                                                  \
        for (uint32_t row = 0; row < p->rows; row++)                                                                   \
            name##_head(p, (const type *)p->query + row * p->head_dim, (type *)out + row * p->head_dim, scores);       \
    }

PLAIN(plain_attention_bf16, uint16_t, of_bf16, to_bf16)
PLAIN(plain_attention_fp32, float, of_fp32, to_fp32)
