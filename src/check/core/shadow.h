/*
 * shadow.h - what is known of every byte of one buffer: who wrote it last, as part of which tile, and who has read it
 * since.
 *
 * Segments in address order cover the buffer without gaps; a write makes one segment of all that it covers, so that there
 * are about as many as tiles that live side by side:
 *
 *     0                 0x4000               0x5000                          capacity
 *     | TLOAD, line 40  | TMULS, line 51     | nobody has written here       |
 *
 * Beside them a bit for every byte, the smallest element: written by the kernel that runs, and not by way of
 * scratch.
 *
 * A segment spans an operand from its first to its last byte. Where two operands with gaps lie inside each other, the last
 * one is what is remembered: of such tiles something can be missed, nothing is invented, because what a segment makes
 * suspicious is looked at again byte by byte.
 */
#ifndef TG_CHECK_CORE_SHADOW_H
#define TG_CHECK_CORE_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "check/core/footprint.h"
#include "check/core/order.h"

/* Pipes that read one buffer at most: V, MTE3 and S (UB), M and FIX (L0C), MTE1 (L1), M (L0A, L0B). */
enum { TG_READERS = 3 };

struct tg_segment {
    uint32_t low; /* it ends where the next begins */
    struct tg_mark writer;
    struct tg_tile written_as, read_as[TG_READERS];
    struct tg_mark reader[TG_READERS]; /* since the last write, the latest of each pipe */
};

struct tg_shadow {
    struct tg_segment *segments; /* [n], owned; with one more behind them that begins at the buffer's end */
    uint32_t n, capacity;
    uint32_t buffer_bytes;
    uint64_t *written; /* owned; a bit for every byte */
};

/* Errors: false, no memory. */
bool tg_shadow_init(struct tg_shadow *shadow, uint32_t buffer_bytes);
void tg_shadow_fini(struct tg_shadow *shadow);

/* A kernel begins: nothing is written. */
void tg_shadow_begin(struct tg_shadow *shadow);

/* The segments of [bytes], split at its ends: positions [*first, *last). false: no memory. */
bool tg_shadow_cut(struct tg_shadow *shadow, struct tg_bytes bytes, uint32_t *first, uint32_t *last);

/* Where a pipe's reads are remembered. */
static inline int tg_shadow_reader(enum tg_pipe pipe)
{
    return pipe == PIPE_S ? 2 : pipe == PIPE_MTE3 || pipe == PIPE_FIX;
}

/* `mark` has written segments [first, last), which tg_shadow_cut gave, as `tile`: they become one. */
void tg_shadow_write(struct tg_shadow *shadow, uint32_t first, uint32_t last, const struct tg_mark *mark,
                     const struct tg_tile *tile);

/* The first byte of [bytes] that is not written; bytes.high: all are. */
uint32_t tg_shadow_unwritten(const struct tg_shadow *shadow, struct tg_bytes bytes);
void tg_shadow_set_written(struct tg_shadow *shadow, struct tg_bytes bytes, bool written);

#endif
