#include "tokenizer.h"

#include <float.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"

/* ---- the file ---------------------------------------------------------------------------------------------------- */

struct reader {
    const char *path, *bytes;
    size_t n_bytes, at;
};

static bool read_word(struct reader *r, void *word)
{
    if (r->n_bytes - r->at < 4) return false;
    memcpy(word, r->bytes + r->at, 4);
    r->at += 4;
    return true;
}

static enum tg_status cut_off(const struct reader *r, uint32_t i, uint32_t n, struct failure *failure)
{
    return failure_set(failure, TG_ERR_FILE,
                       "%s ends within piece %u of the model's %u: it is cut off, or belongs to another model", r->path,
                       i, n);
}

static void find_byte(struct piece *piece)
{
    unsigned int byte;
    char end;
    if (piece->n_bytes != 6 || sscanf(piece->bytes, "<0x%02X%c", &byte, &end) != 2 || end != '>') return;
    piece->is_byte = 1;
    piece->byte[0] = (char)byte;
}

/* Copy the pieces behind each other into t->text, which is large enough. */
static enum tg_status read_pieces(struct reader *r, struct tokenizer *t, struct failure *failure)
{
    char *text = t->text;
    for (uint32_t i = 0; i < t->n_pieces; i++) {
        struct piece *piece = &t->pieces[i];
        int32_t length;
        if (!read_word(r, &piece->score) || !read_word(r, &length)) return cut_off(r, i, t->n_pieces, failure);
        if (length < 0 || (size_t)length > r->n_bytes - r->at) return cut_off(r, i, t->n_pieces, failure);
        memcpy(text, r->bytes + r->at, (size_t)length);
        text[length] = 0;
        piece->bytes = text;
        piece->n_bytes = (uint32_t)length;
        find_byte(piece);
        text += length + 1;
        r->at += (size_t)length;
    }
    if (r->at == r->n_bytes) return TG_OK;
    return failure_set(failure, TG_ERR_FILE,
                       "%s has more than the model's %u pieces: it belongs to another model, or is no tokenizer",
                       r->path, t->n_pieces);
}

/* ---- pieces by their text ---------------------------------------------------------------------------------------- */

/* Like strcmp for texts with zeros in them. */
static int compare(const char *a, size_t n_a, const char *b, size_t n_b)
{
    const int order = memcmp(a, b, n_a < n_b ? n_a : n_b);
    return order ? order : (n_a > n_b) - (n_a < n_b);
}

static int compare_pieces(const void *a, const void *b, void *pieces)
{
    const struct piece *p = (const struct piece *)pieces + *(const int32_t *)a;
    const struct piece *q = (const struct piece *)pieces + *(const int32_t *)b;
    const int order = compare(p->bytes, p->n_bytes, q->bytes, q->n_bytes);
    return order ? order : *(const int32_t *)a - *(const int32_t *)b;
}

/* The first token with this text, or -1. */
static int32_t find(const struct tokenizer *t, const char *text, size_t n)
{
    uint32_t low = 0, high = t->n_pieces;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const struct piece *piece = &t->pieces[t->by_text[middle]];
        if (compare(piece->bytes, piece->n_bytes, text, n) < 0) low = middle + 1;
        else high = middle;
    }
    if (low == t->n_pieces) return -1;
    const struct piece *piece = &t->pieces[t->by_text[low]];
    return compare(piece->bytes, piece->n_bytes, text, n) == 0 ? t->by_text[low] : -1;
}

static enum tg_status parse(struct reader *r, struct tokenizer *t, struct failure *failure)
{
    int32_t longest;
    if (!read_word(r, &longest)) return cut_off(r, 0, t->n_pieces, failure);
    t->pieces = calloc(t->n_pieces, sizeof *t->pieces);
    t->by_text = calloc(t->n_pieces, sizeof *t->by_text);
    t->text = malloc(r->n_bytes + t->n_pieces);
    if (!t->pieces || !t->by_text || !t->text)
        return failure_set(failure, TG_ERR_MEMORY, "no memory for %u pieces of text", t->n_pieces);
    const enum tg_status status = read_pieces(r, t, failure);
    if (status != TG_OK) return status;
    for (uint32_t i = 0; i < t->n_pieces; i++) t->by_text[i] = (int32_t)i;
    qsort_r(t->by_text, t->n_pieces, sizeof *t->by_text, compare_pieces, t->pieces);
    return TG_OK;
}

enum tg_status tokenizer_read(const char *path, uint32_t n_pieces, struct tokenizer *out, struct failure *failure)
{
    struct tokenizer t = {.n_pieces = n_pieces};
    struct reader r = {.path = path};
    void *bytes;
    enum tg_status status = file_read(path, &bytes, &r.n_bytes, failure);
    if (status != TG_OK) return status;
    r.bytes = bytes;
    status = parse(&r, &t, failure);
    free(bytes);
    if (status == TG_OK) *out = t;
    else tokenizer_free(&t);
    return status;
}

void tokenizer_free(struct tokenizer *tokenizer)
{
    free(tokenizer->pieces);
    free(tokenizer->by_text);
    free(tokenizer->text);
    memset(tokenizer, 0, sizeof *tokenizer);
}

/* ---- text to tokens ---------------------------------------------------------------------------------------------- */

/* Bytes of the character that `text` begins with, as far as its form says. */
static size_t character_bytes(const char *text)
{
    size_t n = 1;
    while (n < 4 && ((unsigned char)text[n] & 0xC0) == 0x80) n++;
    return n;
}

/* Append the tokens of one character: its piece, or the tokens of its bytes. */
static bool put_character(const struct tokenizer *t, const char *text, size_t n, int32_t *tokens, uint32_t *n_tokens)
{
    const int32_t token = find(t, text, n);
    if (token >= 0) {
        tokens[(*n_tokens)++] = token;
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t byte = TOKEN_BYTE_0 + (uint32_t)(unsigned char)text[i];
        if (byte >= t->n_pieces || !t->pieces[byte].is_byte) return false;
        tokens[(*n_tokens)++] = (int32_t)byte;
    }
    return true;
}

/* The token of the pieces of two tokens behind each other, or -1. `text` has room for both. */
static int32_t joined(const struct tokenizer *t, int32_t a, int32_t b, char *text)
{
    const struct piece *p = &t->pieces[a], *q = &t->pieces[b];
    memcpy(text, p->bytes, p->n_bytes);
    memcpy(text + p->n_bytes, q->bytes, q->n_bytes);
    return find(t, text, p->n_bytes + q->n_bytes);
}

/* Join the pair whose piece has the highest score, the first of equal ones, until no pair is a piece. The pieces that
 * neighbours would form are kept, so that a step looks up two of them. */
static void join_pairs(const struct tokenizer *t, int32_t *tokens, int32_t *pairs, uint32_t *n_tokens, char *text)
{
    uint32_t n = *n_tokens;
    for (uint32_t i = 0; i + 1 < n; i++) pairs[i] = joined(t, tokens[i], tokens[i + 1], text);
    for (;;) {
        float best_score = -FLT_MAX;
        uint32_t best = n;
        for (uint32_t i = 0; i + 1 < n; i++) {
            if (pairs[i] < 0 || !(t->pieces[pairs[i]].score > best_score)) continue;
            best_score = t->pieces[pairs[i]].score;
            best = i;
        }
        if (best == n) break;
        tokens[best] = pairs[best];
        memmove(tokens + best + 1, tokens + best + 2, (n - best - 2) * sizeof *tokens);
        memmove(pairs + best, pairs + best + 1, (n - best - 1) * sizeof *pairs);
        n--;
        if (best > 0) pairs[best - 1] = joined(t, tokens[best - 1], tokens[best], text);
        if (best + 1 < n) pairs[best] = joined(t, tokens[best], tokens[best + 1], text);
    }
    *n_tokens = n;
}

static enum tg_status encode(const struct tokenizer *t, const char *text, int32_t *tokens, uint32_t *n_tokens,
                             struct failure *failure)
{
    *n_tokens = 0;
    tokens[(*n_tokens)++] = TOKEN_BEGIN;
    if (!*text) return TG_OK;
    /* A text is encoded as if a space stood before it. */
    bool known = put_character(t, " ", 1, tokens, n_tokens);
    for (const char *at = text; *at && known;) {
        const size_t n = character_bytes(at);
        known = put_character(t, at, n, tokens, n_tokens);
        at += n;
    }
    if (known) return TG_OK;
    return failure_set(failure, TG_ERR_ARGUMENT, "a character of the prompt is in no piece of the tokenizer: %s", text);
}

enum tg_status tokenizer_encode(const struct tokenizer *t, const char *text, int32_t **tokens, uint32_t *n_tokens,
                                struct failure *failure)
{
    const size_t most = strlen(text) + 2;
    uint32_t longest = 0;
    for (uint32_t i = 0; i < t->n_pieces; i++)
        if (t->pieces[i].n_bytes > longest) longest = t->pieces[i].n_bytes;
    int32_t *found = most < INT32_MAX ? malloc(2 * most * sizeof *found) : NULL;
    char *pair = malloc(2 * (size_t)longest + 1);
    enum tg_status status = TG_OK;
    if (!found || !pair) status = failure_set(failure, TG_ERR_MEMORY, "no memory for a prompt of %zu bytes", most - 2);
    if (status == TG_OK) status = encode(t, text, found, n_tokens, failure);
    if (status == TG_OK) {
        uint32_t n_text = *n_tokens - 1; /* all but TOKEN_BEGIN */
        if (n_text) join_pairs(t, found + 1, found + most, &n_text, pair);
        *n_tokens = n_text + 1;
        *tokens = found;
        found = NULL;
    }
    free(found);
    free(pair);
    return status;
}

/* ---- tokens to text ---------------------------------------------------------------------------------------------- */

const char *tokenizer_text(const struct tokenizer *tokenizer, int32_t before, int32_t token)
{
    const struct piece *piece = &tokenizer->pieces[token];
    if (piece->is_byte) return piece->byte;
    /* The space that encoding puts before a text. */
    return before == TOKEN_BEGIN && piece->bytes[0] == ' ' ? piece->bytes + 1 : piece->bytes;
}
