/*
 * fused_attention.h - paged attention as one loop written by hand: scores, softmax and the sum over values of 128
 * tokens, then of the next. It says what the graph of four kernels costs over a loop that has no tasks and no tiles.
 */
#ifndef BENCH_FUSED_ATTENTION_H
#define BENCH_FUSED_ATTENTION_H

#include "attention_loop.h"

enum { FUSED_ROWS = 32, FUSED_HEAD_DIM = 128 };

/* The contribution of a span of tokens to each row. */
struct fused_part {
    float total[FUSED_ROWS][FUSED_HEAD_DIM] __attribute__((aligned(64))); /* sum of exp(score - top) * value */
    float top[FUSED_ROWS], sum[FUSED_ROWS];                               /* sum of exp(score - top) */
};

/* head_dim is FUSED_HEAD_DIM, rows at most FUSED_ROWS, block_size 16 or 128, tokens at least 1. Blocks are read
 * whole. */
void fused_attention_bf16(const struct attention_loop *p, struct fused_part *part);
void fused_attention_fp32(const struct attention_loop *p, struct fused_part *part);

/* The spans of one KV head of one sequence together: out is [rows][head_dim]. */
void fused_finish_bf16(const struct fused_part *parts, uint32_t n_parts, uint32_t rows, void *out);
void fused_finish_fp32(const struct fused_part *parts, uint32_t n_parts, uint32_t rows, void *out);

#endif
