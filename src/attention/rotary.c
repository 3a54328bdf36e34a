#include "attention/rotary.h"

#include <stdlib.h>

#include "attention/kernels/arguments.h"
#include "base/error.h"

enum { POSITIONS_MAX = 1 << 24 };

enum tg_status tg_rotary_check(const struct tg_rotary *r, uint32_t key_dim)
{
    if (r->dims == 0) return TG_OK;
    if (r->dims % 2 || r->dims > key_dim)
        return tg_error(TG_ERR_ARGUMENT, "rotary_dims is %u: an even number up to key_dim, %u, is possible", r->dims,
                        key_dim);
    if (!r->cos || !r->sin)
        return tg_error(TG_ERR_ARGUMENT, "rotary_dims is %u, and %s is NULL", r->dims,
                        r->cos ? "rotary_sin" : "rotary_cos");
    if (r->positions < 1 || r->positions > POSITIONS_MAX)
        return tg_error(TG_ERR_ARGUMENT, "rotary_positions is %u: 1 to %d are possible", r->positions, POSITIONS_MAX);
    return TG_OK;
}

uint64_t tg_rotary_bytes(const struct tg_rotary *r, uint32_t key_dim)
{
    return (2 * (uint64_t)r->positions + query_slice_rows(key_dim)) * r->dims * sizeof(float);
}

/* The partner of a dimension in its pair, and the column of the pair in the caller's tables. */
static uint32_t partner(const struct tg_rotary *r, uint32_t d)
{
    const uint32_t half = r->dims / 2;
    return r->interleaved ? d ^ 1u : d < half ? d + half : d - half;
}
static uint32_t pair_of(const struct tg_rotary *r, uint32_t d) { return r->interleaved ? d / 2 : d % (r->dims / 2); }

/* (x, y) becomes (x cos - y sin, y cos + x sin). */
enum tg_status tg_rotary_open(struct tg_device *device, const struct tg_rotary *r, uint32_t key_dim, tg_address *out)
{
    const uint64_t bytes = tg_rotary_bytes(r, key_dim), table = (uint64_t)r->positions * r->dims;
    float *cos = malloc(bytes);
    if (!cos) return tg_error(TG_ERR_MEMORY, "no memory for rotary tables of %u positions", r->positions);
    float *sin = cos + table;
    int32_t *index = (int32_t *)(void *)(sin + table);
    for (uint64_t row = 0; row < r->positions; row++)
        for (uint32_t d = 0; d < r->dims; d++) {
            const uint64_t from = row * (r->dims / 2) + pair_of(r, d);
            cos[row * r->dims + d] = r->cos[from];
            sin[row * r->dims + d] = partner(r, d) > d ? -r->sin[from] : r->sin[from];
        }
    for (uint32_t row = 0; row < query_slice_rows(key_dim); row++)
        for (uint32_t d = 0; d < r->dims; d++) index[row * r->dims + d] = (int32_t)(row * key_dim + partner(r, d));
    tg_address address;
    enum tg_status status = tg_device_malloc(device, bytes, &address);
    if (status == TG_OK) status = tg_copy_to_device(device, address, cos, bytes);
    if (status == TG_OK) *out = address;
    free(cos);
    return status;
}
