/* plain_attention.h - paged attention as one would write it first: loops, no tasks. What everything else is held
 * against. */
#ifndef BENCH_PLAIN_ATTENTION_H
#define BENCH_PLAIN_ATTENTION_H

#include "attention_loop.h"

/* out: [rows][head_dim] of the query's type. scores: room for [tokens]. */
void plain_attention_bf16(const struct attention_loop *p, void *out, float *scores);
void plain_attention_fp32(const struct attention_loop *p, void *out, float *scores);

#endif
