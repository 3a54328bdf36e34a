/*
 * cube.h - what the two cube kernels share: their buffers, and the steps in which they work off a span of KV blocks.
 *
 * A tile is up to SIDE tokens: several small blocks next to each other, a block, or a part of a large one. A slice is
 * up to SIDE elements of the dimension. A slice of a tile is a step. Steps go through the slices of a tile first.
 *
 *     blocks of 48 tokens      [ 0      | 1      ] [ 2      | 3   ]       tiles of two blocks; the last block is short
 *     blocks of 200 tokens     [ 0         ][    ] [ 1         ][ ]       tiles of 128 and of 72 tokens
 */
#ifndef TG_ATTENTION_CUBE_H
#define TG_ATTENTION_CUBE_H

#include "rows.h"

#define SIDE 128u
#define PART (SIDE * SIDE * 4u) /* bytes of the largest tile */
#define SETS 2u                 /* of buffers, on which steps take turns */
#define L0_BYTES 65536u         /* of L0A, and of L0B */

/* A span, and how span_make divides it. */
struct span {
    const int64_t *blocks; /* device addresses */
    uint32_t tokens, block_tokens;
    uint32_t dim;
    bool several;        /* a tile has several blocks */
    uint32_t n_slices;   /* of dim */
    uint32_t slice_most; /* elements of the largest slice */
    uint32_t tile_most;  /* tokens that a tile has room for; with several blocks, whole ones */
    uint32_t block_most; /* tokens that a block has room for in a tile */
};

struct step {
    uint32_t at, n; /* the tile's tokens; n 0: behind the last */
    uint32_t slice;
};

/* A cube tile of rows x cols elements in the place of one of up to most_rows x most_cols. Tiles that take turns at a
 * place have one size: a smaller one would leave a part of the tile before it, which `cpu` would have to keep. */
static inline struct tg_tile cube_at(uint32_t kind, uint32_t dtype, uint32_t rows, uint32_t cols, uint32_t most_rows,
                                     uint32_t most_cols, uint32_t offset)
{
    struct tg_tile tile = tg_tile_cube(kind, dtype, most_rows, most_cols);
    tile.valid_rows = rows;
    tile.valid_cols = cols;
    return place(tile, offset);
}

/* The side of a fractal along the elements of 32 bytes. */
static inline uint32_t fractal_side(uint32_t dtype) { return tg_dtype_bytes(dtype) == 1 ? 32 : 16; }

/* Tokens of the tile that begins at token `at`. */
static inline uint32_t tile_tokens(const struct span *s, uint32_t at)
{
    const uint32_t most = s->several ? SIDE / s->block_tokens * s->block_tokens
                                     : s->block_tokens - at % s->block_tokens;
    return least(least(most, SIDE), s->tokens - at);
}

/* Tiles have several blocks if these are small and fill whole fractals, which have `unit` tokens of the operand. 0: the
 * operand's layout does not allow it. */
static inline struct span span_make(const int64_t *blocks, uint32_t tokens, uint32_t block_tokens, uint32_t dim,
                                    uint32_t unit)
{
    struct span s = {.blocks = blocks, .tokens = tokens, .block_tokens = block_tokens, .dim = dim};
    s.several = unit > 0 && block_tokens < SIDE && block_tokens % unit == 0;
    s.n_slices = (dim + SIDE - 1) / SIDE;
    s.slice_most = least(dim, SIDE);
    s.tile_most = tile_tokens(&s, 0);
    if (s.several) s.tile_most = (s.tile_most + block_tokens - 1) / block_tokens * block_tokens;
    s.block_most = s.several ? block_tokens : s.tile_most;
    return s;
}

static inline struct step first_step(const struct span *s)
{
    const struct step first = {0, tile_tokens(s, 0), 0};
    return first;
}

static inline struct step step_after(const struct span *s, struct step step)
{
    if (++step.slice < s->n_slices) return step;
    step.slice = 0;
    step.at += step.n;
    step.n = tile_tokens(s, step.at);
    return step;
}

static inline uint32_t count_steps(const struct span *s)
{
    uint32_t n = 0;
    for (struct step step = first_step(s); step.n > 0; step = step_after(s, step)) n++;
    return n;
}

/* Elements of dim in a slice. */
static inline uint32_t slice_dims(const struct span *s, uint32_t slice) { return least(SIDE, s->dim - slice * SIDE); }

/* Tokens that the step's tile has from one block, from token `at` on. */
static inline uint32_t tokens_of_block(const struct span *s, struct step step, uint32_t at)
{
    return least(s->block_tokens - at % s->block_tokens, step.at + step.n - at);
}

/* The device address of the block that holds token `at`. */
static inline uint64_t block_of(const struct span *s, uint32_t at)
{
    return tg_arg_addr(s->blocks[at / s->block_tokens]);
}

#endif
