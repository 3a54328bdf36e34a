/*
 * scratch.h - the memory that the tasks of a step share, tensor STEP_SCRATCH. The host allocates it.
 *
 *     slots [n_slots]       of a span: scores, weights, converted keys and values, softmax
 *     places [n_places]     of a chain: running softmax, gathered rows
 *     prefixes [n_prefixes] running softmax of each prefix chain
 *     merges [n_prefixes]   int32, the last task of each
 */
#ifndef TG_ATTENTION_SCRATCH_H
#define TG_ATTENTION_SCRATCH_H

#include <tilegraph/types.h>

#include "step.h"

enum { SCRATCH_ALIGN = 512 }; /* transfers are fastest from multiples of it */

/* Sizes and offsets in bytes. */
struct scratch {
    uint64_t row, partial;                  /* a value of each row; a softmax that is not yet divided */
    uint64_t scores, weights, keys, values; /* parts of a slot, in this order; the softmax follows */
    uint64_t slot, place;
    uint64_t places_at, prefixes_at, merges_at, total;
};

static inline uint64_t scratch_round(uint64_t bytes)
{
    return (bytes + SCRATCH_ALIGN - 1) / SCRATCH_ALIGN * SCRATCH_ALIGN;
}

static inline uint64_t scratch_element_bytes(uint32_t dtype)
{
    return dtype == TG_FP32 ? 4 : dtype == TG_FP16 || dtype == TG_BF16 ? 2 : 1;
}

static inline struct scratch scratch_layout(const struct step *s)
{
    const uint64_t rows = s->rows_most, tokens = (uint64_t)s->span_blocks * s->block_tokens;
    const uint64_t bytes = scratch_element_bytes(s->compute_dtype);
    const uint64_t copied = s->converts ? tokens : 0;
    struct scratch x;
    x.row = scratch_round(rows * 4);
    x.partial = 2 * x.row + scratch_round(rows * s->value_dim * 4);
    x.scores = scratch_round(rows * tokens * 4);
    x.weights = scratch_round(rows * tokens * bytes);
    x.keys = scratch_round(copied * s->key_dim * bytes);
    x.values = scratch_round(copied * s->value_dim * bytes);
    x.slot = x.scores + x.weights + x.keys + x.values + x.partial;
    x.place = x.partial + scratch_round(rows * s->key_dim * bytes);
    x.places_at = s->n_slots * x.slot;
    x.prefixes_at = x.places_at + s->n_places * x.place;
    x.merges_at = x.prefixes_at + s->n_prefixes * x.partial;
    x.total = x.merges_at + scratch_round((uint64_t)s->n_prefixes * 4);
    return x;
}

#endif
