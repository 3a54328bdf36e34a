#include "checkpoint.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

enum { HEADER_WORDS = 7, LATER_MAGIC = 0x616B3432 /* "ak42": versions 1 and 2 begin with it */ };

/* A limit for each number: products of three of them fit into 63 bits. */
enum { NUMBER_MAX = 1 << 20 };

static enum tg_status read_header(const char *path, const void *bytes, size_t n_bytes, struct checkpoint *c,
                                  bool *has_classifier, struct failure *failure)
{
    static const char *const names[HEADER_WORDS] = {"dim",        "hidden_dim", "n_layers",  "n_heads",
                                                    "n_kv_heads", "vocab_size", "max_tokens"};
    uint32_t *const fields[HEADER_WORDS] = {&c->dim,        &c->hidden_dim, &c->n_layers,  &c->n_heads,
                                            &c->n_kv_heads, &c->vocab_size, &c->max_tokens};
    int32_t words[HEADER_WORDS];
    if (n_bytes < sizeof words)
        return failure_set(failure, TG_ERR_FILE, "%s has %zu bytes; a checkpoint begins with 28", path, n_bytes);
    memcpy(words, bytes, sizeof words);
    if (words[0] == LATER_MAGIC)
        return failure_set(failure, TG_ERR_FILE, "%s is a checkpoint of version %d: export the model as version 0",
                           path, (int)words[1]);
    *has_classifier = words[5] < 0;
    if (words[5] < 0 && words[5] >= -NUMBER_MAX) words[5] = -words[5];
    for (int i = 0; i < HEADER_WORDS; i++) {
        if (words[i] < 1 || words[i] > NUMBER_MAX)
            return failure_set(failure, TG_ERR_FILE, "%s is not a checkpoint of llama2.c: %s would be %d", path,
                               names[i], (int)words[i]);
        *fields[i] = (uint32_t)words[i];
    }
    c->head_dim = c->dim / c->n_heads;
    return TG_OK;
}

static enum tg_status check_header(const char *path, const struct checkpoint *c, struct failure *failure)
{
    if (c->dim % c->n_heads)
        return failure_set(failure, TG_ERR_FILE, "%s: %u heads do not divide dim %u", path, c->n_heads, c->dim);
    if (c->n_heads % c->n_kv_heads)
        return failure_set(failure, TG_ERR_FILE, "%s: %u KV heads do not divide %u heads", path, c->n_kv_heads,
                           c->n_heads);
    if (c->head_dim % 8)
        return failure_set(failure, TG_ERR_FILE, "%s: head_dim is %u; attention takes multiples of 8", path,
                           c->head_dim);
    return TG_OK;
}

/* The next array of a file: rows * cols floats for each of n layers. */
static const float *take(const char **at, uint64_t *n_floats, uint64_t n, uint64_t rows, uint64_t cols)
{
    const float *array = (const float *)*at;
    *at += n * rows * cols * sizeof(float);
    *n_floats += n * rows * cols;
    return array;
}

/* Point into `bytes`, which may be NULL: then only the floats are counted. */
static uint64_t place(struct checkpoint *c, const char *bytes, bool has_classifier)
{
    const uint64_t layers = c->n_layers, dim = c->dim, hidden = c->hidden_dim, vocab = c->vocab_size;
    const uint64_t kv_dim = (uint64_t)c->n_kv_heads * c->head_dim;
    const char *at = bytes;
    uint64_t n = 0;
    c->embedding = take(&at, &n, 1, vocab, dim);
    c->attention_norm = take(&at, &n, layers, 1, dim);
    c->wq = take(&at, &n, layers, dim, dim);
    c->wk = take(&at, &n, layers, kv_dim, dim);
    c->wv = take(&at, &n, layers, kv_dim, dim);
    c->wo = take(&at, &n, layers, dim, dim);
    c->ffn_norm = take(&at, &n, layers, 1, dim);
    c->w1 = take(&at, &n, layers, hidden, dim);
    c->w2 = take(&at, &n, layers, dim, hidden);
    c->w3 = take(&at, &n, layers, hidden, dim);
    c->final_norm = take(&at, &n, 1, 1, dim);
    (void)take(&at, &n, 2, c->max_tokens, c->head_dim / 2);
    c->classifier = has_classifier ? take(&at, &n, 1, vocab, dim) : c->embedding;
    return n;
}

static enum tg_status parse(const char *path, const char *bytes, size_t n_bytes, struct checkpoint *c,
                            struct failure *failure)
{
    bool has_classifier = false;
    enum tg_status status = read_header(path, bytes, n_bytes, c, &has_classifier, failure);
    if (status == TG_OK) status = check_header(path, c, failure);
    if (status != TG_OK) return status;
    const size_t header = HEADER_WORDS * sizeof(int32_t);
    const uint64_t n_floats = place(c, bytes + header, has_classifier);
    if ((n_bytes - header) / sizeof(float) == n_floats && n_bytes % sizeof(float) == 0) return TG_OK;
    return failure_set(failure, TG_ERR_FILE, "%s has %zu bytes; its first numbers ask for %llu: it is %s", path,
                       n_bytes, (unsigned long long)(header + n_floats * sizeof(float)),
                       n_bytes < header + n_floats * sizeof(float) ? "cut off" : "longer, or of another format");
}

enum tg_status checkpoint_read(const char *path, struct checkpoint *out, struct failure *failure)
{
    struct checkpoint c = {0};
    void *bytes;
    size_t n_bytes;
    enum tg_status status = file_read(path, &bytes, &n_bytes, failure);
    if (status != TG_OK) return status;
    status = parse(path, bytes, n_bytes, &c, failure);
    if (status != TG_OK) {
        free(bytes);
        return status;
    }
    c.bytes = bytes;
    *out = c;
    return TG_OK;
}

void checkpoint_free(struct checkpoint *checkpoint)
{
    free(checkpoint->bytes);
    memset(checkpoint, 0, sizeof *checkpoint);
}
