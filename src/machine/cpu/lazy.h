/*
 * lazy.h - a cube core that copies as little as possible. It only notes loads into L1 and moves into L0A and L0B; a
 * product reads its operands in place, in device memory.
 *
 *     TLOAD  device memory -> Mat             a tile of one part: the place of its columns in device memory. A ZN tile
 *                                             of 2-byte elements is turned: the product transposes pieces of it
 *     TMOV   Mat -> Left, Right               the parts of the Mat tiles of its source, side by side
 *     TMATMUL                                 products of the tiles of the right operand, into the real L0C
 *
 * The results stay the same. Some cases need bytes in a buffer: a tile that was loaded in pieces of another shape, a
 * load of columns, a store into device memory that a part refers to. Then tiles are materialised: their bytes
 * are written into the buffer, and the instruction is executed on the bytes.
 */
#ifndef TG_MACHINE_CPU_LAZY_H
#define TG_MACHINE_CPU_LAZY_H

#include "machine/cpu/product.h"
#include "tile/execute.h"

enum {
    TG_LAZY_TILES = 64, /* in a buffer */
    TG_LAZY_PARTS = 16, /* of a tile */
    TG_LAZY_LOADS = 32  /* remembered between two products: two tiles of small blocks, and left */
};

/* Columns of a tile, and their place. */
struct tg_lazy_part {
    const uint8_t *at;   /* of the first element in device memory */
    size_t ld, panel_ld; /* elements from row to row there, and from one panel of 32 bytes to the next */
    uint32_t col, n_cols;
};

/* A tile that is not in its buffer. */
struct tg_lazy_tile {
    uint32_t low, high;      /* its byte range in the buffer */
    uint32_t rows, cols;     /* static size */
    uint32_t n_rows, n_cols; /* valid ones */
    uint32_t dtype;
    bool turned;      /* rows are neighbours in device memory, and ld goes from column to column; one part */
    uint32_t n_parts; /* parts lie side by side; each has all rows */
    struct tg_lazy_part parts[TG_LAZY_PARTS];
};

/* The tiles of one buffer, in the order in which their places were first filled. No two overlap. A kernel fills and
 * reads places in turn, so a search begins after the last hit. */
struct tg_lazy_buffer {
    struct tg_lazy_tile tiles[TG_LAZY_TILES];
    uint32_t n;
    uint32_t next_filled, next_read;
};

/* Writer: the thread of the core. */
struct tg_lazy {
    const struct tg_buffers *buffers; /* destination of materialised bytes; owned by the core */
    const struct tg_product_variant *product;
    struct tg_lazy_buffer of_kind[TG_RIGHT + 1]; /* by enum tg_tile_kind: Mat, Left, Right */
    struct tg_stream stream;
    struct tg_lazy_part loaded[TG_LAZY_LOADS]; /* by TLOADs since the last product, in their order */
    uint32_t n_loaded;
    struct {
        const uint8_t *at; /* of its part; NULL: no tile */
        uint32_t low;
    } widened; /* the Left tile that the scratch holds as fp32 */
};

/* A task begins: no load of an earlier task counts any more. */
void tg_lazy_begin(struct tg_lazy *lazy);

/* As tg_execute, for an instruction of a cube core. */
void tg_lazy_execute(struct tg_lazy *lazy, const struct tg_instr *instr);

/* Write the bytes of a tile into its buffer, where they are only noted. Execution goes on as before. */
void tg_lazy_materialise(const struct tg_lazy *lazy, const struct tg_tile *tile);

#endif
