/*
 * serve.h - texts from a model, several at a time: sequences join the batch, are decoded together, and leave it.
 *
 *                 admit: blocks for the prompt            step: every running text is one token longer
 *     waiting --------------------------------> running ------------------------------------------> done
 *        ^                                        |
 *        +------------- swap out -----------------+
 *          no block is left for another text: the youngest one's keys and values move to host memory
 *
 * A text depends on its prompt and its seed alone, not on the texts beside it. A prompt that begins like another one
 * shares that beginning: it is computed once.
 */
#ifndef EXAMPLES_LLAMA_SERVE_H
#define EXAMPLES_LLAMA_SERVE_H

#include <stdbool.h>
#include <tilegraph/attention.h>

#include "forward.h"

enum text_state { TEXT_WAITING = 0, TEXT_RUNNING, TEXT_DONE };

struct text {
    int32_t *tokens;                   /* [n_tokens] the prompt and what was generated; owned */
    uint32_t n_prompt, n_tokens, most; /* most: the prompt and all that may be generated */
    enum text_state state;
    uint64_t sequence;   /* of the cache, while it runs */
    uint32_t n_computed; /* tokens whose keys and values are in the cache, or swapped out */
    int32_t row;         /* of the block table, while it runs */
    void *swapped;       /* keys and values in host memory; owned; NULL: not swapped out */
    uint64_t swapped_bytes;
    uint64_t random; /* state of its generator */
};

struct serve_config {
    uint32_t max_batch;    /* texts that run at a time, at least 1 */
    uint32_t n_blocks;     /* of the cache; 0: enough for max_batch texts */
    uint32_t block_tokens; /* 1 to 1024 */
    uint32_t n_tokens;     /* to generate for a prompt, at most */
    float temperature;     /* 0: the most probable token */
    uint64_t seed;
    bool check; /* a2a3sim: check every run */
};

struct serve_counts {
    uint64_t n_steps, n_generated;
    uint64_t n_prompt;   /* tokens of prompts */
    uint64_t n_computed; /* of these; the others were shared */
    uint64_t n_swapped;  /* texts that were swapped out */
    uint32_t n_done;
};

struct serve {
    struct serve_config config;
    const struct checkpoint *model; /* borrowed */
    struct text **texts;            /* [n_texts]; owned */
    uint32_t n_texts;
    struct serve_counts counts;
    struct tg_kv_cache *cache;
    struct tg_attention *attention;
    struct forward forward;
    /* Of a step: the running texts and their rows. */
    struct text **running; /* [n_running] in the order of admission */
    uint32_t n_running;
    uint64_t *sequences; /* [n_running] */
    int32_t *new_tokens; /* [n_running] rows of each */
    int32_t *contexts, *table_rows;
    int32_t *row_tokens, *positions; /* [forward.max_rows] */
    uint32_t *last_rows;
    uint32_t n_rows;
};

/*
 * Open a cache and an operator for the model. Borrows device and model until serve_close.
 * Errors    TG_ERR_ARGUMENT, TG_ERR_MEMORY, TG_ERR_DEVICE_MEMORY
 */
enum tg_status serve_open(struct serve *serve, struct tg_device *device, const struct checkpoint *model,
                          const struct serve_config *config, struct failure *failure);
void serve_close(struct serve *serve);

/*
 * Add a text that begins with tokens[n]; its number is serve->n_texts before the call.
 * Owns      copies the tokens
 * Errors    TG_ERR_ARGUMENT   the prompt has no token, or no room is left behind it in the model's context
 *           TG_ERR_CACHE_FULL the cache is too small for this text alone
 */
enum tg_status serve_add(struct serve *serve, const int32_t *tokens, uint32_t n, struct failure *failure);

/* Admit what can be admitted, and compute one step. serve->counts.n_done texts are complete then.
 * Errors    those of the cache and of the operator */
enum tg_status serve_step(struct serve *serve, struct failure *failure);

#endif
