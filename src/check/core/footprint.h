/* footprint.h - which bytes of which buffers an instruction reads and writes. */
#ifndef TG_CHECK_CORE_FOOTPRINT_H
#define TG_CHECK_CORE_FOOTPRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "tile/table.h"

struct tg_operand {
    const struct tg_tile *tile;
    enum tg_use use; /* TG_USE_READ, TG_USE_WRITE or TG_USE_SCRATCH */
};

/* An operand that is read and written counts twice. */
enum { TG_OPERANDS_MAX = 2 * TG_SLOTS };

/* The tiles that an instruction which has passed the rules uses: first those it reads, then scratch, then those it
 * writes. Returns how many. */
int tg_footprint(const struct tg_instr *instr, struct tg_operand operands[TG_OPERANDS_MAX]);

/* Bytes [low, high) of a buffer. */
struct tg_bytes {
    uint32_t low, high;
};

/*
 * The bytes of a tile that are meant: run `idx` of contiguous bytes, in address order. false: there is no such run.
 *
 * Vec: its valid rows (or columns). Acc: the valid rows of each column of fractals. Mat, Left and Right: all of the tile,
 * because what fills it writes the padding, too.
 */
bool tg_tile_run(const struct tg_tile *tile, uint32_t idx, struct tg_bytes *run);

/* From the first to the last byte that is meant. */
struct tg_bytes tg_tile_span(const struct tg_tile *tile);

/* All that the tile occupies. */
struct tg_bytes tg_tile_extent(const struct tg_tile *tile);

/* Do [a] and [b] mean a byte in common? They are of one kind. */
bool tg_tiles_meet(const struct tg_tile *a, const struct tg_tile *b, struct tg_bytes *common);

#endif
