/* Sequences as bytes in host memory: export and import. */
#include <stdlib.h>
#include <string.h>

#include <tilegraph/tile.h>

#include "attention/cache.h"
#include "attention/content_hash.h"
#include "base/error.h"

/*
 * The bytes: this header; the known tokens, int32 [n_known]; then for each layer the keys [n_tokens][kv_heads][key_dim]
 * and the values [n_tokens][kv_heads][value_dim]. No part needs padding, for dims are multiples of 8. If blocks have
 * scales, those of the sequence's blocks follow for each layer: of keys, fp32 [blocks][kv_heads], and of values.
 */
struct header {
    char magic[8];
    uint32_t version;
    uint32_t n_layers, kv_heads, key_dim, value_dim, dtype;
    float key_scale, value_scale;
    uint32_t scaled_tokens, zero; /* tokens of a block if blocks have scales, else 0 */
    uint64_t n_tokens, n_known;
    uint64_t hash; /* of the header with 0 here, and of the rest */
};
static const char magic[8] = "TGKVSEQ";
enum { VERSION = 2 };

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

/* Keys or values of a block in the cache, and as [token][head][dim]. */
struct form {
    uint32_t heads, dim, element;      /* bytes */
    int64_t head, token, dim_stride;   /* elements, in the cache */
    uint64_t block_bytes, token_bytes; /* in the cache; of a token outside */
    tg_address base;
};

static void forms_of(const struct tg_kv_view *v, struct form forms[2])
{
    const uint32_t element = tg_dtype_bytes(v->dtype);
    forms[0] = (struct form){v->kv_heads,
                             v->key_dim,
                             element,
                             v->key_head,
                             v->key_token,
                             v->key_dim_stride,
                             tg_kv_key_elements(v) * element,
                             (uint64_t)v->kv_heads * v->key_dim * element,
                             v->key};
    forms[1] = (struct form){v->kv_heads,
                             v->value_dim,
                             element,
                             v->value_head,
                             v->value_token,
                             1,
                             tg_kv_value_elements(v) * element,
                             (uint64_t)v->kv_heads * v->value_dim * element,
                             v->value};
}

static void copy_elements(char *to, int64_t to_stride, const char *from, int64_t from_stride, uint32_t n,
                          uint32_t element)
{
    for (uint32_t i = 0; i < n; i++, to += to_stride * element, from += from_stride * element)
        memcpy(to, from, element);
}

/* Between n tokens of a block and rows of tokens. */
static void permute(const struct form *f, char *block, char *rows, uint32_t n, bool to_block)
{
    for (uint32_t token = 0; token < n; token++) {
        for (uint32_t head = 0; head < f->heads; head++) {
            char *in_block = block + ((int64_t)token * f->token + (int64_t)head * f->head) * f->element;
            char *in_row = rows + token * f->token_bytes + (uint64_t)head * f->dim * f->element;
            if (f->dim_stride == 1)
                memcpy(to_block ? in_block : in_row, to_block ? in_row : in_block, f->dim * f->element);
            else if (to_block) copy_elements(in_block, f->dim_stride, in_row, 1, f->dim, f->element);
            else copy_elements(in_row, 1, in_block, f->dim_stride, f->dim, f->element);
        }
    }
}

/* The tokens of a sequence that are copied: [first, n_tokens), first being that of a block. */
struct copy {
    struct tg_kv_cache *cache;
    const int32_t *blocks; /* the sequence's row: it does not change meanwhile */
    uint64_t first, n_tokens;
    char *block; /* room for the keys or values of one block */
};

/* Copy one kind of one layer out to, or in from, rows [n_tokens]. */
static enum tg_status copy_kind(const struct copy *c, const struct form *f, char *rows, bool in)
{
    const uint32_t block_tokens = c->cache->config.block_tokens;
    for (uint64_t at = c->first; at < c->n_tokens; at += block_tokens) {
        const uint64_t left = c->n_tokens - at;
        const uint32_t n = left < block_tokens ? (uint32_t)left : block_tokens;
        const tg_address place = f->base + (uint64_t)c->blocks[at / block_tokens] * f->block_bytes;
        char *row = rows + at * f->token_bytes;
        if (in) {
            memset(c->block, 0xFF, f->block_bytes); /* slots without tokens stay poisoned */
            permute(f, c->block, row, n, true);
            TG_TRY(tg_copy_to_device(c->cache->device, place, c->block, f->block_bytes));
        } else {
            TG_TRY(tg_copy_from_device(c->cache->device, c->block, place, f->block_bytes));
            permute(f, c->block, row, n, false);
        }
    }
    return TG_OK;
}

/* The scales of the blocks of one layer, those of keys or of values, out to or in from [blocks][heads]. */
static enum tg_status copy_scales(const struct copy *c, tg_address scales, char *rows, bool in)
{
    const uint32_t block_tokens = c->cache->config.block_tokens;
    const uint64_t n_bytes = c->cache->config.kv_heads * sizeof(float);
    for (uint64_t block = c->first / block_tokens; block * block_tokens < c->n_tokens; block++) {
        const tg_address at = scales + (uint64_t)c->blocks[block] * n_bytes;
        TG_TRY(in ? tg_copy_to_device(c->cache->device, at, rows + block * n_bytes, n_bytes)
                  : tg_copy_from_device(c->cache->device, rows + block * n_bytes, at, n_bytes));
    }
    return TG_OK;
}

/* Those of a layer: *bytes goes on behind them. */
static enum tg_status copy_layer_scales(const struct copy *c, const struct tg_kv_view *v, char **bytes, bool in)
{
    const uint64_t n_blocks = (c->n_tokens + v->block_tokens - 1) / v->block_tokens;
    if (!v->key_scales) return TG_OK;
    TG_TRY(copy_scales(c, v->key_scales, *bytes, in));
    *bytes += n_blocks * v->kv_heads * sizeof(float);
    TG_TRY(copy_scales(c, v->value_scales, *bytes, in));
    *bytes += n_blocks * v->kv_heads * sizeof(float);
    return TG_OK;
}

static enum tg_status copy_layers(struct copy *c, char *bytes, bool in)
{
    struct form forms[2];
    forms_of(c->cache->views, forms);
    c->block = malloc(forms[0].block_bytes > forms[1].block_bytes ? forms[0].block_bytes : forms[1].block_bytes);
    if (!c->block) return tg_error(TG_ERR_MEMORY, "no memory for a block");
    enum tg_status status = TG_OK;
    for (uint32_t layer = 0; layer < c->cache->config.n_layers && status == TG_OK; layer++) {
        forms_of(&c->cache->views[layer], forms);
        for (int kind = 0; kind < 2 && status == TG_OK; kind++) {
            status = copy_kind(c, &forms[kind], bytes, in);
            bytes += c->n_tokens * forms[kind].token_bytes;
        }
        if (status == TG_OK) status = copy_layer_scales(c, &c->cache->views[layer], &bytes, in);
    }
    free(c->block);
    return status;
}

/* ---- header ------------------------------------------------------------------------------------------------------ */

static struct header header_of(const struct tg_kv_cache *cache, uint64_t n_tokens, uint64_t n_known)
{
    const struct tg_kv_cache_config *c = &cache->config;
    struct header h;
    memset(&h, 0, sizeof h);
    memcpy(h.magic, magic, sizeof magic);
    h.version = VERSION;
    h.n_layers = c->n_layers;
    h.kv_heads = c->kv_heads;
    h.key_dim = c->key_dim;
    h.value_dim = c->value_dim;
    h.dtype = c->dtype;
    h.key_scale = c->key_scale;
    h.value_scale = c->value_scale;
    h.scaled_tokens = c->block_scales ? c->block_tokens : 0;
    h.n_tokens = n_tokens;
    h.n_known = n_known;
    return h;
}

static uint64_t token_bytes(const struct tg_kv_cache *cache)
{
    const struct tg_kv_cache_config *c = &cache->config;
    return (uint64_t)c->n_layers * c->kv_heads * (c->key_dim + c->value_dim) * tg_dtype_bytes(c->dtype);
}

static uint64_t bytes_of(const struct tg_kv_cache *cache, const struct header *h)
{
    const struct tg_kv_cache_config *c = &cache->config;
    const uint64_t n_blocks = c->block_scales ? (h->n_tokens + c->block_tokens - 1) / c->block_tokens : 0;
    return sizeof *h + h->n_known * sizeof(int32_t) + h->n_tokens * token_bytes(cache) +
           n_blocks * 2 * c->n_layers * c->kv_heads * sizeof(float);
}

static uint64_t hash_of(struct header h, const char *rest, uint64_t n)
{
    h.hash = 0;
    return tg_kv_hash(tg_kv_hash(0, &h, sizeof h), rest, n);
}

/* ---- export ------------------------------------------------------------------------------------------------------ */

/* The tokens that stand in blocks, in order. */
static void export_tokens(const struct tg_kv_cache *cache, const struct tg_kv_seq *seq, char *out)
{
    const struct tg_kv_pool *pool = &cache->table.pool;
    const int32_t *blocks = tg_kv_table_blocks(&cache->table, seq);
    for (uint64_t at = 0; at < seq->n_known; at += pool->block_tokens) {
        const uint64_t left = seq->n_known - at, n = left < pool->block_tokens ? left : pool->block_tokens;
        memcpy(out + at * sizeof(int32_t), tg_kv_pool_tokens(pool, blocks[at / pool->block_tokens]),
               n * sizeof(int32_t));
    }
}

enum tg_status tg_kv_export(struct tg_kv_cache *cache, uint64_t sequence, void *bytes, uint64_t capacity,
                            uint64_t *n_bytes)
{
    TG_REQUIRE(cache);
    TG_REQUIRE(n_bytes);
    struct copy copy = {cache, NULL, 0, 0, NULL};
    struct header header;
    pthread_mutex_lock(&cache->lock);
    const struct tg_kv_seq *seq = tg_kv_table_seq(&cache->table, sequence);
    if (seq) {
        header = header_of(cache, seq->n_tokens, seq->n_known);
        copy.blocks = tg_kv_table_blocks(&cache->table, seq);
        copy.n_tokens = seq->n_tokens;
        *n_bytes = bytes_of(cache, &header);
        if (bytes && capacity >= *n_bytes) export_tokens(cache, seq, (char *)bytes + sizeof header);
    }
    pthread_mutex_unlock(&cache->lock);
    if (!seq) return tg_kv_no_sequence(sequence);
    if (!bytes) return TG_OK;
    if (capacity < *n_bytes)
        return tg_error(TG_ERR_ARGUMENT, "sequence 0x%llx needs %llu bytes: there is room for %llu",
                        (unsigned long long)sequence, (unsigned long long)*n_bytes, (unsigned long long)capacity);
    char *rest = (char *)bytes + sizeof header;
    TG_TRY(copy_layers(&copy, rest + header.n_known * sizeof(int32_t), false));
    header.hash = hash_of(header, rest, *n_bytes - sizeof header);
    memcpy(bytes, &header, sizeof header);
    return TG_OK;
}

/* ---- import ------------------------------------------------------------------------------------------------------ */

static enum tg_status check_header(const struct tg_kv_cache *cache, const struct header *h, const char *bytes,
                                   uint64_t n_bytes)
{
    struct header expected = header_of(cache, h->n_tokens, h->n_known);
    expected.hash = h->hash;
    if (memcmp(h->magic, magic, sizeof magic) != 0 || h->version != VERSION)
        return tg_error(TG_ERR_ARGUMENT, "these are no bytes of tg_kv_export, version %d", VERSION);
    if (memcmp(h, &expected, sizeof expected) != 0)
        return tg_error(TG_ERR_ARGUMENT,
                        "the bytes have %u layers, %u KV heads, dims %u and %u, dtype %u, scales %g and %g, and "
                        "scales of blocks of %u tokens (0: none): not those of this cache",
                        h->n_layers, h->kv_heads, h->key_dim, h->value_dim, h->dtype, (double)h->key_scale,
                        (double)h->value_scale, h->scaled_tokens);
    const uint64_t most = (uint64_t)cache->config.max_blocks * cache->config.block_tokens;
    /* Numbers of a damaged header must not overflow below. */
    const bool is_possible = h->n_known <= h->n_tokens && h->n_tokens <= n_bytes / token_bytes(cache);
    if (!is_possible || n_bytes != bytes_of(cache, h))
        return tg_error(TG_ERR_ARGUMENT, "%llu bytes of a sequence are damaged: its header does not ask for as many",
                        (unsigned long long)n_bytes);
    if (h->hash != hash_of(*h, bytes + sizeof *h, n_bytes - sizeof *h))
        return tg_error(TG_ERR_ARGUMENT, "%llu bytes of a sequence are damaged: their hash is another one",
                        (unsigned long long)n_bytes);
    if (h->n_tokens > most)
        return tg_error(TG_ERR_ARGUMENT, "the sequence has %llu tokens: max_blocks allows %llu",
                        (unsigned long long)h->n_tokens, (unsigned long long)most);
    return TG_OK;
}

/* Fill the blocks behind the shared ones, and commit them. */
static enum tg_status import_rest(struct tg_kv_cache *cache, uint64_t sequence, const struct header *h,
                                  const int32_t *tokens, char *layers)
{
    struct copy copy = {cache, NULL, 0, h->n_tokens, NULL};
    pthread_mutex_lock(&cache->lock);
    const struct tg_kv_seq *seq = tg_kv_table_seq(&cache->table, sequence);
    copy.blocks = tg_kv_table_blocks(&cache->table, seq);
    copy.first = seq->n_tokens;
    pthread_mutex_unlock(&cache->lock);
    TG_TRY(copy_layers(&copy, layers, true));
    const uint64_t n_known = h->n_known > copy.first ? h->n_known - copy.first : 0;
    if (n_known) TG_TRY(tg_kv_commit(cache, sequence, tokens + copy.first, n_known));
    return tg_kv_commit(cache, sequence, NULL, h->n_tokens - copy.first - n_known);
}

enum tg_status tg_kv_import(struct tg_kv_cache *cache, const void *bytes, uint64_t n_bytes, uint64_t *sequence,
                            uint64_t *n_missing)
{
    TG_REQUIRE(cache);
    TG_REQUIRE(bytes);
    TG_REQUIRE(sequence);
    struct header header;
    uint64_t handle, n_shared;
    if (n_missing) *n_missing = 0;
    if (n_bytes < sizeof header)
        return tg_error(TG_ERR_ARGUMENT, "%llu bytes are no sequence", (unsigned long long)n_bytes);
    memcpy(&header, bytes, sizeof header);
    TG_TRY(check_header(cache, &header, bytes, n_bytes));
    int32_t *tokens = malloc((header.n_known + 1) * sizeof *tokens); /* bytes may lie at any address */
    if (!tokens) return tg_error(TG_ERR_MEMORY, "no memory for %llu tokens", (unsigned long long)header.n_known);
    memcpy(tokens, (const char *)bytes + sizeof header, header.n_known * sizeof *tokens);
    enum tg_status status = tg_kv_start(cache, tokens, header.n_known, &handle, &n_shared);
    if (status == TG_OK) {
        char *layers = (char *)(uintptr_t)bytes + sizeof header + header.n_known * sizeof *tokens; /* only read */
        status = tg_kv_reserve(cache, handle, header.n_tokens - n_shared, n_missing);
        if (status == TG_OK) status = import_rest(cache, handle, &header, tokens, layers);
        if (status == TG_OK) *sequence = handle;
        else (void)tg_kv_release(cache, handle);
    }
    free(tokens);
    return status;
}
