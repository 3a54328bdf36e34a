/* footprint.h - which bytes of which buffers an instruction reads and writes, and whether the next one sees them. */
#ifndef TG_TILE_FOOTPRINT_H
#define TG_TILE_FOOTPRINT_H

#include <stdbool.h>
#include <stdint.h>

#include "tile/table.h"

/* Bytes [low, high) of a buffer. */
struct tg_bytes {
    uint32_t low, high;
};

/* A tile whose valid part is exactly the part that the instruction uses, or contains the elements that it uses. */
struct tg_operand {
    struct tg_tile tile;
    enum tg_use use;             /* TG_USE_READ, TG_USE_WRITE or TG_USE_SCRATCH */
    uint8_t slot;                /* enum tg_slot */
    const struct tg_bytes *runs; /* [n_runs], borrowed: the used bytes; NULL: those of the valid part */
    size_t n_runs;
};

/* An operand that is both read and written counts twice, and so does the target of a load. */
enum { TG_OPERANDS_MAX = 2 * TG_SLOTS };

/*
 * The tiles of an instruction that has passed the rules: first the ones that it reads, then scratch, then the ones that
 * it writes. Returns their number.
 *
 * A Mat, Left or Right tile is written as a whole: the area outside its valid part becomes zero. A TLOAD into UB leaves
 * the end of each row undefined, up to the next multiple of 32 bytes: that is scratch. Bytes after that do not change.
 * (Source: pto-isa at 3186c381, TLoad of A2/A3 with PadValue::Null.)
 */
int tg_footprint(const struct tg_instr *instr, struct tg_operand operands[TG_OPERANDS_MAX]);

/*
 * The bytes of a tile's valid part: run `idx` of contiguous bytes, in address order. false: there is no such run.
 *
 * Vec: valid rows, or columns. Mat, Acc: the valid rows of each column of fractals. Left, Right: the fractals that hold
 * valid elements.
 */
bool tg_tile_run(const struct tg_tile *tile, uint32_t idx, struct tg_bytes *run);

/* The same for the bytes that an operand uses. */
bool tg_operand_run(const struct tg_operand *operand, uint32_t idx, struct tg_bytes *run);

/* Do [a] and [b] use a byte in common? They are of one kind. *common: the first ones. */
bool tg_tiles_meet(const struct tg_tile *a, const struct tg_tile *b, struct tg_bytes *common);

/* Are all bytes that `inner` uses among those of `outer`? They are of one kind. */
bool tg_tile_inside(const struct tg_tile *inner, const struct tg_tile *outer);

/*
 * Is one tile a part of the other in element positions: does each shared element mean the same in both? Both tiles are
 * of one kind. A line is a row or column of a Vec tile, or a row or column of fractals. Elements are of one type, lines
 * are equally far apart, and lines of one are parts of lines of the other. A single line is a part of every tile of its
 * type.
 */
bool tg_tiles_agree(const struct tg_tile *a, const struct tg_tile *b);

/* Does the next instruction of its pipe see the result of `instr` without a barrier? */
bool tg_instr_is_interlocked(const struct tg_instr *instr);

/* Is each element of `a` at the place of the same element of `b`, with the same size? Both are in UB. */
bool tg_tiles_coincide(const struct tg_tile *a, const struct tg_tile *b);

#endif
