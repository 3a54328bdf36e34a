/*
 * tilegraph/attention.h - attention over a paged KV cache: one call for decode, speculation, chunked and whole prefill.
 *
 *     struct tg_attention *attention;
 *     tg_attention_open(device, &config, &attention);    heads, dims, types, masks: the same for all steps
 *     tg_attention_plan(attention, &batch);              sequences of a step: query tokens, contexts, block tables
 *     tg_attention_run(attention, &step);                data of a layer: query, cache, output; once a layer
 *     tg_attention_close(attention);
 *
 * For query token i of a sequence with q query tokens and a context of c keys, at position p = c - q + i:
 *
 *     x[key] = soft_cap(scale * query . key) + mask[key] + slope * (key - p)       for the keys that the token sees
 *     out = sum of exp(x[key]) * value[key] / sum of exp(x[key])                   the latter sum with a sink
 *
 * A token sees keys p - window_left to p + window_right, and with `causal` none behind p. So the last query token of a
 * sequence stands at its last key. A token that sees no key gets zeros. Products and sums are fp32.
 *
 * Threads   An operator belongs to the thread of its device. A call while another thread is in one is refused.
 * Errors    as in tilegraph.h. The message of a refused call names the argument and its value; for batches also the
 *           sequence and the block. Nothing is written then. A run that fails writes no output in host memory.
 */
#ifndef TILEGRAPH_ATTENTION_H
#define TILEGRAPH_ATTENTION_H

#include <tilegraph/kv_cache.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tg_attention;

struct tg_attention_config {
    size_t size;           /* of the structure, set by tg_attention_config_init */
    uint32_t heads;        /* query heads: a multiple of kv_heads. Heads h * n to (h + 1) * n - 1 share KV head h, with
                            n = heads / kv_heads */
    uint32_t kv_heads;     /* 1 or more */
    uint32_t key_dim;      /* elements of a query and a key: a multiple of 8, up to 576 */
    uint32_t value_dim;    /* elements of a value and an output: a multiple of 8, up to 576. 0: key_dim */
    uint32_t block_tokens; /* of a KV block: 1 to 1024 */
    /* enum tg_dtype: fp32, fp16, bf16, int8, fp8 (e4m3, e5m2). If one of query and keys has 8 bits, products are of the
     * type of the other; if both have, of fp16. Two different types of 16 or 32 bits are multiplied in fp32. */
    uint32_t query_dtype, out_dtype, kv_dtype;
    float scale;    /* of the scores, and of a query's 8-bit elements; 0: 1 / sqrt(key_dim) */
    float soft_cap; /* c: x becomes c * tanh(x / c), but for c * 2e-7; up to 10000; 0: none */
    bool causal;
    int32_t window_left, window_right; /* keys before and behind a token's own that it sees; -1: all. -1, -1 */
    bool share_prefixes;               /* sequences behind each other in a batch whose tables begin with the same blocks
                                          read them once, in whole spans. true */
    uint32_t span_tokens;      /* keys of a span, which a task works off: whole blocks, so about. Positive, up to
                                          65536; 0: 512. Scratch memory grows with it */
    uint32_t rotary_dims;      /* the first dimensions of the query, which the operator rotates by their position; an
                                    even number. 0: none. The keys are in the cache as rotated */
    bool rotary_interleaved;   /* pairs are dimensions 2 i and 2 i + 1; else i and i + rotary_dims / 2 */
    uint32_t rotary_positions; /* rows of the tables */
    const float *rotary_cos, *rotary_sin; /* [rotary_positions][rotary_dims / 2], host memory, copied */
    /* How steps run: checks, records, schedules. Copied. NULL: the defaults, on all blocks of the device. NULL */
    const struct tg_run_config *run;
    float out_scale; /* of 8-bit outputs: a number is element * out_scale. Elements are limited to the range of their
                        type, and rounded once to nearest even. 1 */
};

/* Fill in the defaults: fp32, all keys, 16 tokens a block. config->size says how many bytes there are. */
TG_API enum tg_status tg_attention_config_fill(struct tg_attention_config *config);
static inline void tg_attention_config_init(struct tg_attention_config *config)
{
    config->size = sizeof *config;
    tg_attention_config_fill(config);
}

/*
 * Open an operator: check the combination of options and load its kernels. Takes some milliseconds.
 *
 * Owns      *out until tg_attention_close. Borrows the device until then.
 * Errors    TG_ERR_ARGUMENT   the message names the field and what is possible; TG_ERR_MEMORY, TG_ERR_DEVICE_MEMORY
 */
TG_API enum tg_status tg_attention_open(struct tg_device *device, const struct tg_attention_config *config,
                                        struct tg_attention **out);

/* NULL is allowed. */
TG_API void tg_attention_close(struct tg_attention *attention);

/* The sequences of a step. */
struct tg_attention_batch {
    size_t size;
    uint32_t n_sequences;
    const int32_t *query_lens;   /* [n_sequences] query tokens, 0 or more; NULL: 1 each */
    const int32_t *context_lens; /* [n_sequences] keys, those of the query tokens included; 0 or more */
    const int32_t *block_table;  /* host memory. The blocks of a sequence are a row; entries behind its context may be
                                    anything. NULL: no sequence has keys */
    int64_t table_stride;        /* entries from row to row, at least the blocks of each sequence */
    const int32_t *table_rows;   /* [n_sequences] the row of each sequence; NULL: row i is that of sequence i */
    /* Rows of the rotary tables by which the query tokens are rotated, those of all sequences behind each other: tokens
     * of a tree have the position of their depth. NULL: the positions above, and no sequence may have more query tokens
     * than keys. */
    const int32_t *rotary_rows;
};

/*
 * Plan the next steps: check the batch and copy it. It holds for any number of runs, until the next plan. Never blocks;
 * the time is linear in the sequences and in the blocks of their contexts.
 *
 * Owns      copies all of it
 * Errors    TG_ERR_ARGUMENT: the operator keeps the plan that it had; TG_ERR_MEMORY
 */
TG_API enum tg_status tg_attention_plan(struct tg_attention *attention, const struct tg_attention_batch *batch);

/* Bytes of device memory that the operator holds for itself: constants, rotary tables, and the scratch memory of the
 * largest step so far. That is at most 256 spans (on `cpu` 4 for each worker), 128 chains, and a chain for each
 * prefix that sequences share. NULL is allowed. */
TG_API uint64_t tg_attention_device_bytes(const struct tg_attention *attention);

/* An array of rows [token][head][...], the query tokens of all sequences behind each other. */
struct tg_attention_data {
    void *data;           /* host memory, or a device address; NULL: none */
    bool resident;        /* data is a device address, and the array is used in place */
    int64_t token_stride; /* elements from token to token and from head to head; both 0: without gaps */
    int64_t head_stride;
};

struct tg_attention_step {
    size_t size;
    const struct tg_kv_view *kv;    /* keys and values, with the config's heads, dims, block size and type */
    struct tg_attention_data query; /* [token][head][key_dim] query_dtype */
    struct tg_attention_data out;   /* [token][head][value_dim] out_dtype, written. Gaps keep their bytes */
    struct tg_attention_data lse;   /* [token][head] fp32, written: ln of the sum of exp(x); optional */
    struct tg_attention_data mask;  /* [token][head][key] mask_dtype; head_stride 0: one for all heads; optional */
    uint32_t mask_dtype;            /* fp32, fp16, bf16: added to the scores. uint8: a bit for each key, bit k % 8 of
                                       byte k / 8, where 1 is visible; its strides are bytes */
    const float *slopes;            /* [heads] of ALiBi, host memory; NULL: none */
    const float *sinks; /* [heads] scores of one more key without a value, host memory; -infinity: none for this head.
                                       NULL: none */
};

/*
 * Attend: one layer of the planned step. The keys and values of the query tokens are in the cache already.
 *
 * Writes    out, and lse if it is given. They share no bytes with each other, nor with keys, values and arrays that are
 *           used in place; in device memory, tokens may lie in the gaps of another array's.
 * Blocks    until the output is written
 * Errors    TG_ERR_ARGUMENT, TG_ERR_MEMORY, TG_ERR_DEVICE_MEMORY, those of tg_run_wait
 */
TG_API enum tg_status tg_attention_run(struct tg_attention *attention, const struct tg_attention_step *step);

/* A result over a part of the keys: out [token][head][value_dim] out_dtype, lse [token][head] fp32. */
struct tg_attention_part {
    struct tg_attention_data out, lse;
};

/*
 * Combine results of the same query tokens over disjoint parts of their keys: the result over all of them. Parts may
 * come from other caches, devices or computers. The order of the parts is that of the sums.
 *
 * Shapes    parts [n_parts], 1 to 128; out and lse as those of a part; lse.data NULL: not wanted
 * Writes    out and lse, which do not overlap the parts
 * Blocks    until they are written
 * Errors    TG_ERR_ARGUMENT, TG_ERR_MEMORY, TG_ERR_DEVICE_MEMORY, those of tg_run_wait
 */
TG_API enum tg_status tg_attention_combine(struct tg_attention *attention, uint32_t n_tokens,
                                           const struct tg_attention_part *parts, uint32_t n_parts,
                                           const struct tg_attention_data *out, const struct tg_attention_data *lse);

/* The run of the last tg_attention_run or tg_attention_combine, for findings, records and results. It belongs
 * to the operator and ends with the next run or with tg_attention_close. NULL: nothing has run. */
TG_API struct tg_run *tg_attention_last_run(const struct tg_attention *attention);

#ifdef __cplusplus
}
#endif
#endif
