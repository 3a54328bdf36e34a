/*
 * step.h - the description of a step that the host gives the plugin, tensor STEP_DESCRIPTOR:
 *
 *     struct step | fp32 [heads][8] slopes | fp32 [heads][8] sinks | struct step_sequence [n_sequences] | int32 ids
 *                 | int32 rows of the rotary tables
 *
 * The host has checked all of it. The arrays of the step are further tensors.
 */
#ifndef TG_ATTENTION_STEP_H
#define TG_ATTENTION_STEP_H

#include <stdint.h>

/* The tensors of a run. Keys and values are there if a sequence has keys. Optional ones follow; struct step has their
 * numbers. */
enum step_tensor {
    STEP_DESCRIPTOR,
    STEP_QUERY,
    STEP_OUT,
    STEP_CONSTANTS,
    STEP_SCRATCH,
    STEP_KEYS,
    STEP_VALUES,
    STEP_TENSORS
};

/* The most slots and places of the scratch memory. */
enum { SLOTS_MAX = 256, PLACES_MAX = 128 };

/* The most KV blocks that one task covers: its arguments have the address of each, aiv_convert.c's also a scale. */
enum { SPAN_BLOCKS_MAX = 960, CONVERTED_BLOCKS_MAX = 480 };

/* The rotary tensor: fp32 cos [positions][rotated], fp32 sin of the same shape, and int32 [slice rows][rotated], as
 * aiv_query.c takes them (arguments.h). */

struct step_sequence {
    uint32_t first_token;  /* of the query, among those of the batch */
    uint32_t query_tokens; /* 1 or more */
    uint32_t context;      /* keys */
    uint32_t table;        /* where its block ids begin, counted in ids */
    uint32_t leader;       /* the first one of the sequences that share its prefix; itself: it shares none, or leads */
    uint32_t n_sharing; /* of a leader: sequences behind each other that share the prefix, with as many query tokens */
    uint32_t shared_spans; /* whole spans of the prefix */
};

struct step {
    uint32_t n_sequences;
    uint32_t sequences, ids, slopes, sinks; /* bytes from the start of the descriptor; slopes, sinks 0: none */
    uint32_t heads, kv_heads, key_dim, value_dim, block_tokens;
    uint32_t query_dtype, kv_dtype, compute_dtype, out_dtype;
    uint32_t converts;                      /* 1: keys and values are converted to compute_dtype before the products */
    uint32_t shares;                        /* 1: prefixes are read once for all sequences that share them */
    uint32_t rows_most;                     /* of a chain */
    uint32_t n_slots, n_places, n_prefixes; /* of the scratch memory (scratch.h) */
    uint32_t span_blocks;                   /* KV blocks of a whole span */
    uint32_t key_align; /* a chain begins at a key that is a multiple of it: whole blocks, and bytes of a mask */
    float scale, soft_cap;
    float value_scale;                 /* of all values: the output is multiplied by it */
    int32_t left, right;               /* keys that a token sees before and behind its own; -1: all */
    uint32_t lse, mask;                /* tensors; 0: none */
    uint32_t key_scales, value_scales; /* tensors, fp32 [block][kv_head]; 0: none */
    uint32_t rotary;                   /* tensor (below); 0: none */
    uint32_t rotated;                  /* dimensions of the query that are rotated */
    uint32_t positions;                /* of the rotary tables */
    uint32_t rotary_rows; /* bytes from the start of the descriptor: the row of each query token; 0: its position */
    uint32_t mask_dtype;  /* enum tg_dtype; uint8: bits */
    /* elements */
    int64_t query_token_ld, query_head_ld, out_token_ld, out_head_ld, lse_token_ld, lse_head_ld;
    int64_t mask_token_ld, mask_head_ld; /* of bits: bytes */
    int64_t key_block_ld, key_head_ld, key_token_ld, key_dim_ld;
    int64_t value_block_ld, value_head_ld, value_token_ld;
};

#endif
