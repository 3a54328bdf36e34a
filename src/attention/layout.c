#include "attention/layout.h"

#include "base/error.h"
#include "base/sized.h"

#include <tilegraph/tile.h>

static const struct tg_sized sized_view = {"tg_kv_view", sizeof(struct tg_kv_view), sizeof(struct tg_kv_view)};
static const struct tg_kv_view defaults = {.size = sizeof defaults, .key_scale = 1, .value_scale = 1};

enum tg_status tg_kv_view_fill(struct tg_kv_view *view) { return tg_sized_give(&sized_view, view, &defaults); }

enum tg_status tg_kv_view_take(struct tg_kv_view *to, const struct tg_kv_view *from)
{
    *to = defaults;
    return tg_sized_take(&sized_view, to, from);
}

uint64_t tg_kv_key_elements(const struct tg_kv_view *view)
{
    return (uint64_t)view->block_tokens * view->kv_heads * view->key_dim;
}

uint64_t tg_kv_value_elements(const struct tg_kv_view *view)
{
    return (uint64_t)view->block_tokens * view->kv_heads * view->value_dim;
}

/* Elements from the first to the last one of n[4] elements along distances step[4], the last one included. */
static uint64_t extent(const uint32_t n[4], const int64_t step[4])
{
    uint64_t last = 0;
    for (int i = 0; i < 4; i++) {
        if (n[i] == 0) return 0;
        last += (uint64_t)(n[i] - 1) * (uint64_t)step[i];
    }
    const uint64_t most = (uint64_t)1 << 48; /* more than any allocation; in bytes it does not overflow */
    return last < most ? last + 1 : most;
}

uint64_t tg_kv_key_extent(const struct tg_kv_view *v)
{
    const uint32_t n[4] = {v->n_blocks, v->kv_heads, v->block_tokens, v->key_dim};
    const int64_t step[4] = {v->key_block, v->key_head, v->key_token, v->key_dim_stride};
    return extent(n, step) * tg_dtype_bytes(v->dtype);
}

uint64_t tg_kv_value_extent(const struct tg_kv_view *v)
{
    const uint32_t n[4] = {v->n_blocks, v->kv_heads, v->block_tokens, v->value_dim};
    const int64_t step[4] = {v->value_block, v->value_head, v->value_token, 1};
    return extent(n, step) * tg_dtype_bytes(v->dtype);
}

enum tg_status tg_kv_check_scale(const char *name, float scale)
{
    if (scale >= 1 / TG_KV_SCALE_MAX && scale <= TG_KV_SCALE_MAX) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "%s is %g: %g to %g are possible", name, (double)scale,
                    1 / (double)TG_KV_SCALE_MAX, (double)TG_KV_SCALE_MAX);
}

uint64_t tg_kv_scale_bytes(const struct tg_kv_view *v) { return (uint64_t)v->n_blocks * v->kv_heads * sizeof(float); }

/* Keys and values as [block][token][head][dim]. */
static void place_plain(struct tg_kv_view *v)
{
    v->key_block = (int64_t)tg_kv_key_elements(v);
    v->key_token = (int64_t)v->kv_heads * v->key_dim;
    v->key_head = v->key_dim;
    v->key_dim_stride = 1;
    v->value_block = (int64_t)tg_kv_value_elements(v);
    v->value_token = (int64_t)v->kv_heads * v->value_dim;
    v->value_head = v->value_dim;
}

/* Keys as [block][head][dim][token], values as [block][head][token][dim]. */
static void place_packed(struct tg_kv_view *v)
{
    v->key_block = (int64_t)tg_kv_key_elements(v);
    v->key_head = (int64_t)v->key_dim * v->block_tokens;
    v->key_token = 1;
    v->key_dim_stride = v->block_tokens;
    v->value_block = (int64_t)tg_kv_value_elements(v);
    v->value_head = (int64_t)v->block_tokens * v->value_dim;
    v->value_token = v->value_dim;
}

enum tg_status tg_kv_view_place(struct tg_kv_view *view, enum tg_kv_layout layout)
{
    struct tg_kv_view v;
    TG_TRY(tg_kv_view_take(&v, view));
    switch (layout) {
    case TG_KV_PACKED: place_packed(&v); break;
    case TG_KV_PLAIN: place_plain(&v); break;
    case TG_KV_VLLM:
        if (v.key_dim != v.value_dim)
            return tg_error(TG_ERR_ARGUMENT, "layout TG_KV_VLLM: key_dim is %u and value_dim %u; one array has one dim",
                            v.key_dim, v.value_dim);
        place_plain(&v);
        v.value = v.key + v.n_blocks * tg_kv_key_elements(&v) * tg_dtype_bytes(v.dtype);
        break;
    default: return tg_error(TG_ERR_ARGUMENT, "layout %d is none of enum tg_kv_layout", (int)layout);
    }
    return tg_sized_give(&sized_view, view, &v);
}
