/*
 * checkpoint.h - a Llama 2 model in the checkpoint format of llama2.c (version 0), read from a file.
 *
 *     int32   dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, max_tokens
 *             vocab_size is negative if the file has a classifier of its own
 *     fp32    the arrays below in their order; then two tables of rotations [max_tokens][head_dim / 2], which are not
 *             used; then the classifier
 */
#ifndef EXAMPLES_LLAMA_CHECKPOINT_H
#define EXAMPLES_LLAMA_CHECKPOINT_H

#include <stdint.h>

#include "failure.h"

struct checkpoint {
    uint32_t dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size;
    uint32_t max_tokens;         /* of a context */
    uint32_t head_dim;           /* dim / n_heads */
    const float *embedding;      /* [vocab_size][dim] */
    const float *attention_norm; /* [n_layers][dim] */
    const float *wq;             /* [n_layers][n_heads * head_dim][dim] */
    const float *wk, *wv;        /* [n_layers][n_kv_heads * head_dim][dim] */
    const float *wo;             /* [n_layers][dim][n_heads * head_dim] */
    const float *ffn_norm;       /* [n_layers][dim] */
    const float *w1;             /* [n_layers][hidden_dim][dim] */
    const float *w2;             /* [n_layers][dim][hidden_dim] */
    const float *w3;             /* [n_layers][hidden_dim][dim] */
    const float *final_norm;     /* [dim] */
    const float *classifier;     /* [vocab_size][dim]; may be the embedding */
    void *bytes;                 /* of the file; the arrays point into it */
};

/*
 * Read the file `path`.
 *
 * Owns      *out until checkpoint_free, after success only
 * Errors    TG_ERR_FILE    the file cannot be read, is of another format, or its size is not what its first numbers say
 *           TG_ERR_MEMORY
 */
enum tg_status checkpoint_read(const char *path, struct checkpoint *out, struct failure *failure);
void checkpoint_free(struct checkpoint *checkpoint);

#endif
