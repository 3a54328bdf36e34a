/*
 * forward.h - the arithmetic of a Llama model for rows of tokens, everything but attention: plain C.
 *
 * A row's numbers do not depend on the rows beside it: the order of additions is the same for any number of rows.
 */
#ifndef EXAMPLES_LLAMA_FORWARD_H
#define EXAMPLES_LLAMA_FORWARD_H

#include "checkpoint.h"

/* Tokens of a step. */
struct rows {
    uint32_t n;
    const int32_t *tokens;     /* [n] */
    const int32_t *positions;  /* [n] in their sequences, from 0 */
    const uint32_t *last_rows; /* [n_last] rows whose logits are wanted */
    uint32_t n_last;
};

/* Attention of one layer: query [n][n_heads][head_dim], key and value [n][n_kv_heads][head_dim] of the rows, rotated.
 * Writes out [n][n_heads][head_dim]. */
typedef enum tg_status attend_fn(void *context, uint32_t layer, const float *query, const float *key,
                                 const float *value, float *out, struct failure *failure);

struct forward {
    const struct checkpoint *model; /* borrowed */
    uint32_t max_rows;
    float *x, *normed;       /* [max_rows][dim] */
    float *query, *attended; /* [max_rows][dim] */
    float *key, *value;      /* [max_rows][n_kv_heads * head_dim] */
    float *gate, *up;        /* [max_rows][hidden_dim] */
    float *logits;           /* [max_rows][vocab_size] of the last rows */
    float *memory;           /* owned: all of these */
};

/* TG_ERR_MEMORY */
enum tg_status forward_open(struct forward *forward, const struct checkpoint *model, uint32_t max_rows,
                            struct failure *failure);
void forward_close(struct forward *forward);

/* Compute forward->logits of rows->last_rows. Errors: those of attend. */
enum tg_status forward_run(struct forward *forward, const struct rows *rows, attend_fn *attend, void *context,
                           struct failure *failure);

#endif
