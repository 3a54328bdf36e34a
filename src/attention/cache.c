/* The cache: its memory, its lock, its sequences. */
#include "attention/cache.h"

#include <stdlib.h>
#include <string.h>

#include <tilegraph/tile.h>

#include "attention/program.h"
#include "base/error.h"
#include "base/sized.h"

/* ---- configuration ----------------------------------------------------------------------------------------------- */

static const struct tg_sized sized_config = {"tg_kv_cache_config", sizeof(struct tg_kv_cache_config),
                                             offsetof(struct tg_kv_cache_config, block_scales)};
static const struct tg_sized sized_view = {"tg_kv_view", sizeof(struct tg_kv_view), sizeof(struct tg_kv_view)};
static const struct tg_sized sized_stats = {"tg_kv_stats", sizeof(struct tg_kv_stats), sizeof(struct tg_kv_stats)};
static const struct tg_sized sized_sequence = {"tg_kv_sequence", sizeof(struct tg_kv_sequence),
                                               sizeof(struct tg_kv_sequence)};

static const struct tg_kv_cache_config defaults = {.size = sizeof defaults,
                                                   .block_tokens = 16,
                                                   .n_layers = 1,
                                                   .dtype = TG_FP32,
                                                   .layout = TG_KV_PACKED,
                                                   .max_sequences = 256,
                                                   .reuse = true,
                                                   .key_scale = 1,
                                                   .value_scale = 1};

enum tg_status tg_kv_cache_config_fill(struct tg_kv_cache_config *config)
{
    return tg_sized_give(&sized_config, config, &defaults);
}

static enum tg_status check_range(const char *name, uint32_t value, uint32_t least, uint32_t most)
{
    if (value >= least && value <= most) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "%s is %u: give %u to %u", name, value, least, most);
}

static enum tg_status check_dim(const char *name, uint32_t dim)
{
    TG_TRY(check_range(name, dim, 8, 576));
    return dim % 8 == 0 ? TG_OK : tg_error(TG_ERR_ARGUMENT, "%s is %u: give a multiple of 8", name, dim);
}

static enum tg_status check_memory(const struct tg_kv_cache_config *config)
{
    const bool one_array = config->layout == TG_KV_VLLM;
    if (!config->keys && !config->values) return TG_OK;
    if (!config->keys || (!config->values && !one_array))
        return tg_error(TG_ERR_ARGUMENT, "%s is NULL: give keys and values, or neither",
                        config->keys ? "values" : "keys");
    if (config->values && one_array)
        return tg_error(TG_ERR_ARGUMENT, "values is given: with TG_KV_VLLM keys has the arrays of both");
    return TG_OK;
}

/* Fills in what 0 stands for. */
static enum tg_status check_config(struct tg_kv_cache_config *config)
{
    if (config->value_dim == 0) config->value_dim = config->key_dim;
    if (config->max_blocks == 0) config->max_blocks = config->n_blocks;
    TG_TRY(check_range("n_blocks", config->n_blocks, 1, 1u << 30));
    TG_TRY(check_range("block_tokens", config->block_tokens, 1, 1024));
    TG_TRY(check_range("n_layers", config->n_layers, 1, 65536));
    TG_TRY(check_range("kv_heads", config->kv_heads, 1, 1024));
    TG_TRY(check_dim("key_dim", config->key_dim));
    TG_TRY(check_dim("value_dim", config->value_dim));
    TG_TRY(check_range("max_sequences", config->max_sequences, 1, 1u << 20));
    TG_TRY(check_range("max_blocks", config->max_blocks, 1, 1u << 30));
    TG_TRY(check_range("layout", config->layout, TG_KV_PACKED, TG_KV_VLLM));
    if (config->layout == TG_KV_VLLM && config->key_dim != config->value_dim)
        return tg_error(TG_ERR_ARGUMENT, "value_dim is %u and key_dim %u: TG_KV_VLLM has one dimension for both",
                        config->value_dim, config->key_dim);
    if (config->dtype > TG_BF16 && config->dtype != TG_INT8 && config->dtype != TG_FP8_E4M3 &&
        config->dtype != TG_FP8_E5M2)
        return tg_error(TG_ERR_ARGUMENT, "dtype %u is no element type of a KV cache", config->dtype);
    if (config->block_scales && config->dtype <= TG_BF16)
        return tg_error(TG_ERR_ARGUMENT, "block_scales is true, and dtype is %u; only 8-bit elements have scales",
                        config->dtype);
    TG_TRY(tg_kv_check_scale("key_scale", config->key_scale));
    TG_TRY(tg_kv_check_scale("value_scale", config->value_scale));
    if (config->dtype <= TG_BF16 && (config->key_scale != 1 || config->value_scale != 1))
        return tg_error(TG_ERR_ARGUMENT,
                        "key_scale and value_scale are %g and %g, and dtype is %u; only 8-bit elements "
                        "have scales",
                        (double)config->key_scale, (double)config->value_scale, config->dtype);
    const struct tg_rotary rotary = tg_kv_cache_rotary(config);
    TG_TRY(tg_rotary_check(&rotary, config->key_dim));
    return check_memory(config);
}

/* ---- open and close ---------------------------------------------------------------------------------------------- */

/* The first and the last byte are in device memory. A run checks that all bytes between them are, too. */
static enum tg_status check_given(struct tg_kv_cache *cache, uint32_t layer, const char *name, tg_address address,
                                  uint64_t bytes)
{
    char byte;
    enum tg_status status = tg_copy_from_device(cache->device, &byte, address, 1);
    if (status == TG_OK) status = tg_copy_from_device(cache->device, &byte, address + bytes - 1, 1);
    if (status == TG_OK) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "%s[%u], 0x%llx, has to begin %llu bytes of device memory", name, layer,
                    (unsigned long long)address, (unsigned long long)bytes);
}

static enum tg_status place_layer(struct tg_kv_cache *cache, uint32_t layer)
{
    const struct tg_kv_cache_config *config = &cache->config;
    struct tg_kv_view *view = &cache->views[layer];
    tg_kv_view_init(view);
    view->n_blocks = config->n_blocks;
    view->block_tokens = config->block_tokens;
    view->kv_heads = config->kv_heads;
    view->key_dim = config->key_dim;
    view->value_dim = config->value_dim;
    view->dtype = config->dtype;
    view->key_scale = config->key_scale;
    view->value_scale = config->value_scale;
    const uint64_t key_bytes = config->n_blocks * tg_kv_key_elements(view) * tg_dtype_bytes(config->dtype);
    const uint64_t value_bytes = config->n_blocks * tg_kv_value_elements(view) * tg_dtype_bytes(config->dtype);
    if (config->keys) {
        const bool one_array = config->layout == TG_KV_VLLM;
        view->key = config->keys[layer];
        view->value = one_array ? view->key + key_bytes : config->values[layer];
        TG_TRY(check_given(cache, layer, "keys", view->key, one_array ? key_bytes + value_bytes : key_bytes));
        TG_TRY(check_given(cache, layer, one_array ? "keys" : "values", view->value, value_bytes));
    } else {
        TG_TRY(tg_device_malloc(cache->device, key_bytes + value_bytes, &view->key));
        cache->n_allocated++;
        view->value = view->key + key_bytes;
    }
    return tg_kv_view_place(view, (enum tg_kv_layout)config->layout);
}

/* A scale of 0: nothing is in the block. */
static enum tg_status open_scales(struct tg_kv_cache *cache)
{
    static const float zeros[2048];
    const uint64_t each = tg_kv_scale_bytes(cache->views), bytes = 2 * each * cache->config.n_layers;
    TG_TRY(tg_device_malloc(cache->device, bytes, &cache->scales));
    for (uint64_t at = 0; at < bytes; at += sizeof zeros) {
        const uint64_t n = bytes - at < sizeof zeros ? bytes - at : sizeof zeros;
        TG_TRY(tg_copy_to_device(cache->device, cache->scales + at, zeros, n));
    }
    for (uint32_t layer = 0; layer < cache->config.n_layers; layer++) {
        cache->views[layer].key_scales = cache->scales + 2 * each * layer;
        cache->views[layer].value_scales = cache->views[layer].key_scales + each;
    }
    return TG_OK;
}

static enum tg_status open_parts(struct tg_kv_cache *cache)
{
    const struct tg_kv_cache_config *config = &cache->config;
    cache->views = calloc(config->n_layers, sizeof *cache->views);
    /* A row has no block twice. */
    const uint32_t row_blocks = config->max_blocks < config->n_blocks ? config->max_blocks : config->n_blocks;
    if (!cache->views || !tg_kv_table_init(&cache->table, config->n_blocks, config->block_tokens, config->max_sequences,
                                           row_blocks, config->reuse))
        return tg_error(TG_ERR_MEMORY, "no memory for the books of %u blocks and %u sequences", config->n_blocks,
                        config->max_sequences);
    for (uint32_t layer = 0; layer < config->n_layers; layer++) TG_TRY(place_layer(cache, layer));
    if (config->block_scales) TG_TRY(open_scales(cache));
    const struct tg_rotary rotary = tg_kv_cache_rotary(config);
    if (rotary.dims) TG_TRY(tg_rotary_open(cache->device, &rotary, config->key_dim, &cache->rotary));
    /* The caller's arrays are not kept. */
    cache->config.keys = cache->config.values = NULL;
    cache->config.rotary_cos = cache->config.rotary_sin = NULL;
    return TG_OK;
}

enum tg_status tg_kv_cache_open(struct tg_device *device, const struct tg_kv_cache_config *config,
                                struct tg_kv_cache **out)
{
    TG_REQUIRE(device);
    TG_REQUIRE(config);
    TG_REQUIRE(out);
    struct tg_kv_cache_config known = {0};
    TG_TRY(tg_sized_take(&sized_config, &known, config));
    TG_TRY(check_config(&known));
    struct tg_kv_cache *cache = calloc(1, sizeof *cache);
    if (!cache) return tg_error(TG_ERR_MEMORY, "no memory for a KV cache");
    cache->device = device;
    cache->config = known;
    cache->config.run = NULL; /* the caller's */
    pthread_mutex_init(&cache->lock, NULL);
    enum tg_status status = tg_embedded_run_config(device, known.run, &cache->run);
    if (status == TG_OK) status = open_parts(cache);
    if (status != TG_OK) {
        tg_kv_cache_close(cache);
        return status;
    }
    *out = cache;
    return TG_OK;
}

void tg_kv_cache_close(struct tg_kv_cache *cache)
{
    if (!cache) return;
    for (uint32_t layer = 0; layer < cache->n_allocated; layer++)
        tg_device_free(cache->device, cache->views[layer].key);
    if (cache->rotary) tg_device_free(cache->device, cache->rotary);
    if (cache->scales) tg_device_free(cache->device, cache->scales);
    tg_run_close(cache->last_run);
    tg_program_close(cache->append);
    tg_kv_table_fini(&cache->table);
    free(cache->descriptor);
    free(cache->views);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

enum tg_status tg_kv_cache_get_view(const struct tg_kv_cache *cache, uint32_t layer, struct tg_kv_view *view)
{
    TG_REQUIRE(cache);
    TG_REQUIRE(view);
    if (layer >= cache->config.n_layers)
        return tg_error(TG_ERR_ARGUMENT, "layer is %u: the cache has %u, counted from 0", layer,
                        cache->config.n_layers);
    return tg_sized_give(&sized_view, view, &cache->views[layer]);
}

const int32_t *tg_kv_cache_table(const struct tg_kv_cache *cache, int64_t *stride)
{
    if (stride) *stride = cache ? cache->table.row_blocks : 0;
    return cache ? cache->table.rows : NULL;
}

enum tg_status tg_kv_cache_get_stats(struct tg_kv_cache *cache, struct tg_kv_stats *stats)
{
    TG_REQUIRE(cache);
    TG_REQUIRE(stats);
    pthread_mutex_lock(&cache->lock);
    const struct tg_kv_table *table = &cache->table;
    const struct tg_kv_pool_counts *counts = &table->pool.counts;
    const struct tg_kv_stats now = {.size = sizeof now,
                                    .n_blocks = table->pool.n_blocks,
                                    .n_used = counts->n_used,
                                    .n_kept = counts->n_kept,
                                    .n_free = counts->n_free,
                                    .n_used_peak = counts->n_used_peak,
                                    .n_sequences = table->n_open,
                                    .n_looked_up = table->n_looked_up,
                                    .n_reused = table->n_reused,
                                    .n_evicted = counts->n_evicted,
                                    .n_copied = cache->n_copied};
    pthread_mutex_unlock(&cache->lock);
    return tg_sized_give(&sized_stats, stats, &now);
}

/* ---- sequences --------------------------------------------------------------------------------------------------- */

enum tg_status tg_kv_no_sequence(uint64_t sequence)
{
    return tg_error(TG_ERR_ARGUMENT, "sequence 0x%llx is not open in this cache", (unsigned long long)sequence);
}

static enum tg_status no_row(const struct tg_kv_cache *cache)
{
    return tg_error(TG_ERR_CACHE_FULL, "all %u sequences of the cache are open: 1 is missing",
                    cache->config.max_sequences);
}

static enum tg_status check_tokens(const int32_t *tokens, uint64_t n_tokens)
{
    return tokens || n_tokens == 0 ? TG_OK : tg_error(TG_ERR_ARGUMENT, "tokens is NULL, n_tokens is not 0");
}

enum tg_status tg_kv_start(struct tg_kv_cache *cache, const int32_t *tokens, uint64_t n_tokens, uint64_t *sequence,
                           uint64_t *n_reused)
{
    TG_REQUIRE(cache);
    TG_REQUIRE(sequence);
    TG_TRY(check_tokens(tokens, n_tokens));
    pthread_mutex_lock(&cache->lock);
    struct tg_kv_seq *seq = tg_kv_table_open(&cache->table);
    if (seq) {
        tg_kv_table_share_prefix(&cache->table, seq, tokens, n_tokens);
        *sequence = tg_kv_table_handle(&cache->table, tg_kv_table_row(&cache->table, seq));
        if (n_reused) *n_reused = seq->n_tokens;
    }
    pthread_mutex_unlock(&cache->lock);
    return seq ? TG_OK : no_row(cache);
}

enum tg_status tg_kv_lookup(struct tg_kv_cache *cache, const int32_t *tokens, uint64_t n_tokens, uint64_t *n_found)
{
    TG_REQUIRE(cache);
    TG_REQUIRE(n_found);
    TG_TRY(check_tokens(tokens, n_tokens));
    pthread_mutex_lock(&cache->lock);
    *n_found = (uint64_t)tg_kv_table_find(&cache->table, tokens, n_tokens) * cache->config.block_tokens;
    pthread_mutex_unlock(&cache->lock);
    return TG_OK;
}

enum tg_status tg_kv_fork(struct tg_kv_cache *cache, uint64_t sequence, uint64_t *copy)
{
    TG_REQUIRE(cache);
    TG_REQUIRE(copy);
    struct tg_kv_table *table = &cache->table;
    pthread_mutex_lock(&cache->lock);
    struct tg_kv_seq *seq = tg_kv_table_seq(table, sequence);
    struct tg_kv_seq *other = seq ? tg_kv_table_open(table) : NULL;
    if (other) {
        tg_kv_table_share(table, seq, other);
        *copy = tg_kv_table_handle(table, tg_kv_table_row(table, other));
    }
    pthread_mutex_unlock(&cache->lock);
    return !seq ? tg_kv_no_sequence(sequence) : !other ? no_row(cache) : TG_OK;
}

static enum tg_status copy_bytes(struct tg_kv_cache *cache, tg_address from, tg_address to, uint64_t n_bytes)
{
    char part[8192];
    for (uint64_t at = 0; at < n_bytes; at += sizeof part) {
        const uint64_t n = n_bytes - at < sizeof part ? n_bytes - at : sizeof part;
        TG_TRY(tg_copy_from_device(cache->device, part, from + at, n));
        TG_TRY(tg_copy_to_device(cache->device, to + at, part, n));
    }
    return TG_OK;
}

/* Copy a block in all layers. Both are referenced, and only this thread knows `to`: no lock is needed. */
static enum tg_status copy_block(struct tg_kv_cache *cache, int32_t from, int32_t to)
{
    const uint64_t element = tg_dtype_bytes(cache->config.dtype);
    for (uint32_t layer = 0; layer < cache->config.n_layers; layer++) {
        const struct tg_kv_view *v = &cache->views[layer];
        const uint64_t row = (uint64_t)v->kv_heads * sizeof(float);
        const struct {
            tg_address base;
            uint64_t bytes;
        } parts[] = {{v->key, tg_kv_key_elements(v) * element},
                     {v->value, tg_kv_value_elements(v) * element},
                     {v->key_scales, v->key_scales ? row : 0},
                     {v->value_scales, v->value_scales ? row : 0}};
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            TG_TRY(copy_bytes(cache, parts[i].base + (uint64_t)from * parts[i].bytes,
                              parts[i].base + (uint64_t)to * parts[i].bytes, parts[i].bytes));
    }
    return TG_OK;
}

/* The second half of a reservation that copies: under the lock again, the row names the copy. */
static enum tg_status finish_copy(struct tg_kv_cache *cache, struct tg_kv_seq *seq, int32_t from, int32_t to)
{
    const enum tg_status status = copy_block(cache, from, to);
    pthread_mutex_lock(&cache->lock);
    if (status == TG_OK) {
        tg_kv_table_replace(&cache->table, seq, from, to);
        cache->n_copied++;
    } else {
        tg_kv_table_truncate(&cache->table, seq, seq->n_tokens); /* nothing is reserved */
        tg_kv_pool_drop(&cache->table.pool, from);
        tg_kv_pool_drop(&cache->table.pool, to);
    }
    pthread_mutex_unlock(&cache->lock);
    return status;
}

static enum tg_status reserve_failed(const struct tg_kv_cache *cache, const struct tg_kv_need *need)
{
    if (need->n_blocks > cache->config.max_blocks)
        return tg_error(TG_ERR_ARGUMENT, "the sequence would have %llu blocks: max_blocks is %u",
                        (unsigned long long)need->n_blocks, cache->config.max_blocks);
    return tg_error(TG_ERR_CACHE_FULL, "%llu blocks are needed: %llu of them are missing",
                    (unsigned long long)need->n_new, (unsigned long long)need->n_missing);
}

enum tg_status tg_kv_reserve(struct tg_kv_cache *cache, uint64_t sequence, uint64_t n_tokens, uint64_t *n_missing)
{
    TG_REQUIRE(cache);
    if (n_missing) *n_missing = 0;
    struct tg_kv_need need = {0};
    int32_t from = TG_KV_NO_BLOCK, to = TG_KV_NO_BLOCK;
    /* Numbers beyond any row would overflow below. */
    const uint64_t most = (uint64_t)cache->config.max_blocks * cache->config.block_tokens;
    const uint64_t wanted = n_tokens <= most ? n_tokens : most + 1;
    pthread_mutex_lock(&cache->lock);
    struct tg_kv_seq *seq = tg_kv_table_seq(&cache->table, sequence);
    if (seq) need = tg_kv_table_need(&cache->table, seq, wanted);
    const bool done = seq && need.n_blocks <= cache->config.max_blocks && need.n_missing == 0;
    if (done) tg_kv_table_reserve(&cache->table, seq, n_tokens, &need, &from, &to);
    pthread_mutex_unlock(&cache->lock);
    if (done) return need.copies ? finish_copy(cache, seq, from, to) : TG_OK;
    if (!seq) return tg_kv_no_sequence(sequence);
    if (n_missing) *n_missing = need.n_missing;
    return reserve_failed(cache, &need);
}

enum tg_status tg_kv_commit(struct tg_kv_cache *cache, uint64_t sequence, const int32_t *tokens, uint64_t n_tokens)
{
    TG_REQUIRE(cache);
    pthread_mutex_lock(&cache->lock);
    struct tg_kv_seq *seq = tg_kv_table_seq(&cache->table, sequence);
    const uint64_t n_reserved = seq ? seq->n_reserved : 0;
    if (seq && n_tokens <= n_reserved) tg_kv_table_commit(&cache->table, seq, tokens, n_tokens);
    pthread_mutex_unlock(&cache->lock);
    if (!seq) return tg_kv_no_sequence(sequence);
    if (n_tokens <= n_reserved) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "%llu tokens are committed: %llu are reserved", (unsigned long long)n_tokens,
                    (unsigned long long)n_reserved);
}

enum tg_status tg_kv_truncate(struct tg_kv_cache *cache, uint64_t sequence, uint64_t n_tokens)
{
    TG_REQUIRE(cache);
    pthread_mutex_lock(&cache->lock);
    struct tg_kv_seq *seq = tg_kv_table_seq(&cache->table, sequence);
    const uint64_t n_committed = seq ? seq->n_tokens : 0;
    if (seq && n_tokens <= n_committed) tg_kv_table_truncate(&cache->table, seq, n_tokens);
    pthread_mutex_unlock(&cache->lock);
    if (!seq) return tg_kv_no_sequence(sequence);
    if (n_tokens <= n_committed) return TG_OK;
    return tg_error(TG_ERR_ARGUMENT, "%llu tokens are to be kept: the sequence has %llu", (unsigned long long)n_tokens,
                    (unsigned long long)n_committed);
}

enum tg_status tg_kv_release(struct tg_kv_cache *cache, uint64_t sequence)
{
    TG_REQUIRE(cache);
    pthread_mutex_lock(&cache->lock);
    struct tg_kv_seq *seq = tg_kv_table_seq(&cache->table, sequence);
    if (seq) tg_kv_table_close(&cache->table, seq);
    pthread_mutex_unlock(&cache->lock);
    return seq ? TG_OK : tg_kv_no_sequence(sequence);
}

uint64_t tg_kv_evict(struct tg_kv_cache *cache, uint64_t n_blocks)
{
    if (!cache) return 0;
    pthread_mutex_lock(&cache->lock);
    const uint32_t most = n_blocks < UINT32_MAX ? (uint32_t)n_blocks : UINT32_MAX;
    const uint64_t n = tg_kv_pool_evict(&cache->table.pool, most);
    pthread_mutex_unlock(&cache->lock);
    return n;
}

enum tg_status tg_kv_get_sequence(struct tg_kv_cache *cache, uint64_t sequence, struct tg_kv_sequence *info)
{
    TG_REQUIRE(cache);
    TG_REQUIRE(info);
    struct tg_kv_sequence now = {.size = sizeof now};
    pthread_mutex_lock(&cache->lock);
    const struct tg_kv_seq *seq = tg_kv_table_seq(&cache->table, sequence);
    if (seq) {
        now.row = tg_kv_table_row(&cache->table, seq);
        now.n_blocks = seq->n_blocks;
        now.n_tokens = seq->n_tokens;
        now.n_reserved = seq->n_reserved;
        now.n_known = seq->n_known;
    }
    pthread_mutex_unlock(&cache->lock);
    return seq ? tg_sized_give(&sized_sequence, info, &now) : tg_kv_no_sequence(sequence);
}
