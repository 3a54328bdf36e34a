/* Keys and values from one layout to another one, block by block, on the host. */
#include <stdlib.h>
#include <string.h>

#include <tilegraph/tile.h>

#include "attention/layout.h"
#include "base/error.h"

/* Keys or values as a view has them. Distances are in elements. */
struct side {
    tg_address base;
    int64_t block, head, token, dim;
    uint64_t span; /* elements from the first one of a block to the last one, that one included */
};

/* Room for a block of both sides, and what they have in common. */
struct work {
    struct tg_device *device;
    uint32_t tokens, heads, dims, element; /* element: bytes */
    char *from, *to;
};

static struct side side_of(const struct tg_kv_view *v, bool values)
{
    struct side s = values ? (struct side){v->value, v->value_block, v->value_head, v->value_token, 1, 0}
                           : (struct side){v->key, v->key_block, v->key_head, v->key_token, v->key_dim_stride, 0};
    const uint32_t dims = values ? v->value_dim : v->key_dim;
    s.span = (uint64_t)(v->kv_heads - 1) * (uint64_t)s.head + (uint64_t)(v->block_tokens - 1) * (uint64_t)s.token +
             (uint64_t)(dims - 1) * (uint64_t)s.dim + 1;
    return s;
}

static void copy_elements(const struct work *w, const struct side *from, const struct side *to)
{
    for (uint32_t head = 0; head < w->heads; head++)
        for (uint32_t token = 0; token < w->tokens; token++) {
            const char *in = w->from + (head * from->head + token * from->token) * w->element;
            char *out = w->to + (head * to->head + token * to->token) * w->element;
            if (from->dim == 1 && to->dim == 1) {
                memcpy(out, in, (size_t)w->dims * w->element);
                continue;
            }
            for (uint32_t d = 0; d < w->dims; d++)
                memcpy(out + d * to->dim * w->element, in + d * from->dim * w->element, w->element);
        }
}

/* What lies between the elements of a block keeps its bytes. */
static enum tg_status convert_side(const struct work *w, const struct side *from, const struct side *to,
                                   uint32_t n_blocks)
{
    const bool dense = to->span == (uint64_t)w->tokens * w->heads * w->dims;
    for (uint32_t block = 0; block < n_blocks; block++) {
        const tg_address in = from->base + (uint64_t)(block * from->block) * w->element;
        const tg_address out = to->base + (uint64_t)(block * to->block) * w->element;
        TG_TRY(tg_copy_from_device(w->device, w->from, in, from->span * w->element));
        if (!dense) TG_TRY(tg_copy_from_device(w->device, w->to, out, to->span * w->element));
        copy_elements(w, from, to);
        TG_TRY(tg_copy_to_device(w->device, out, w->to, to->span * w->element));
    }
    return TG_OK;
}

static enum tg_status convert_sides(struct work *w, const struct tg_kv_view *from, const struct tg_kv_view *to)
{
    for (int values = 0; values < 2; values++) {
        const struct side in = side_of(from, values), out = side_of(to, values);
        w->dims = values ? from->value_dim : from->key_dim;
        w->from = malloc(in.span * w->element);
        w->to = malloc(out.span * w->element);
        enum tg_status status = TG_OK;
        if (!w->from || !w->to) status = tg_error(TG_ERR_MEMORY, "no memory for a block");
        if (status == TG_OK) status = convert_side(w, &in, &out, from->n_blocks);
        free(w->from);
        free(w->to);
        TG_TRY(status);
    }
    return TG_OK;
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static enum tg_status check_range(const char *view, const char *name, int64_t value, int64_t most)
{
    if (value >= 1 && value <= most) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "%s has %s %lld: 1 to %lld are possible", view, name, (long long)value,
                    (long long)most);
}

/* The last elements are in device memory: then so are those before them, if each array is one allocation. */
static enum tg_status check_memory(const struct work *w, const char *view, const struct side *s, uint32_t n_blocks)
{
    char element[4];
    const uint64_t last = (uint64_t)((n_blocks - 1) * s->block) + s->span - 1;
    if (tg_copy_from_device(w->device, element, s->base, w->element) == TG_OK &&
        tg_copy_from_device(w->device, element, s->base + last * w->element, w->element) == TG_OK)
        return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "%s: 0x%llx has to begin %llu elements of device memory", view,
                    (unsigned long long)s->base, (unsigned long long)(last + 1));
}

static enum tg_status check_view(const char *view, const struct tg_kv_view *v)
{
    TG_TRY(check_range(view, "n_blocks", v->n_blocks, 1 << 30));
    TG_TRY(check_range(view, "block_tokens", v->block_tokens, 1024));
    TG_TRY(check_range(view, "kv_heads", v->kv_heads, 65536));
    TG_TRY(check_range(view, "key_dim", v->key_dim, 576));
    TG_TRY(check_range(view, "value_dim", v->value_dim, 576));
    const bool is_narrow = v->dtype == TG_INT8 || v->dtype == TG_FP8_E4M3 || v->dtype == TG_FP8_E5M2;
    if (v->dtype > TG_BF16 && !is_narrow)
        return tg_error(TG_ERR_ARGUMENT, "%s has dtype %u, which is no element type of a KV cache", view, v->dtype);
    const struct {
        const char *name;
        int64_t value;
    } distances[] = {{"key_block", v->key_block},     {"key_head", v->key_head},
                     {"key_token", v->key_token},     {"key_dim_stride", v->key_dim_stride},
                     {"value_block", v->value_block}, {"value_head", v->value_head},
                     {"value_token", v->value_token}};
    for (size_t i = 0; i < sizeof distances / sizeof *distances; i++)
        TG_TRY(check_range(view, distances[i].name, distances[i].value, INT32_MAX));
    return TG_OK;
}

static enum tg_status check_equal(const char *name, uint32_t from, uint32_t to)
{
    if (from == to) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "from has %s %u, and to has %u", name, from, to);
}

static enum tg_status check_both(const struct tg_kv_view *from, const struct tg_kv_view *to)
{
    TG_TRY(check_equal("n_blocks", from->n_blocks, to->n_blocks));
    TG_TRY(check_equal("block_tokens", from->block_tokens, to->block_tokens));
    TG_TRY(check_equal("kv_heads", from->kv_heads, to->kv_heads));
    TG_TRY(check_equal("key_dim", from->key_dim, to->key_dim));
    TG_TRY(check_equal("value_dim", from->value_dim, to->value_dim));
    TG_TRY(check_equal("dtype", from->dtype, to->dtype));
    if (from->key_scale == to->key_scale && from->value_scale == to->value_scale) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "from has the scales %g and %g, and to has %g and %g: elements are not rounded",
                    (double)from->key_scale, (double)from->value_scale, (double)to->key_scale, (double)to->value_scale);
}

/* Scales of blocks have no layout. */
static enum tg_status copy_scales(struct tg_device *device, const struct tg_kv_view *from, const struct tg_kv_view *to)
{
    const tg_address pairs[2][2] = {{from->key_scales, to->key_scales}, {from->value_scales, to->value_scales}};
    const uint64_t n_bytes = tg_kv_scale_bytes(from);
    if (!from->key_scales && !from->value_scales) return TG_OK;
    float *scales = malloc(n_bytes);
    if (!scales) return tg_error(TG_ERR_MEMORY, "no memory for %llu bytes of scales", (unsigned long long)n_bytes);
    enum tg_status status = TG_OK;
    for (int i = 0; i < 2 && status == TG_OK; i++) {
        if (!pairs[i][0] || pairs[i][0] == pairs[i][1]) continue;
        status = tg_copy_from_device(device, scales, pairs[i][0], n_bytes);
        if (status == TG_OK) status = tg_copy_to_device(device, pairs[i][1], scales, n_bytes);
    }
    free(scales);
    return status;
}

enum tg_status tg_kv_convert(struct tg_device *device, const struct tg_kv_view *from, const struct tg_kv_view *to)
{
    struct tg_kv_view f, t;
    TG_REQUIRE(device);
    TG_REQUIRE(from);
    TG_REQUIRE(to);
    TG_TRY(tg_kv_view_take(&f, from));
    TG_TRY(tg_kv_view_take(&t, to));
    TG_TRY(check_view("from", &f));
    TG_TRY(check_view("to", &t));
    TG_TRY(check_both(&f, &t));
    if (!f.key_scales != !t.key_scales || !f.value_scales != !t.value_scales)
        return tg_error(TG_ERR_ARGUMENT, "one of from and to has scales of blocks, and the other one has none");
    struct work work = {device, f.block_tokens, f.kv_heads, 0, tg_dtype_bytes(f.dtype), NULL, NULL};
    for (int values = 0; values < 2; values++) {
        const struct side in = side_of(&f, values), out = side_of(&t, values);
        TG_TRY(check_memory(&work, "from", &in, f.n_blocks));
        TG_TRY(check_memory(&work, "to", &out, t.n_blocks));
    }
    TG_TRY(convert_sides(&work, &f, &t));
    return copy_scales(device, &f, &t);
}
