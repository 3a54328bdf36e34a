/*
 * tilegraph/kv_cache.h - a paged KV cache: blocks of keys and values in device memory, and the sequences that own them.
 *
 *     tg_kv_cache_open(device, &config, &cache);
 *     tg_kv_start(cache, tokens, n_tokens, &sequence, &n_reused);   blocks of an equal prefix are found and shared
 *     tg_kv_reserve(cache, sequence, n, &n_missing);                room for n more tokens
 *     tg_kv_append(cache, layer, &rows);                            write their keys and values, layer by layer
 *     tg_kv_commit(cache, sequence, tokens, n);                     the sequence is longer; full blocks can be found
 *     ...
 *     tg_kv_release(cache, sequence);                               its blocks stay for reuse until others need them
 *
 * A sequence has a row of the cache's block table: the numbers of its blocks, in order. Blocks are counted by
 * reference: forks and equal prefixes share them. A shared block is copied when a sequence is about to write into it.
 *
 *     row of sequence a   [ 7 | 2 | 5 |-1 ...]        block 5 is half full and shared: the next reservation of a or b
 *     row of sequence b   [ 7 | 2 | 5 |-1 ...]        copies it
 *
 * Threads   All calls may be made from any thread, but each sequence belongs to one thread at a time. tg_kv_append runs
 *           kernels, so it belongs to the thread of the device. A lock protects the blocks; it is held while numbers
 *           change, and never while data are copied.
 * Errors    Calls return a status; tg_last_message() has the details. A call that fails changes nothing.
 *           TG_ERR_ARGUMENT: the sequence is not open, or a number is out of its range.
 */
#ifndef TILEGRAPH_KV_CACHE_H
#define TILEGRAPH_KV_CACHE_H

#include <tilegraph/tilegraph.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- where keys and values are ----------------------------------------------------------------------------------- */

/* Where the elements of a cache are. */
enum tg_kv_layout {
    TG_KV_PACKED = 0, /* keys [block][kv_head][key_dim][block_tokens], values [block][kv_head][block_tokens][value_dim]:
                         the kernels read it at full speed */
    TG_KV_PLAIN = 1,  /* keys and values [block][block_tokens][kv_head][dim] */
    TG_KV_VLLM = 2    /* one array [2][block][block_tokens][kv_head][dim], keys first; key_dim is value_dim */
};

/*
 * The keys and values of one layer in device memory. Distances are in elements and positive.
 *
 * The key of (block, head, token, dim) is element block * key_block + head * key_head + token * key_token +
 * dim * key_dim_stride from `key` on. One of key_token and key_dim_stride is 1. The value of (block, head, token, dim)
 * is element block * value_block + head * value_head + token * value_token + dim from `value` on. Keys and values may
 * share bytes, as the latent vectors of MLA do.
 */
struct tg_kv_view {
    size_t size;                           /* of the structure, set by tg_kv_view_init */
    uint32_t n_blocks, block_tokens;       /* blocks of 1 to 1024 tokens */
    uint32_t kv_heads, key_dim, value_dim; /* dims are multiples of 8 up to 576 */
    uint32_t dtype;                        /* enum tg_dtype: fp32, fp16, bf16, int8, fp8 (e4m3, e5m2) */
    tg_address key, value;                 /* of element 0; each array is in one allocation of tg_device_malloc */
    int64_t key_block, key_head, key_token, key_dim_stride;
    int64_t value_block, value_head, value_token;
    /* Of 8-bit elements: a number is element * scale, for the whole array, * the scale of its block and head, if there
     * are some. */
    float key_scale, value_scale;        /* 1 */
    tg_address key_scales, value_scales; /* fp32 [n_blocks][kv_heads] in device memory; 0: none */
};

/*
 * Describe a cache of a layout: fill in the distances of `view`, whose other fields the caller has set. With TG_KV_VLLM
 * it also sets `value`, behind the keys.
 *
 * Errors    TG_ERR_ARGUMENT: view->size is too small; no such layout; TG_KV_VLLM with key_dim other than value_dim
 */
TG_API enum tg_status tg_kv_view_place(struct tg_kv_view *view, enum tg_kv_layout layout);

/*
 * Copy all keys and values from one layout to another one: between two caches, or between a cache and memory of the
 * caller. Both views have the same blocks, heads, dims, element type and scales; only addresses and distances differ.
 * Scales of blocks are copied, too.
 *
 * Writes    the elements of `to`, which shares no bytes with `from`. What lies between them keeps its bytes.
 * Blocks    until they are written: a copy on the host
 * Errors    TG_ERR_ARGUMENT: names the field; nothing is written. TG_ERR_MEMORY
 */
TG_API enum tg_status tg_kv_convert(struct tg_device *device, const struct tg_kv_view *from,
                                    const struct tg_kv_view *to);

/* Zeros, and scales of 1; view->size says how many bytes there are. TG_ERR_ARGUMENT: the size is too small. */
TG_API enum tg_status tg_kv_view_fill(struct tg_kv_view *view);
static inline void tg_kv_view_init(struct tg_kv_view *view)
{
    view->size = sizeof *view;
    tg_kv_view_fill(view);
}

/* ---- the cache --------------------------------------------------------------------------------------------------- */

struct tg_kv_cache;

struct tg_kv_cache_config {
    size_t size;                  /* of the structure, set by tg_kv_cache_config_init */
    uint32_t n_blocks;            /* of each layer, 1 to 2^30; a block has one number in all layers. No default */
    uint32_t block_tokens;        /* 1 to 1024. 16 */
    uint32_t n_layers;            /* 1 to 65536. 1 */
    uint32_t kv_heads;            /* 1 to 1024. No default */
    uint32_t key_dim;             /* elements of a key: a multiple of 8, up to 576. No default */
    uint32_t value_dim;           /* the same for values; 0: key_dim. 0 */
    uint32_t dtype;               /* enum tg_dtype of keys and values: fp32, fp16, bf16, int8, fp8. TG_FP32 */
    uint32_t layout;              /* enum tg_kv_layout. TG_KV_PACKED */
    uint32_t max_sequences;       /* open at a time, 1 to 2^20. 256 */
    uint32_t max_blocks;          /* of a sequence; 0: n_blocks. 0 */
    bool reuse;                   /* find equal prefixes by their tokens; takes 4 bytes a token of the cache. true */
    float key_scale, value_scale; /* 8-bit elements: real number = element * scale. 1, 1 */
    /* How appends run. Copied. NULL: the defaults, on all blocks of the device. NULL */
    const struct tg_run_config *run;
    /* Device memory of the caller, used in place: [n_layers] addresses, each of one allocation. With TG_KV_VLLM keys
     * has the arrays and values is not used. NULL: the cache allocates. NULL, NULL */
    const tg_address *keys, *values;
    uint32_t rotary_dims;      /* the first dimensions of new keys, which appends rotate by their position; an even
                                  number. 0: none. 0 */
    bool rotary_interleaved;   /* pairs are dimensions 2 i and 2 i + 1; else i and i + rotary_dims / 2. false */
    uint32_t rotary_positions; /* rows of the tables */
    const float *rotary_cos, *rotary_sin; /* [rotary_positions][rotary_dims / 2], host memory, copied */
    /* 8-bit elements: each block and KV head has a scale of its own for its keys, and one for its values. Appends
     * choose it: the largest number of the block and head becomes the largest element. If a scale grows, older
     * elements of the block are rounded again. Number = element * key_scale * scale of the block and head. false */
    bool block_scales;
};

/* Fill in the defaults; config->size says how many bytes there are. */
TG_API enum tg_status tg_kv_cache_config_fill(struct tg_kv_cache_config *config);
static inline void tg_kv_cache_config_init(struct tg_kv_cache_config *config)
{
    config->size = sizeof *config;
    tg_kv_cache_config_fill(config);
}

/*
 * Open a cache on a device. All blocks are free.
 *
 * Owns      *out until tg_kv_cache_close, which comes before tg_device_close. Borrows the device, and the memory that
 *           config gives.
 * Errors    TG_ERR_ARGUMENT   a number is out of its range, or memory given in config is not one allocation
 *           TG_ERR_DEVICE_MEMORY, TG_ERR_MEMORY
 */
TG_API enum tg_status tg_kv_cache_open(struct tg_device *device, const struct tg_kv_cache_config *config,
                                       struct tg_kv_cache **out);

/* Close it, with all its sequences. NULL is allowed. */
TG_API void tg_kv_cache_close(struct tg_kv_cache *cache);

/* The layer's keys and values; valid until the cache is closed. TG_ERR_ARGUMENT: no such layer. */
TG_API enum tg_status tg_kv_cache_get_view(const struct tg_kv_cache *cache, uint32_t layer, struct tg_kv_view *view);
static inline enum tg_status tg_kv_cache_view(const struct tg_kv_cache *cache, uint32_t layer, struct tg_kv_view *view)
{
    view->size = sizeof *view;
    return tg_kv_cache_get_view(cache, layer, view);
}

/* The block table in host memory: [max_sequences][*stride] block numbers. -1 stands behind the last block of an open
 * sequence. Valid until the cache is closed. A call that changes a sequence changes its row, and no other row. NULL if
 * cache is NULL. */
TG_API const int32_t *tg_kv_cache_table(const struct tg_kv_cache *cache, int64_t *stride);

struct tg_kv_stats {
    size_t size;                    /* of the structure; the library fills that many bytes */
    uint64_t n_blocks;              /* n_used + n_kept + n_free */
    uint64_t n_used;                /* in rows of sequences */
    uint64_t n_kept;                /* in no row, kept for reuse until blocks are needed */
    uint64_t n_free;                /* without contents */
    uint64_t n_used_peak;           /* the largest n_used so far */
    uint64_t n_sequences;           /* open */
    uint64_t n_looked_up, n_reused; /* tokens of prompts given to tg_kv_start, and those found in the cache */
    uint64_t n_evicted;             /* kept blocks that were given up because others needed blocks */
    uint64_t n_copied;              /* shared blocks that were copied because a sequence wrote into them */
};

/* The cache's counters. TG_ERR_ARGUMENT: stats->size is too small. */
TG_API enum tg_status tg_kv_cache_get_stats(struct tg_kv_cache *cache, struct tg_kv_stats *stats);
static inline enum tg_status tg_kv_cache_stats(struct tg_kv_cache *cache, struct tg_kv_stats *stats)
{
    stats->size = sizeof *stats;
    return tg_kv_cache_get_stats(cache, stats);
}

/* ---- sequences --------------------------------------------------------------------------------------------------- */

/*
 * Start a sequence. Full blocks whose tokens, and all tokens before them, equal the first of `tokens` are shared.
 *
 * Shapes    tokens: [n_tokens]; NULL with 0: an empty sequence
 * Writes    *sequence, never 0; *n_reused, which may be NULL: the length of the sequence, a multiple of block_tokens.
 *           A caller that needs the last token's output gives one token less than it has.
 * Errors    TG_ERR_CACHE_FULL: max_sequences are open
 */
TG_API enum tg_status tg_kv_start(struct tg_kv_cache *cache, const int32_t *tokens, uint64_t n_tokens,
                                  uint64_t *sequence, uint64_t *n_reused);

/* The number of tokens that tg_kv_start would find now; nothing changes. */
TG_API enum tg_status tg_kv_lookup(struct tg_kv_cache *cache, const int32_t *tokens, uint64_t n_tokens,
                                   uint64_t *n_found);

/* Another sequence with the same committed tokens. Both share all blocks, a partial last one too. Room that was
 * reserved for `sequence` and not committed is given back. Errors as tg_kv_start. */
TG_API enum tg_status tg_kv_fork(struct tg_kv_cache *cache, uint64_t sequence, uint64_t *copy);

/*
 * Make room for n_tokens behind the committed ones; a smaller number than before gives blocks back. A partial last
 * block that others share is copied; one that could be found by its tokens no longer is.
 *
 * Writes    *n_missing, which may be NULL: blocks that would have to be released or evicted; 0 on success
 * Blocks    for the copy of a block in all layers, if there is one
 * Errors    TG_ERR_CACHE_FULL  fewer blocks are left than are needed; the message has the number missing
 *           TG_ERR_ARGUMENT    the sequence would have more than max_blocks
 */
TG_API enum tg_status tg_kv_reserve(struct tg_kv_cache *cache, uint64_t sequence, uint64_t n_tokens,
                                    uint64_t *n_missing);

/*
 * The keys and values of n_tokens reserved tokens are written in all layers: they belong to the sequence. tg_kv_start
 * finds full blocks from now on if all tokens up to their end are known.
 *
 * Shapes    tokens: [n_tokens], any numbers that stand for the contents; NULL: unknown
 * Errors    TG_ERR_ARGUMENT: more tokens than are reserved
 */
TG_API enum tg_status tg_kv_commit(struct tg_kv_cache *cache, uint64_t sequence, const int32_t *tokens,
                                   uint64_t n_tokens);

/* Keep the first n_tokens committed tokens. Reserved room is given back. TG_ERR_ARGUMENT: there are fewer. */
TG_API enum tg_status tg_kv_truncate(struct tg_kv_cache *cache, uint64_t sequence, uint64_t n_tokens);

/* End a sequence. Blocks that nobody shares are kept for reuse if they can be found by their tokens, or are free. */
TG_API enum tg_status tg_kv_release(struct tg_kv_cache *cache, uint64_t sequence);

/* Give up kept blocks, the least recently used first: at most n_blocks. Returns their number. Blocks of sequences are
 * not touched; kept blocks are given up without this call, too, when blocks are needed. */
TG_API uint64_t tg_kv_evict(struct tg_kv_cache *cache, uint64_t n_blocks);

struct tg_kv_sequence {
    size_t size;         /* of the structure; the library fills that many bytes */
    uint32_t row;        /* of the block table, until the sequence is released */
    uint32_t n_blocks;   /* in its row */
    uint64_t n_tokens;   /* committed */
    uint64_t n_reserved; /* behind them */
    uint64_t n_known;    /* committed with their numbers, from the first token on without a gap */
};

TG_API enum tg_status tg_kv_get_sequence(struct tg_kv_cache *cache, uint64_t sequence, struct tg_kv_sequence *info);
static inline enum tg_status tg_kv_look(struct tg_kv_cache *cache, uint64_t sequence, struct tg_kv_sequence *info)
{
    info->size = sizeof *info;
    return tg_kv_get_sequence(cache, sequence, info);
}

/* ---- data -------------------------------------------------------------------------------------------------------- */

/* Keys and values of new tokens: rows [token][kv_head][dim], the tokens of all sequences behind each other. */
struct tg_kv_rows {
    size_t size; /* of the structure */
    uint32_t n_sequences;
    const uint64_t *sequences;   /* [n_sequences], each at most once */
    const int32_t *n_tokens;     /* [n_sequences] new tokens of each, reserved and not committed; NULL: 1 each */
    const void *keys, *values;   /* host memory, or device addresses */
    bool resident;               /* keys and values are device addresses, and used in place; no bytes of the cache */
    uint32_t dtype;              /* of both: fp32, fp16, bf16, or the cache's own without block_scales. TG_FP32: 0 */
    int64_t key_token, key_head; /* elements from token to token and from head to head; 0: without gaps */
    int64_t value_token, value_head;
};

/*
 * Write the keys and values of reserved tokens into their blocks of one layer. The first new token of a sequence comes
 * behind its committed ones. Keys are rotated by their position if the cache has rotary tables. Numbers are rounded to
 * the cache's type. 8-bit elements are divided by their scale, limited to their range, and rounded to nearest even.
 *
 * Runs      a graph of vector kernels, or nothing if there are no tokens
 * Writes    the token slots of the new tokens in that layer, and nothing else
 * Blocks    until they are written
 * Threads   that of the device
 * Errors    TG_ERR_ARGUMENT: names the sequence; nothing is written then. Those of tg_run_open and tg_run_wait
 */
TG_API enum tg_status tg_kv_append(struct tg_kv_cache *cache, uint32_t layer, const struct tg_kv_rows *rows);

/* The run of the last append, for findings, records and results; it belongs to the cache and ends with the next append
 * or with tg_kv_cache_close. NULL: no append has run, or cache is NULL. */
TG_API struct tg_run *tg_kv_last_run(const struct tg_kv_cache *cache);

/*
 * Copy a sequence's committed tokens, with keys and values of all layers, into bytes of host memory: to make room in
 * the cache, or to move it to another cache. The bytes do not depend on the cache's layout and block size. With
 * block_scales they have the scales of the blocks, and a cache of the same block size can import them.
 *
 * Writes    bytes [*n_bytes]. With bytes NULL only *n_bytes, the number that is needed.
 * Blocks    for the copy
 * Errors    TG_ERR_ARGUMENT: capacity is less than *n_bytes, which is set then
 */
TG_API enum tg_status tg_kv_export(struct tg_kv_cache *cache, uint64_t sequence, void *bytes, uint64_t capacity,
                                   uint64_t *n_bytes);

/*
 * A sequence from bytes of tg_kv_export. Full blocks that the cache can find by their tokens are shared, not copied.
 *
 * Writes    *sequence; *n_missing, which may be NULL, as tg_kv_reserve does
 * Errors    TG_ERR_ARGUMENT    the bytes are damaged, of a cache with other layers, heads, dims, type or scales
 *           TG_ERR_CACHE_FULL  max_sequences are open, or blocks are missing
 */
TG_API enum tg_status tg_kv_import(struct tg_kv_cache *cache, const void *bytes, uint64_t n_bytes, uint64_t *sequence,
                                   uint64_t *n_missing);

#ifdef __cplusplus
}
#endif
#endif
