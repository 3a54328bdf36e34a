/*
 * tilegraph/kv_cache.h - keys and values of the tokens of many sequences, in blocks of device memory.
 *
 * A KV block holds the keys and values of block_tokens consecutive tokens of one sequence, for each KV head. A block
 * table lists the blocks of a sequence: token t is in row t % block_tokens of block table[t / block_tokens].
 */
#ifndef TILEGRAPH_KV_CACHE_H
#define TILEGRAPH_KV_CACHE_H

#include <tilegraph/tilegraph.h>

#ifdef __cplusplus
extern "C" {
#endif

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

/* Zeros, and scales of 1; view->size says how many bytes there are. TG_ERR_ARGUMENT: the size is too small. */
TG_API enum tg_status tg_kv_view_fill(struct tg_kv_view *view);
static inline void tg_kv_view_init(struct tg_kv_view *view)
{
    view->size = sizeof *view;
    tg_kv_view_fill(view);
}

#ifdef __cplusplus
}
#endif
#endif
