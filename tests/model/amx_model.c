#include "model/amx_model.h"

#include <math.h>
#include <string.h>

#include "common/check.h"

#define tg_product_amx tg_product_amx_model
#include "machine/cpu/product_amx.c"

#define FAULT_UNLESS(condition) mock_assert(condition, #condition, __FILE__, __LINE__)

/* A tile without rows is not configured. Bytes outside its rows and columns are zero. */
static struct tile {
    uint32_t rows, row_bytes;
    uint8_t at[TG_AMX_ROWS][TG_AMX_ROW_BYTES];
} tiles[TG_AMX_TILES];

void tg_amx_configure(const struct tg_amx_config *config)
{
    FAULT_UNLESS(config->palette == 1);
    for (size_t i = 0; i < sizeof config->reserved; i++) FAULT_UNLESS(config->reserved[i] == 0);
    for (int i = 0; i < 16; i++) {
        FAULT_UNLESS(config->rows[i] <= (i < TG_AMX_TILES ? TG_AMX_ROWS : 0));
        FAULT_UNLESS(config->row_bytes[i] <= (i < TG_AMX_TILES ? TG_AMX_ROW_BYTES : 0));
        FAULT_UNLESS((config->rows[i] == 0) == (config->row_bytes[i] == 0));
    }
    memset(tiles, 0, sizeof tiles);
    for (int i = 0; i < TG_AMX_TILES; i++) {
        tiles[i].rows = config->rows[i];
        tiles[i].row_bytes = config->row_bytes[i];
    }
}

void tg_amx_release(void) { memset(tiles, 0, sizeof tiles); }

static struct tile *configured(int tile)
{
    FAULT_UNLESS(tile >= 0 && tile < TG_AMX_TILES);
    FAULT_UNLESS(tiles[tile].rows > 0);
    return &tiles[tile];
}

void tg_amx_zero(int tile)
{
    struct tile *t = configured(tile);
    memset(t->at, 0, sizeof t->at);
}

void tg_amx_load(int tile, const void *from, size_t stride)
{
    struct tile *t = configured(tile);
    memset(t->at, 0, sizeof t->at);
    for (uint32_t row = 0; row < t->rows; row++) memcpy(t->at[row], (const uint8_t *)from + row * stride, t->row_bytes);
}

void tg_amx_store(int tile, void *to, size_t stride)
{
    const struct tile *t = configured(tile);
    for (uint32_t row = 0; row < t->rows; row++) memcpy((uint8_t *)to + row * stride, t->at[row], t->row_bytes);
}

/* Neither operand nor result is between zero and the smallest normal number. */
static float flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }

static float fp32_at(const struct tile *t, uint32_t row, uint32_t col)
{
    float value;
    memcpy(&value, t->at[row] + col * sizeof value, sizeof value);
    return flushed(value);
}

static float bf16_at(const struct tile *t, uint32_t row, uint32_t col)
{
    uint16_t half;
    memcpy(&half, t->at[row] + col * sizeof half, sizeof half);
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return flushed(value);
}

/* The first numbers of all pairs and the second ones have sums of their own, which come together at the end. */
static float element(const struct tile *sum, const struct tile *left, const struct tile *right, uint32_t row,
                     uint32_t col)
{
    float first_of = 0, second_of = 0;
    for (uint32_t pair = 0; pair < right->rows; pair++) {
        first_of = flushed(fmaf(bf16_at(left, row, 2 * pair), bf16_at(right, pair, 2 * col), first_of));
        second_of = flushed(fmaf(bf16_at(left, row, 2 * pair + 1), bf16_at(right, pair, 2 * col + 1), second_of));
    }
    return flushed(fp32_at(sum, row, col) + flushed(first_of + second_of));
}

void tg_amx_add_products(int into, int left, int right)
{
    struct tile *sum = configured(into);
    const struct tile *a = configured(left), *b = configured(right);
    FAULT_UNLESS(into != left && into != right && left != right);
    FAULT_UNLESS(sum->row_bytes % 4 == 0 && a->row_bytes % 4 == 0 && b->row_bytes % 4 == 0);
    FAULT_UNLESS(sum->rows == a->rows && sum->row_bytes == b->row_bytes && a->row_bytes / 4 == b->rows);
    for (uint32_t row = 0; row < sum->rows; row++)
        for (uint32_t col = 0; col < sum->row_bytes / 4; col++) {
            const float value = element(sum, a, b, row, col);
            memcpy(sum->at[row] + col * sizeof value, &value, sizeof value);
        }
}
