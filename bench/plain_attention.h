/* plain_attention.h - paged attention as one would write it first: loops, no tasks. What everything else is held against. */
#ifndef BENCH_PLAIN_ATTENTION_H
#define BENCH_PLAIN_ATTENTION_H

#include <stdint.h>

/* One KV head of one sequence: [rows][head_dim] queries and outputs, the KV head's part of each block. */
struct plain_attention {
    const void *query;
    const uint8_t *keys, *values; /* caches; a block of a KV head is block_bytes */
    const int32_t *blocks;
    void *out;
    float *scores; /* [tokens] */
    uint64_t kv_heads, kv_head, block_bytes;
    uint32_t rows, head_dim, block_size, tokens;
    float scale;
};

void plain_attention_bf16(const struct plain_attention *p);
void plain_attention_fp32(const struct plain_attention *p);

#endif
