/*
 * tokenizer.h - text to tokens and back: byte pair encoding by the vocabulary files of llama2.c.
 *
 *     int32   the length of the longest piece
 *     for each token: fp32 score, int32 length, bytes of its piece
 *
 * Token 0 is unknown, 1 begins a text, 2 ends it, and 3 + b is byte b.
 */
#ifndef EXAMPLES_LLAMA_TOKENIZER_H
#define EXAMPLES_LLAMA_TOKENIZER_H

#include <stdint.h>

#include "failure.h"

enum { TOKEN_BEGIN = 1, TOKEN_END = 2, TOKEN_BYTE_0 = 3 };

struct piece {
    const char *bytes; /* ends with a zero */
    uint32_t n_bytes;
    float score;
    char byte[2]; /* of a token that stands for one byte; bytes is "<0x0A>" then */
    uint8_t is_byte;
};

struct tokenizer {
    struct piece *pieces; /* [n_pieces] */
    int32_t *by_text;     /* [n_pieces] tokens in the order of their pieces */
    uint32_t n_pieces;
    char *text; /* that pieces point into */
};

/*
 * Read the file `path`, which has to have n_pieces pieces: those of the model's vocabulary.
 *
 * Owns      *out until tokenizer_free, after success only
 * Errors    TG_ERR_FILE    the file cannot be read, is damaged, or belongs to another model
 *           TG_ERR_MEMORY
 */
enum tg_status tokenizer_read(const char *path, uint32_t n_pieces, struct tokenizer *out, struct failure *failure);
void tokenizer_free(struct tokenizer *tokenizer);

/*
 * The tokens of `text`, TOKEN_BEGIN first.
 *
 * Owns      *tokens is the caller's, to be freed
 * Errors    TG_ERR_ARGUMENT   a character is in no piece, and the vocabulary has no bytes
 *           TG_ERR_MEMORY
 */
enum tg_status tokenizer_encode(const struct tokenizer *tokenizer, const char *text, int32_t **tokens,
                                uint32_t *n_tokens, struct failure *failure);

/* The text of `token` behind `before`: ends with a zero, and belongs to the tokenizer. */
const char *tokenizer_text(const struct tokenizer *tokenizer, int32_t before, int32_t token);

#endif
