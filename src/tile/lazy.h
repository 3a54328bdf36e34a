/*
 * lazy.h - a cube core that copies as little as it can: loads into L1 and moves into L0A and L0B are noted down, and a
 * product reads its operands where they lie in device memory.
 *
 *     TLOAD  device memory -> Mat             a part: which rectangle of the tile is where in device memory
 *     TMOV   Mat -> Left, Right               the same parts, of another tile
 *     TMATMUL                                 a product for each part of the right operand, into the real L0C
 *
 * What the instructions mean stays the same. Wherever that cannot be had without bytes in a buffer (a tile that was
 * loaded in pieces of another shape, a load of columns, a store into device memory that a part refers to), the parts are
 * settled: their bytes are written to where the instruction would have put them, and the instruction is executed.
 */
#ifndef TG_TILE_LAZY_H
#define TG_TILE_LAZY_H

#include "tile/execute.h"
#include "tile/product.h"

enum { TG_LAZY_PARTS = 64 };

/* A rectangle of a tile and where its elements are. */
struct tg_lazy_part {
    struct tg_tile tile;     /* that it belongs to: kind, type, place, static size */
    uint32_t low, high;      /* the tile's bytes in its buffer */
    uint32_t row, col;       /* of the tile: the first element */
    uint32_t n_rows, n_cols; /* elements */
    const uint8_t *at;       /* of the first element in device memory */
    size_t ld;               /* elements from row to row there */
};

/* The parts of one buffer, in the order in which their places were first filled. */
struct tg_lazy_buffer {
    struct tg_lazy_part parts[TG_LAZY_PARTS];
    uint32_t n;
};

/* Writer: the thread of the core. */
struct tg_lazy {
    const struct tg_buffers *buffers; /* where settled bytes go; owned by the core */
    const struct tg_product_variant *product;
    struct tg_lazy_buffer of_kind[TG_RIGHT + 1]; /* by enum tg_tile_kind: Mat, Left, Right */
    struct tg_stream stream;
    struct tg_lazy_part widened; /* the Left part that the scratch holds as fp32; at NULL: none */
};

/* A task begins: nothing that another one loaded is there any more. */
void tg_lazy_begin(struct tg_lazy *lazy);

/* As tg_execute, for an instruction of a cube core. */
void tg_lazy_execute(struct tg_lazy *lazy, const struct tg_instr *instr);

#endif
