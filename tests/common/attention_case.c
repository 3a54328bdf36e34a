#include "common/attention_case.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/check.h"
#include "common/random.h"
#include "normal.h"
#include "pa_dtype.h"

static bool is_narrow(uint32_t dtype) { return dtype == TG_INT8 || dtype == TG_FP8_E4M3 || dtype == TG_FP8_E5M2; }

static uint32_t bytes_of(uint32_t dtype)
{
    return dtype == TG_FP32 ? 4 : dtype == TG_UINT8 || is_narrow(dtype) ? 1 : 2;
}

static void *fresh(uint64_t n, size_t bytes)
{
    void *memory = calloc(n ? n : 1, bytes);
    assert_non_null(memory);
    return memory;
}

static uint32_t longest(const struct attention_case *c)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < c->n_sequences; i++)
        if ((uint32_t)c->context_lens[i] > most) most = (uint32_t)c->context_lens[i];
    return most;
}

/* n normal numbers, rounded to the type, as doubles. */
static double *draw_numbers(uint64_t stream, uint64_t n, uint32_t dtype, float deviation)
{
    float *drawn = fresh(n, sizeof *drawn);
    void *stored = fresh(n, bytes_of(dtype));
    double *numbers = fresh(n, sizeof *numbers);
    normal_draw(stream, 0, n, deviation, drawn);
    pa_store_all((enum pa_dtype)dtype, stored, 0, n, drawn);
    pa_load((enum pa_dtype)dtype, stored, 0, n, numbers);
    free(drawn);
    free(stored);
    return numbers;
}

/* The number that an 8-bit code stands for. */
static double decode(uint32_t dtype, unsigned code)
{
    if (dtype != TG_INT8) {
        const int mantissa_bits = dtype == TG_FP8_E4M3 ? 3 : 2, bias = dtype == TG_FP8_E4M3 ? 7 : 15;
        const int exponent = (int)(code & 0x7Fu) >> mantissa_bits;
        const double mantissa = code & ((1u << mantissa_bits) - 1), unit = ldexp(1, -mantissa_bits);
        if (dtype == TG_FP8_E4M3 ? (code & 0x7Fu) == 0x7F : exponent == 31) return NAN;
        const double size = exponent ? ldexp(1 + mantissa * unit, exponent - bias) : ldexp(mantissa * unit, 1 - bias);
        return code & 0x80u ? -size : size;
    }
    return code < 128 ? (double)code : (double)code - 256;
}

/* A code of a number below 128 in magnitude. */
static unsigned draw_code(uint64_t *state, uint32_t dtype)
{
    for (;;) {
        const unsigned code = (unsigned)random_below(state, 256);
        if (fabs(decode(dtype, code)) < 128) return code;
    }
}

static void draw_query(struct attention_case *c, uint64_t *state)
{
    const uint64_t n = (uint64_t)c->n_tokens * c->config.heads * c->config.key_dim, stream = random_next(state);
    if (!is_narrow(c->config.query_dtype)) {
        c->query = draw_numbers(stream, n, c->config.query_dtype, 1);
        return;
    }
    c->query = fresh(n, sizeof *c->query);
    c->stored_query = fresh(n, sizeof *c->stored_query);
    for (uint64_t i = 0; i < n; i++) {
        const unsigned code = draw_code(state, c->config.query_dtype);
        c->stored_query[i] = code;
        c->query[i] = decode(c->config.query_dtype, code);
    }
}

/* n codes, and the numbers that they are with the scales, one for each block and head. */
static double *draw_codes(uint64_t *state, const struct attention_case *c, uint32_t dim, float scale,
                          const float *block_scales, double **numbers)
{
    const struct tg_attention_config *f = &c->config;
    const uint64_t n = (uint64_t)c->n_blocks * f->block_tokens * f->kv_heads * dim;
    double *codes = fresh(n, sizeof *codes);
    *numbers = fresh(n, sizeof **numbers);
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t head = i / dim % f->kv_heads, block = i / dim / f->kv_heads / f->block_tokens;
        codes[i] = draw_code(state, f->kv_dtype);
        (*numbers)[i] = decode(f->kv_dtype, (unsigned)codes[i]) * (double)scale;
        if (c->has_block_scales) (*numbers)[i] *= (double)block_scales[block * f->kv_heads + head];
    }
    return codes;
}

static void draw_cache(struct attention_case *c, uint64_t *state)
{
    const struct tg_attention_config *f = &c->config;
    const uint64_t rows = (uint64_t)c->n_blocks * f->block_tokens * f->kv_heads, n = c->n_blocks * f->kv_heads;
    const uint64_t stream = random_next(state) << 2;
    c->block_scales = fresh(2 * n, sizeof *c->block_scales);
    for (uint64_t i = 0; i < 2 * n; i++) c->block_scales[i] = (float)(1 + random_below(state, 31)) / 16.0f;
    if (is_narrow(f->kv_dtype)) {
        c->stored_keys = draw_codes(state, c, f->key_dim, c->key_scale, c->block_scales, &c->keys);
        c->stored_values = draw_codes(state, c, f->value_dim, c->value_scale, c->block_scales + n, &c->values);
        return;
    }
    c->keys = draw_numbers(stream + 1, rows * f->key_dim, f->kv_dtype, 1);
    c->values = draw_numbers(stream + 2, rows * f->value_dim, f->kv_dtype, 1);
}

/* Blocks in random order; sequences share some of them. Entries behind a context are -1. */
static void draw_table(struct attention_case *c, uint64_t *state)
{
    const uint32_t bt = c->config.block_tokens;
    uint32_t used = 0;
    c->n_columns = longest(c) / bt + 2;
    c->table = fresh((uint64_t)CASE_SEQUENCES * c->n_columns, sizeof *c->table);
    for (uint32_t i = 0; i < CASE_SEQUENCES * c->n_columns; i++) c->table[i] = -1;
    for (uint32_t i = 0; i < c->n_sequences; i++) used += ((uint32_t)c->context_lens[i] + bt - 1) / bt;
    c->n_blocks = used + 3;
    uint32_t *order = fresh(c->n_blocks, sizeof *order);
    for (uint32_t i = 0; i < c->n_blocks; i++) order[i] = i;
    for (uint32_t i = c->n_blocks - 1; i > 0; i--) {
        const uint32_t j = (uint32_t)random_below(state, (int)i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
    uint32_t next = 0;
    for (uint32_t i = 0; i < c->n_sequences; i++)
        for (uint32_t block = 0; block * bt < (uint32_t)c->context_lens[i]; block++)
            c->table[(uint32_t)c->rows[i] * c->n_columns + block] =
                i > 0 && (block + 1) * bt <= c->shared_keys && (block + 1) * bt <= (uint32_t)c->context_lens[0]
                    ? c->table[(uint32_t)c->rows[0] * c->n_columns + block]
                    : (int32_t)order[next++];
    free(order);
}

static void draw_mask(struct attention_case *c, uint64_t *state)
{
    const uint32_t keys = longest(c), heads = c->config.heads;
    c->mask = fresh((uint64_t)c->n_tokens * heads * keys, sizeof *c->mask);
    for (uint32_t token = 0; token < c->n_tokens; token++)
        for (uint32_t head = 0; head < heads; head++)
            for (uint32_t key = 0; key < keys; key++) {
                double *at = &c->mask[((uint64_t)token * heads + head) * keys + key];
                if (head > 0 && !c->mask_per_head) *at = at[-(int64_t)keys];
                else if (random_chance(state, 25)) *at = -INFINITY;
                else if (c->mask_dtype != TG_UINT8) *at = random_below(state, 64) / 16.0 - 2;
            }
}

/* Rows of the tables: some behind each other, others anywhere. */
static void draw_rotary_rows(struct attention_case *c, uint64_t *state)
{
    const int32_t positions = (int32_t)c->config.rotary_positions;
    c->rotary_rows = fresh(c->n_tokens, sizeof *c->rotary_rows);
    for (uint32_t token = 0; token < c->n_tokens; token++) {
        const int32_t next = token > 0 ? c->rotary_rows[token - 1] + 1 : positions;
        c->rotary_rows[token] = next < positions && random_chance(state, 60) ? next : random_below(state, positions);
    }
}

static void draw_rotary(struct attention_case *c)
{
    struct tg_attention_config *f = &c->config;
    const uint32_t half = f->rotary_dims / 2, positions = longest(c) + 1;
    c->cos = fresh((uint64_t)positions * half, sizeof *c->cos);
    c->sin = fresh((uint64_t)positions * half, sizeof *c->sin);
    for (uint32_t p = 0; p < positions; p++)
        for (uint32_t i = 0; i < half; i++) {
            const double angle = p * pow(10000, -2.0 * i / f->rotary_dims);
            c->cos[p * half + i] = (float)cos(angle);
            c->sin[p * half + i] = (float)sin(angle);
        }
    f->rotary_positions = positions;
    f->rotary_cos = c->cos;
    f->rotary_sin = c->sin;
}

void attention_case_fill(struct attention_case *c)
{
    uint64_t state = c->seed;
    const struct tg_attention_config *f = &c->config;
    c->n_tokens = 0;
    for (uint32_t i = 0; i < c->n_sequences; i++) c->n_tokens += (uint32_t)c->query_lens[i];
    draw_table(c, &state);
    draw_query(c, &state);
    draw_cache(c, &state);
    draw_rotary(c);
    draw_rotary_rows(c, &state);
    if (c->has_mask) draw_mask(c, &state);
    c->slopes = fresh(f->heads, sizeof *c->slopes);
    c->sinks = fresh(f->heads, sizeof *c->sinks);
    for (uint32_t i = 0; i < f->heads; i++) {
        c->slopes[i] = (float)random_below(&state, 32) / 64.0f;
        c->sinks[i] = (float)random_below(&state, 64) / 8.0f - 4.0f;
    }
    c->out = fresh((uint64_t)c->n_tokens * f->heads * f->value_dim, sizeof *c->out);
    c->lse = fresh((uint64_t)c->n_tokens * f->heads, sizeof *c->lse);
}

void attention_case_free(struct attention_case *c)
{
    free(c->table);
    free(c->query);
    free(c->keys);
    free(c->values);
    free(c->stored_query);
    free(c->rotary_rows);
    free(c->stored_keys);
    free(c->stored_values);
    free(c->block_scales);
    free(c->cos);
    free(c->sin);
    free(c->mask);
    free(c->slopes);
    free(c->sinks);
    free(c->out);
    free(c->lse);
    free(c->out_bytes);
}

/* ---- drawing a case ---------------------------------------------------------------------------------------------- */

static uint32_t draw_of(uint64_t *state, const uint32_t *from, int n) { return from[random_below(state, n)]; }
#define DRAW_OF(state, from) draw_of(state, from, (int)(sizeof(from) / sizeof *(from)))

static void draw_options(struct attention_case *c, uint64_t *state)
{
    static const uint32_t dims[] = {8, 16, 40, 64, 64, 72, 128, 128, 136, 256, 576};
    static const uint32_t blocks[] = {1, 2, 3, 5, 8, 13, 16, 16, 16, 24, 32, 64, 100, 128, 256};
    static const uint32_t groups[] = {1, 1, 2, 3, 4, 4, 7, 8, 16, 33};
    static const uint32_t types[] = {TG_FP32, TG_FP16, TG_BF16};
    static const uint32_t spans[] = {0, 0, 1, 16, 40, 64, 128, 300, 2048};
    static const uint32_t caches[] = {TG_FP32, TG_FP16,     TG_BF16,     TG_INT8,
                                      TG_INT8, TG_FP8_E4M3, TG_FP8_E4M3, TG_FP8_E5M2};
    static const uint32_t masks[] = {TG_FP32, TG_FP16, TG_BF16, TG_UINT8};
    struct tg_attention_config *f = &c->config;
    f->kv_heads = 1 + (uint32_t)random_below(state, 3);
    f->heads = f->kv_heads * DRAW_OF(state, groups);
    f->key_dim = DRAW_OF(state, dims);
    f->value_dim = random_chance(state, 70) ? f->key_dim : DRAW_OF(state, dims);
    f->block_tokens = DRAW_OF(state, blocks);
    f->query_dtype = DRAW_OF(state, types);
    f->span_tokens = DRAW_OF(state, spans);
    f->share_prefixes = random_chance(state, 80);
    f->kv_dtype = random_chance(state, 60) ? f->query_dtype : DRAW_OF(state, caches);
    c->key_scale = is_narrow(f->kv_dtype) ? (float)(1 + random_below(state, 3)) / 64.0f : 1.0f;
    c->value_scale = is_narrow(f->kv_dtype) ? (float)(1 + random_below(state, 3)) / 50.0f : 1.0f;
    c->has_block_scales = is_narrow(f->kv_dtype) && random_chance(state, 50);
    if (random_chance(state, 30)) f->rotary_dims = 2 * (1 + (uint32_t)random_below(state, (int)f->key_dim / 2));
    f->rotary_interleaved = random_chance(state, 50);
    f->out_dtype = random_chance(state, 60) ? f->query_dtype : DRAW_OF(state, types);
    f->scale = random_chance(state, 50) ? 0.0f : (float)(1 + random_below(state, 40)) / 100.0f;
    f->soft_cap = random_chance(state, 30) ? (float)(1 + random_below(state, 60)) / 2.0f : 0.0f;
    f->causal = random_chance(state, 60);
    if (random_chance(state, 30)) f->window_left = random_below(state, 200);
    if (random_chance(state, 15)) f->window_right = random_below(state, 20);
    c->layout = random_chance(state, 60)                                 ? TG_KV_PACKED
                : f->key_dim == f->value_dim && random_chance(state, 50) ? TG_KV_VLLM
                                                                         : TG_KV_PLAIN;
    c->has_slopes = random_chance(state, 20);
    c->has_sinks = random_chance(state, 25);
    c->has_lse = random_chance(state, 50);
    c->has_mask = random_chance(state, 20);
    c->mask_dtype = DRAW_OF(state, masks);
    c->mask_per_head = random_chance(state, 40);
    c->resident = random_chance(state, 40);
    c->gap = random_chance(state, 30) ? random_below(state, 9) : 0;
    c->has_rotary_rows = f->rotary_dims > 0 && random_chance(state, 30);
    if (random_chance(state, 12)) {
        static const uint32_t narrow[] = {TG_INT8, TG_FP8_E4M3, TG_FP8_E5M2};
        const bool query = random_chance(state, 60), out = !query || random_chance(state, 50);
        attention_case_narrow(c, query ? DRAW_OF(state, narrow) : f->query_dtype,
                              out ? DRAW_OF(state, narrow) : f->out_dtype, out ? 1 / 16.0f : 1.0f);
    }
}

/* Several sequences of as many query tokens that begin with the same blocks. */
static void share_a_prefix(struct attention_case *c, uint64_t *state, uint32_t most)
{
    const int32_t q = random_chance(state, 60) ? 1 : 1 + random_below(state, 5);
    c->shared_keys = 1 + (uint32_t)random_below(state, (int)most);
    c->n_sequences = 2 + (uint32_t)random_below(state, CASE_SEQUENCES - 1);
    for (uint32_t i = 0; i < c->n_sequences; i++) {
        c->rows[i] = (int32_t)(CASE_SEQUENCES - 1 - i);
        c->query_lens[i] = random_chance(state, 90) ? q : random_below(state, 7);
        c->context_lens[i] = (int32_t)c->shared_keys + random_below(state, 40);
        if (random_chance(state, 5)) c->context_lens[i] = random_below(state, (int)most);
    }
    if (random_chance(state, 60)) c->has_mask = c->has_slopes = false;
    if (random_chance(state, 60)) c->config.window_left = -1;
}

void attention_case_draw_with(struct attention_case *c, uint64_t seed, uint32_t most,
                              void (*change)(struct attention_case *c))
{
    uint64_t state = seed;
    memset(c, 0, sizeof *c);
    tg_attention_config_init(&c->config);
    c->seed = random_next(&state);
    c->number = seed;
    draw_options(c, &state);
    c->n_sequences = 1 + (uint32_t)random_below(&state, 4);
    for (uint32_t i = 0; i < c->n_sequences; i++) {
        c->rows[i] = (int32_t)(CASE_SEQUENCES - 1 - i);
        c->context_lens[i] = random_below(&state, (int)most + 1);
        c->query_lens[i] = random_chance(&state, 50) ? 1 : random_below(&state, 12);
        if (random_chance(&state, 15)) c->query_lens[i] = random_below(&state, (int)most / 2 + 1);
    }
    if (random_chance(&state, 30)) share_a_prefix(c, &state, most);
    if (change) change(c);
    c->has_rotary_rows = c->has_rotary_rows && c->config.rotary_dims > 0;
    /* A rotated token has a position. */
    for (uint32_t i = 0; i < c->n_sequences && c->config.rotary_dims && !c->has_rotary_rows; i++)
        if (c->query_lens[i] > c->context_lens[i]) c->query_lens[i] = c->context_lens[i];
    attention_case_fill(c);
}

void attention_case_draw(struct attention_case *c, uint64_t seed, uint32_t most)
{
    attention_case_draw_with(c, seed, most, NULL);
}

void attention_case_share(struct attention_case *c, uint32_t n_sequences, uint32_t keys, int32_t query_len)
{
    c->shared_keys = keys;
    c->n_sequences = n_sequences;
    for (uint32_t i = 0; i < n_sequences; i++) {
        c->rows[i] = (int32_t)(CASE_SEQUENCES - 1 - i);
        c->query_lens[i] = query_len;
        c->context_lens[i] = (int32_t)(keys + 5 + 7 * i);
    }
}

void attention_case_narrow(struct attention_case *c, uint32_t query_dtype, uint32_t out_dtype, float out_scale)
{
    c->config.query_dtype = query_dtype;
    c->config.out_dtype = out_dtype;
    c->config.out_scale = out_scale;
    /* Codes are up to 128. */
    if (is_narrow(query_dtype)) c->config.scale = 1 / 64.0f / sqrtf((float)c->config.key_dim);
}

void attention_case_cache(struct attention_case *c, uint32_t dtype)
{
    c->config.kv_dtype = dtype;
    c->key_scale = is_narrow(dtype) ? 1 / 32.0f : 1;
    c->value_scale = is_narrow(dtype) ? 1 / 25.0f : 1;
    c->has_block_scales = c->has_block_scales && is_narrow(dtype);
}

void attention_case_describe(const struct attention_case *c, char *text, size_t n_bytes)
{
    const struct tg_attention_config *f = &c->config;
    int n = snprintf(
        text, n_bytes,
        "shared %u span %u heads %u/%u dims %u,%u block %u types %u,%u,%u scale %g cap %g causal %d window %d,%d "
        "layout %d scales %g,%g,%d rotary %u,%d,%d slopes %d sinks %d lse %d mask %d(%u,%d) resident %d gap %d, q/c",
        c->shared_keys, f->share_prefixes ? f->span_tokens : 9999, f->heads, f->kv_heads, f->key_dim, f->value_dim,
        f->block_tokens, f->query_dtype, f->kv_dtype, f->out_dtype, (double)f->scale, (double)f->soft_cap, f->causal,
        f->window_left, f->window_right, (int)c->layout, (double)c->key_scale, (double)c->value_scale,
        c->has_block_scales, f->rotary_dims, f->rotary_interleaved, c->has_rotary_rows, c->has_slopes, c->has_sinks,
        c->has_lse, c->has_mask, c->mask_dtype, c->mask_per_head, c->resident, (int)c->gap);
    for (uint32_t i = 0; i < c->n_sequences && n > 0 && (size_t)n < n_bytes; i++)
        n += snprintf(text + n, n_bytes - (size_t)n, " %d/%d", c->query_lens[i], c->context_lens[i]);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static void store(uint32_t dtype, void *elements, uint64_t index, double value)
{
    if (is_narrow(dtype)) {
        ((unsigned char *)elements)[index] = (unsigned char)value;
        return;
    }
    pa_store((enum pa_dtype)dtype, elements, index, (float)value);
}

/* n elements as numbers, of 8-bit types without a scale. */
static void load(uint32_t dtype, const unsigned char *elements, uint64_t index, uint32_t n, double *numbers)
{
    if (is_narrow(dtype))
        for (uint32_t i = 0; i < n; i++) numbers[i] = decode(dtype, elements[index + i]);
    else pa_load((enum pa_dtype)dtype, elements, index, n, numbers);
}

/* Copy the tokens that sequences use to a cache on the device; the other tokens keep what fresh memory has. */
static void place_cache(const struct attention_case *c, struct tg_device *device, struct tg_kv_view *view)
{
    const struct tg_attention_config *f = &c->config;
    const uint32_t bytes = bytes_of(f->kv_dtype);
    const double *keys = c->stored_keys ? c->stored_keys : c->keys;
    const double *values = c->stored_values ? c->stored_values : c->values;
    tg_kv_view_init(view);
    view->key_scale = c->key_scale;
    view->value_scale = c->value_scale;
    if (c->has_block_scales) {
        const uint64_t scale_bytes = (uint64_t)c->n_blocks * f->kv_heads * sizeof(float);
        assert_int_equal(tg_device_malloc(device, 2 * scale_bytes, &view->key_scales), TG_OK);
        assert_int_equal(tg_copy_to_device(device, view->key_scales, c->block_scales, 2 * scale_bytes), TG_OK);
        view->value_scales = view->key_scales + scale_bytes;
    }
    view->n_blocks = c->n_blocks;
    view->block_tokens = f->block_tokens;
    view->kv_heads = f->kv_heads;
    view->key_dim = f->key_dim;
    view->value_dim = f->value_dim;
    view->dtype = f->kv_dtype;
    const uint64_t tokens = (uint64_t)c->n_blocks * f->block_tokens * f->kv_heads;
    const uint64_t key_bytes = tokens * f->key_dim * bytes, value_bytes = tokens * f->value_dim * bytes;
    assert_int_equal(tg_device_malloc(device, key_bytes + value_bytes, &view->key), TG_OK);
    view->value = view->key + key_bytes;
    assert_int_equal(tg_kv_view_place(view, c->layout), TG_OK);
    for (uint32_t seq = 0; seq < c->n_sequences; seq++)
        for (uint32_t key = 0; key < (uint32_t)c->context_lens[seq]; key++) {
            const uint32_t block = (uint32_t)c->table[(uint32_t)c->rows[seq] * c->n_columns + key / f->block_tokens];
            const uint32_t token = key % f->block_tokens;
            for (uint32_t head = 0; head < f->kv_heads; head++) {
                const uint64_t row = ((uint64_t)block * f->block_tokens + token) * f->kv_heads + head;
                unsigned char elements[576 * 4];
                const uint64_t key_at = view->key + (uint64_t)(block * view->key_block + head * view->key_head +
                                                               token * view->key_token) *
                                                        bytes;
                const uint64_t value_at = view->value + (uint64_t)(block * view->value_block + head * view->value_head +
                                                                   token * view->value_token) *
                                                            bytes;
                for (uint32_t d = 0; d < f->key_dim; d++) store(f->kv_dtype, elements, d, keys[row * f->key_dim + d]);
                if (view->key_dim_stride == 1)
                    assert_int_equal(tg_copy_to_device(device, key_at, elements, (uint64_t)f->key_dim * bytes), TG_OK);
                else
                    for (uint32_t d = 0; d < f->key_dim; d++)
                        assert_int_equal(tg_copy_to_device(device, key_at + d * (uint64_t)view->key_dim_stride * bytes,
                                                           elements + d * bytes, bytes),
                                         TG_OK);
                for (uint32_t d = 0; d < f->value_dim; d++)
                    store(f->kv_dtype, elements, d, values[row * f->value_dim + d]);
                assert_int_equal(tg_copy_to_device(device, value_at, elements, (uint64_t)f->value_dim * bytes), TG_OK);
            }
        }
}

/* An array of the step: [token][head][cols] with the gap of the case, in host or device memory. */
struct array {
    struct tg_attention_data data;
    unsigned char *host; /* [bytes] */
    uint64_t bytes;
    uint32_t element;
};

static void array_open(struct array *x, const struct attention_case *c, uint32_t heads, uint32_t cols, uint32_t dtype,
                       int64_t gap)
{
    x->element = bytes_of(dtype);
    x->data.head_stride = cols + gap;
    x->data.token_stride = heads * (cols + gap);
    x->bytes = (uint64_t)c->n_tokens * heads * (uint64_t)(cols + gap) * x->element;
    if (x->bytes == 0) x->bytes = x->element;
    x->host = fresh(x->bytes, 1);
    memset(x->host, 0xA5, x->bytes);
    x->data.data = x->host;
}

static void array_move(struct array *x, const struct attention_case *c, struct tg_device *device)
{
    tg_address at;
    if (!c->resident) return;
    assert_int_equal(tg_device_malloc(device, x->bytes, &at), TG_OK);
    assert_int_equal(tg_copy_to_device(device, at, x->host, x->bytes), TG_OK);
    x->data.data = (void *)(uintptr_t)at;
    x->data.resident = true;
}

static void array_close(struct array *x, struct tg_device *device)
{
    if (x->data.resident) assert_int_equal(tg_device_free(device, (uint64_t)(uintptr_t)x->data.data), TG_OK);
    free(x->host);
}

/* Bring the array back to the host, and check that its gaps kept their bytes. */
static void array_take(struct array *x, const struct attention_case *c, struct tg_device *device, uint32_t heads,
                       uint32_t cols)
{
    if (x->data.resident)
        assert_int_equal(tg_copy_from_device(device, x->host, (uint64_t)(uintptr_t)x->data.data, x->bytes), TG_OK);
    for (uint64_t row = 0; row < (uint64_t)c->n_tokens * heads; row++) {
        const uint64_t at = row * (uint64_t)x->data.head_stride * x->element, from = at + cols * x->element;
        for (uint64_t i = from; i < at + (uint64_t)x->data.head_stride * x->element; i++)
            CHECK(x->host[i] == 0xA5, "a gap behind row %llu was written", (unsigned long long)row);
    }
}

static void fill_query(const struct attention_case *c, struct array *query)
{
    const struct tg_attention_config *f = &c->config;
    const double *numbers = is_narrow(f->query_dtype) ? c->stored_query : c->query;
    for (uint64_t row = 0; row < (uint64_t)c->n_tokens * f->heads; row++)
        for (uint32_t d = 0; d < f->key_dim; d++)
            store(f->query_dtype, query->host, row * (uint64_t)query->data.head_stride + d,
                  numbers[row * f->key_dim + d]);
}

/* The mask as the step takes it, with one head if it has one for all. */
static void fill_mask(const struct attention_case *c, struct array *mask, uint32_t heads)
{
    const uint32_t keys = longest(c);
    for (uint32_t token = 0; token < c->n_tokens; token++)
        for (uint32_t head = 0; head < heads; head++) {
            unsigned char *row = mask->host + ((uint64_t)token * (uint64_t)mask->data.token_stride +
                                               head * (uint64_t)(heads > 1 ? mask->data.head_stride : 0)) *
                                                  mask->element;
            for (uint32_t key = 0; key < keys; key++) {
                const double value = c->mask[((uint64_t)token * c->config.heads + head) * keys + key];
                if (c->mask_dtype != TG_UINT8) store(c->mask_dtype, row, key, value);
                else if (isinf(value)) row[key / 8] = (unsigned char)(row[key / 8] & ~(1u << key % 8));
                else row[key / 8] = (unsigned char)(row[key / 8] | 1u << key % 8);
            }
        }
    if (heads == 1) mask->data.head_stride = 0;
}

static enum tg_status plan_and_run(struct attention_case *c, struct tg_attention *attention,
                                   const struct tg_attention_step *step)
{
    struct tg_attention_batch batch = {.size = sizeof batch};
    batch.n_sequences = c->n_sequences;
    batch.query_lens = c->query_lens;
    batch.context_lens = c->context_lens;
    batch.block_table = c->table;
    batch.table_stride = c->n_columns;
    batch.table_rows = c->rows;
    batch.rotary_rows = c->has_rotary_rows ? c->rotary_rows : NULL;
    enum tg_status status = tg_attention_plan(attention, &batch);
    if (status == TG_OK) status = tg_attention_run(attention, step);
    if (status == TG_ERR_CHECK) tg_run_print_findings(tg_attention_last_run(attention), stdout);
    return status;
}

enum tg_status attention_case_run(struct attention_case *c, struct tg_device *device)
{
    const struct tg_attention_config *f = &c->config;
    struct tg_attention *attention;
    enum tg_status status = tg_attention_open(device, f, &attention);
    if (status != TG_OK) return status;
    struct tg_kv_view view;
    struct array query = {0}, out = {0}, lse = {0}, mask = {0};
    const uint32_t mask_heads = c->mask_per_head ? f->heads : 1;
    place_cache(c, device, &view);
    array_open(&query, c, f->heads, f->key_dim, f->query_dtype, c->gap);
    array_open(&out, c, f->heads, f->value_dim, f->out_dtype, c->gap);
    array_open(&lse, c, f->heads, 1, TG_FP32, c->gap);
    fill_query(c, &query);
    array_move(&query, c, device);
    array_move(&out, c, device);
    array_move(&lse, c, device);

    struct tg_attention_step step = {.size = sizeof step};
    step.kv = &view;
    step.query = query.data;
    step.out = out.data;
    if (c->has_lse) step.lse = lse.data;
    if (c->has_mask) {
        const uint32_t keys = longest(c);
        array_open(&mask, c, mask_heads, c->mask_dtype == TG_UINT8 ? (keys + 7) / 8 : keys, c->mask_dtype, c->gap);
        fill_mask(c, &mask, mask_heads);
        step.mask = mask.data;
        step.mask_dtype = c->mask_dtype;
    }
    step.slopes = c->has_slopes ? c->slopes : NULL;
    step.sinks = c->has_sinks ? c->sinks : NULL;
    status = plan_and_run(c, attention, &step);
    if (status == TG_OK) {
        array_take(&out, c, device, f->heads, f->value_dim);
        if (c->has_lse) array_take(&lse, c, device, f->heads, 1);
        for (uint64_t row = 0; row < (uint64_t)c->n_tokens * f->heads; row++) {
            double numbers[576];
            load(f->out_dtype, out.host, row * (uint64_t)out.data.head_stride, f->value_dim, numbers);
            for (uint32_t d = 0; d < f->value_dim; d++) c->out[row * f->value_dim + d] = (float)numbers[d];
            pa_load(PA_FP32, lse.host, row * (uint64_t)lse.data.head_stride, 1, numbers);
            c->lse[row] = (float)numbers[0];
        }
    }
    array_close(&query, device);
    array_close(&out, device);
    array_close(&lse, device);
    array_close(&mask, device);
    if (view.key_scales) assert_int_equal(tg_device_free(device, view.key_scales), TG_OK);
    assert_int_equal(tg_device_free(device, view.key), TG_OK);
    tg_attention_close(attention);
    return status;
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

/* One row of the reference. */
struct row {
    double out[576], mean[576]; /* mean: sum of weight * |value| */
    double size[576];           /* sum of |value|, as large as the largest weight */
    double lse, largest;        /* score before the soft cap, in magnitude */
};

/* The query of a token and head, rotated to position p. */
static void rotated_query(const struct attention_case *c, const double *query, int64_t p, double *out)
{
    const struct tg_attention_config *f = &c->config;
    const uint32_t half = f->rotary_dims / 2;
    memcpy(out, query, f->key_dim * sizeof *out);
    for (uint32_t i = 0; i < half; i++) {
        const uint32_t x = f->rotary_interleaved ? 2 * i : i, y = f->rotary_interleaved ? 2 * i + 1 : i + half;
        const double cosine = (double)c->cos[p * half + i], sine = (double)c->sin[p * half + i];
        out[x] = query[x] * cosine - query[y] * sine;
        out[y] = query[y] * cosine + query[x] * sine;
    }
}

static void reference(const struct attention_case *c, uint32_t seq, uint32_t token, uint32_t head, uint32_t first,
                      double *x, struct row *r)
{
    const struct tg_attention_config *f = &c->config;
    const int64_t context = c->context_lens[seq], p = context - c->query_lens[seq] + token;
    const int64_t rotary_row = c->has_rotary_rows ? c->rotary_rows[first + token] : p;
    const uint32_t kv_head = head / (f->heads / f->kv_heads);
    const double scale = f->scale > 0 ? (double)f->scale : 1 / sqrt((double)f->key_dim);
    const uint64_t query_row = ((uint64_t)first + token) * f->heads + head;
    double top = c->has_sinks ? (double)c->sinks[head] : -INFINITY;
    double query[576];
    rotated_query(c, c->query + query_row * f->key_dim, rotary_row, query);
    memset(r, 0, sizeof *r);
    for (int64_t key = 0; key < context; key++) {
        x[key] = -INFINITY;
        if (f->window_left >= 0 && key < p - f->window_left) continue;
        if (f->window_right >= 0 && key > p + f->window_right) continue;
        if (f->causal && key > p) continue;
        const uint64_t block = (uint64_t)c->table[(uint32_t)c->rows[seq] * c->n_columns + key / f->block_tokens];
        const uint64_t row = (block * f->block_tokens + (uint64_t)key % f->block_tokens) * f->kv_heads + kv_head;
        double score = 0, size = 0;
        for (uint32_t d = 0; d < f->key_dim; d++) {
            const double term = query[d] * c->keys[row * f->key_dim + d];
            score += term;
            size += fabs(term);
        }
        score *= scale;
        r->largest = fmax(r->largest, size * scale);
        if (f->soft_cap > 0) score = (double)f->soft_cap * tanh(score / (double)f->soft_cap);
        if (c->has_slopes) score += (double)c->slopes[head] * (double)(key - p);
        if (c->has_slopes) r->largest = fmax(r->largest, (double)c->slopes[head] * fabs((double)(key - p)));
        if (c->has_mask) score += c->mask[query_row * longest(c) + (uint64_t)key];
        x[key] = score;
        top = fmax(top, score);
    }
    double sum = c->has_sinks ? exp((double)c->sinks[head] - top) : 0;
    for (int64_t key = 0; key < context; key++) {
        if (isinf(x[key])) continue;
        const double weight = exp(x[key] - top);
        const uint64_t block = (uint64_t)c->table[(uint32_t)c->rows[seq] * c->n_columns + key / f->block_tokens];
        const uint64_t row = (block * f->block_tokens + (uint64_t)key % f->block_tokens) * f->kv_heads + kv_head;
        sum += weight;
        for (uint32_t d = 0; d < f->value_dim; d++) {
            r->out[d] += weight * c->values[row * f->value_dim + d];
            r->mean[d] += weight * fabs(c->values[row * f->value_dim + d]);
            r->size[d] += fabs(c->values[row * f->value_dim + d]);
        }
    }
    for (uint32_t d = 0; d < f->value_dim && sum > 0; d++) {
        r->out[d] /= sum;
        r->mean[d] /= sum;
        r->size[d] /= sum;
    }
    r->lse = sum > 0 ? top + log(sum) : -INFINITY;
}

/* The type of the products. */
static uint32_t product_dtype(const struct tg_attention_config *f)
{
    const bool query = is_narrow(f->query_dtype), keys = is_narrow(f->kv_dtype);
    if (query || keys) return query && keys ? TG_FP16 : query ? f->kv_dtype : f->query_dtype;
    return f->query_dtype == f->kv_dtype ? f->query_dtype : TG_FP32;
}

/* Relative to the mean value: queries or keys that are rounded once more; sums, exp and division in fp32; the rounding
 * of a score, which exp makes relative; the rounding of weights to the type. */
static double tolerance(const struct attention_case *c, const struct row *r)
{
    const struct tg_attention_config *f = &c->config;
    const uint32_t products = product_dtype(f);
    const double u = products == TG_FP32 ? 0 : pa_dtype_roundoff((enum pa_dtype)products);
    const double cap = f->soft_cap > 0 ? (double)f->soft_cap * 2e-7 : 0;
    const bool rounds = f->rotary_dims > 0 || c->has_block_scales;
    return 2e-5 + cap + (0x1p-22 + (rounds ? 2 * u : 0)) * r->largest + 3 * u;
}

/* Half of the smallest weight. A weight loses no more by underflow when it is rounded to the type of the products. */
static double underflow_of_weights(const struct attention_case *c)
{
    return pa_dtype_underflow((enum pa_dtype)product_dtype(&c->config));
}

/* What an output of 8 bits may differ by from x, a number without its scale; *nearest becomes what is in its range. */
static double lost_in_8_bits(uint32_t dtype, double x, double *nearest)
{
    const double most = dtype == TG_INT8 ? 127 : dtype == TG_FP8_E4M3 ? 448 : 57344;
    *nearest = fmin(fmax(x, dtype == TG_INT8 ? -128 : -most), most);
    if (dtype == TG_INT8) return 0.5;
    return dtype == TG_FP8_E4M3 ? fmax(fabs(*nearest) * 0x1p-4, 0x1p-10) : fmax(fabs(*nearest) * 0x1p-3, 0x1p-17);
}

static uint64_t compare_row(const struct attention_case *c, const struct row *r, uint64_t row, bool first, char *text,
                            size_t n_bytes)
{
    const struct tg_attention_config *f = &c->config;
    const bool narrow = is_narrow(f->out_dtype);
    const double most = tolerance(c, r), u = narrow ? 0 : pa_dtype_roundoff((enum pa_dtype)f->out_dtype);
    const double scale = (double)f->out_scale;
    uint64_t wrong = 0;
    for (uint32_t d = 0; d < f->value_dim; d++) {
        double expected = r->out[d] / scale, lost = underflow_of_weights(c) * r->size[d];
        if (narrow) lost += lost_in_8_bits(f->out_dtype, expected, &expected) * scale;
        const double is = (double)c->out[row * f->value_dim + d] * scale;
        expected *= scale;
        if (fabs(is - expected) <= most * r->mean[d] + u * fabs(expected) + lost + 1e-7) continue;
        if (first && wrong == 0)
            (void)snprintf(text, n_bytes, "out[token %u][head %u][%u] is %.9g, not %.9g; allowed %.3g * %.3g",
                           (unsigned)(row / f->heads), (unsigned)(row % f->heads), d, is, expected, most, r->mean[d]);
        wrong++;
    }
    if (!c->has_lse) return wrong;
    const double is = (double)c->lse[row];
    if (isinf(r->lse) ? is == r->lse : fabs(is - r->lse) <= most * fmax(1, fabs(r->lse))) return wrong;
    if (first && wrong == 0)
        (void)snprintf(text, n_bytes, "lse[token %u][head %u] is %.9g, not %.9g", (unsigned)(row / f->heads),
                       (unsigned)(row % f->heads), is, r->lse);
    return wrong + 1;
}

uint64_t attention_case_wrong(const struct attention_case *c, char *text, size_t n_bytes)
{
    double *x = fresh(longest(c), sizeof *x);
    uint64_t wrong = 0;
    uint32_t first = 0;
    for (uint32_t seq = 0; seq < c->n_sequences; first += (uint32_t)c->query_lens[seq++])
        for (uint32_t token = 0; token < (uint32_t)c->query_lens[seq]; token++)
            for (uint32_t head = 0; head < c->config.heads; head++) {
                struct row r;
                reference(c, seq, token, head, first, x, &r);
                wrong += compare_row(c, &r, ((uint64_t)first + token) * c->config.heads + head, wrong == 0, text,
                                     n_bytes);
            }
    free(x);
    return wrong;
}
