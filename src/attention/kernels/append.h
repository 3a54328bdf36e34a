/*
 * append.h - what the host tells the plugin about an append, and the plugin its tasks.
 *
 * A piece is rows of consecutive tokens that go into one block: row r of the new tokens, and the r-th row behind it, go
 * to token slot s of the block, and to the slot behind it.
 *
 *     new rows of a sequence      [ a b c d e f g ]
 *     blocks of 4 token slots     [ . . a b ] [ c d e f ] [ g . . . ]        three pieces
 */
#ifndef TG_ATTENTION_APPEND_H
#define TG_ATTENTION_APPEND_H

#include <stdint.h>

/* The tensors of a run: the descriptor, then new keys and values, then those of the cache. Optional ones follow; the
 * descriptor has their numbers. */
enum { APPEND_DESCRIPTOR, APPEND_KEY_ROWS, APPEND_VALUE_ROWS, APPEND_KEYS, APPEND_VALUES, APPEND_TENSORS };

struct append_piece {
    uint32_t row;      /* the first of the new tokens, counted through all sequences */
    uint32_t n;        /* tokens */
    uint32_t block;    /* of the cache */
    uint32_t slot;     /* the first token slot in the block */
    uint32_t position; /* of the first token in its sequence */
};

/* Where the rows of one kind, keys or values, come from and go to. Distances are in elements. */
struct append_side {
    int64_t from_token, from_head;
    int64_t to_block, to_head, to_token, to_dim; /* one of to_token and to_dim is 1 */
    uint32_t dim, from_dtype, to_dtype;
    float scale;     /* of 8-bit elements: element = number / scale, or / (scale * that of the block and head) */
    uint32_t scales; /* tensor, fp32 [block][head], of which appends choose the elements; 0: none */
};

/* The descriptor; pieces[n_pieces] follow it. */
struct append {
    struct append_side sides[2]; /* keys, values */
    uint32_t heads, n_pieces;
    uint32_t rows_of_task; /* tokens of a task, roughly */
    uint32_t rotated;      /* dimensions of a key; 0: none */
    uint32_t positions;    /* rows of the rotary tables */
    uint32_t rotary;       /* tensor of step.h; 0: none */
};

/* The arguments of aiv_append.c and aiv_append_scaled.c, by number. */
enum append_argument {
    AP_FROM, /* device address of row 0 of the new tokens */
    AP_TO,   /* device address of the cache's keys or values */
    AP_FROM_TOKEN,
    AP_FROM_HEAD,
    AP_TO_BLOCK,
    AP_TO_HEAD,
    AP_TO_TOKEN,
    AP_TO_DIM,
    AP_DIM,
    AP_HEADS,
    AP_FROM_DTYPE,
    AP_TO_DTYPE,
    AP_FACTOR,   /* float: element = number * factor */
    AP_ROTATED,  /* the first dimensions, an even number; 0: none */
    AP_COS,      /* device addresses: fp32 [positions][AP_ROTATED] ... */
    AP_SIN,      /* ... the same ... */
    AP_INDEX,    /* ... and int32 [slice rows][AP_ROTATED] */
    AP_SCALES,   /* device address of fp32 [block][AP_HEADS], read and written; aiv_append.c has none */
    AP_N_PIECES, /* 1 to APPEND_PIECES_MAX; then row, n, block, slot and position of each */
    AP_PIECES
};
enum { APPEND_PIECE_WORDS = 5, APPEND_PIECES_MAX = 200 };

#endif
