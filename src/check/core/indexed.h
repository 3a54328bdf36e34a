/*
 * indexed.h - the elements that TGATHER reads and TSCATTER writes. Their indices are contents of a tile, so the check
 * reads that tile.
 *
 *     TGATHER    dst[r][c] = element index[r][c] of src, counted from src's start      reads these elements
 *     TSCATTER   dst[index[r][c]][c] = src[r][c]                                       writes these elements
 */
#ifndef TG_CHECK_CORE_INDEXED_H
#define TG_CHECK_CORE_INDEXED_H

#include "tile/buffers.h"
#include "tile/footprint.h"

struct tg_indexed {
    struct tg_bytes *runs; /* [n], owned: the elements' bytes in address order, adjacent ones joined */
    size_t n, capacity;
    bool has_outside;  /* an index is outside of the tile that it is for */
    int64_t outside;   /* the first such index */
    uint32_t row, col; /* its place */
};

void tg_indexed_fini(struct tg_indexed *indexed);

/* The slot of the tile that an instruction accesses by index; TG_SLOTS: it has no such tile. */
uint32_t tg_indexed_slot(const struct tg_instr *instr);

/* The elements of an instruction that has such a slot. `buffers`: contents as the instruction finds them. false: no
 * memory. */
bool tg_indexed_find(struct tg_indexed *indexed, const struct tg_instr *instr, const struct tg_buffers *buffers);

#endif
