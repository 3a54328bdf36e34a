/* attention_loop.h - what the loops that bench_attention is held against work on: no tasks, no graph. */
#ifndef BENCH_ATTENTION_LOOP_H
#define BENCH_ATTENTION_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* One KV head of one sequence, or a span of its tokens. K of a block is [head_dim][block_size], V
 * [block_size][head_dim]. */
struct attention_loop {
    const void *query;            /* [rows][head_dim] */
    const uint8_t *keys, *values; /* caches; a block of a KV head is block_bytes */
    const int32_t *blocks;        /* of the tokens */
    uint64_t kv_heads, kv_head, block_bytes;
    uint32_t rows, head_dim, block_size, tokens;
    bool packed; /* the blocks are in NZ, and have elements of 2 bytes; the fused loop takes rows only */
    float scale;
};

#endif
