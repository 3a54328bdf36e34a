/*
 * attention_case.h - attention problems for tests: drawn at random, run on a device, compared with another algorithm:
 * softmax over all keys of a row at once, in double precision.
 */
#ifndef TESTS_COMMON_ATTENTION_CASE_H
#define TESTS_COMMON_ATTENTION_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/attention.h>

enum { CASE_SEQUENCES = 12 };

struct attention_case {
    struct tg_attention_config config;
    enum tg_kv_layout layout;
    uint32_t n_sequences;
    int32_t query_lens[CASE_SEQUENCES], context_lens[CASE_SEQUENCES], rows[CASE_SEQUENCES];
    bool has_slopes, has_sinks, has_lse, resident;
    bool has_rotary_rows;
    bool has_mask;
    uint32_t mask_dtype;
    bool mask_per_head;
    bool has_block_scales; /* of an 8-bit cache */
    float key_scale, value_scale;
    int64_t gap;          /* elements between the heads of query and out */
    uint32_t shared_keys; /* that the tables of all sequences begin with, where they are long enough */
    uint64_t seed;
    uint64_t number; /* that the case was drawn from */
    /* Drawn: */
    uint32_t n_blocks, n_tokens, n_columns; /* columns of the block table */
    int32_t *table;                         /* [CASE_SEQUENCES][n_columns] */
    double *query, *keys, *values;          /* [token][head][dim]; [block][token][kv_head][dim] */
    double *stored_query;                   /* of 8-bit types the codes */
    double *stored_keys, *stored_values;    /* the same, before scales */
    float *block_scales;                    /* [2][block][kv_head] */
    float *cos, *sin;                       /* [position][rotary_dims / 2] */
    int32_t *rotary_rows;                   /* [token] */
    double *mask;                           /* [token][head][longest context]; -infinity: hidden */
    float *slopes, *sinks;                  /* [heads] */
    /* Of the last run: */
    float *out, *lse; /* [token][head][dim], [token][head] */
    unsigned char *out_bytes;
    uint64_t n_out_bytes;
};

/* Draw lengths, options and contents from `seed`: every combination that the operator takes. `most`: the longest
 * context, in keys. */
void attention_case_draw(struct attention_case *c, uint64_t seed, uint32_t most);

/* The same, and let `change` choose some options before the contents are drawn. */
void attention_case_draw_with(struct attention_case *c, uint64_t seed, uint32_t most,
                              void (*change)(struct attention_case *c));

/* Let all sequences begin with the same `keys`, each with `query_len` tokens and some keys of its own. */
void attention_case_share(struct attention_case *c, uint32_t n_sequences, uint32_t keys, int32_t query_len);

/* Let queries and outputs have 8-bit types. */
void attention_case_narrow(struct attention_case *c, uint32_t query_dtype, uint32_t out_dtype, float out_scale);

/* Set the type of the cache, with scales if it is an 8-bit one. */
void attention_case_cache(struct attention_case *c, uint32_t dtype);

/* Draw the contents of a case whose fields up to `seed` are set. */
void attention_case_fill(struct attention_case *c);
void attention_case_free(struct attention_case *c);

/* Run it on a device with an operator of its own. The message of a failure is left in tg_last_message. */
enum tg_status attention_case_run(struct attention_case *c, struct tg_device *device);

/* Elements of out and lse that are wrong; the first of them is described in `text`. */
uint64_t attention_case_wrong(const struct attention_case *c, char *text, size_t n_bytes);

/* One line that says which case it is. */
void attention_case_describe(const struct attention_case *c, char *text, size_t n_bytes);

#endif
