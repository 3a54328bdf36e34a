/*
 * shadow.h - what is known of every byte of one buffer: which operand of which instruction wrote it last, and which have
 * read it since.
 *
 * Segments in address order cover the buffer without gaps. An operand covers the bytes that it uses, row by row, and
 * neighbours that have become equal are joined: there are about as many segments as rows of tiles that lie side by side.
 *
 *     0                 0x4000               0x5000                          capacity
 *     | TLOAD, line 40  | TMULS, line 51     | nobody has written here       |
 *
 * What an operand is stands once, in a list of touches; segments have its number. Touches that no segment has any more
 * are dropped when the list is full, so that it grows with what is in the buffer and not with the kernel.
 */
#ifndef TG_CHECK_CORE_SHADOW_H
#define TG_CHECK_CORE_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "check/core/footprint.h"
#include "check/core/order.h"

/* Pipes that read one buffer: V or M or MTE1; MTE3 or FIX; S. */
enum { TG_READERS = 3 };

/* One operand of one instruction. */
struct tg_touch {
    struct tg_mark mark;
    struct tg_tile tile; /* its valid part is what was used */
    bool scratch;        /* written with what means nothing */
    uint32_t visit;      /* the last tg_shadow_visit that has met it */
};

struct tg_segment {
    uint32_t low;                /* it ends where the next begins */
    uint32_t writer;             /* number of a touch; 0: nobody */
    uint32_t reader[TG_READERS]; /* since the last write, the latest of each pipe */
};

struct tg_shadow {
    struct tg_segment *segments; /* [n], owned; with one more behind them that begins at the buffer's end */
    struct tg_touch *touches;    /* [n_touches], owned; number 0 is nobody */
    uint32_t n, capacity;
    uint32_t n_touches, touches_max;
    uint32_t n_visits;
    uint32_t buffer_bytes;
};

/* Errors: false, no memory. */
bool tg_shadow_init(struct tg_shadow *shadow, uint32_t buffer_bytes);
void tg_shadow_fini(struct tg_shadow *shadow);

/* A kernel begins: nothing is written. */
void tg_shadow_begin(struct tg_shadow *shadow);

/* A new touch. Numbers that were given before hold until then. 0: no memory. */
uint32_t tg_shadow_touch(struct tg_shadow *shadow, const struct tg_mark *mark, const struct tg_operand *operand);

/* The segments of [bytes], split at its ends: positions [*first, *last). false: no memory. */
bool tg_shadow_cut(struct tg_shadow *shadow, struct tg_bytes bytes, uint32_t *first, uint32_t *last);

/* Begin to walk over what an operand uses; then: is this the first time that the walk meets this touch? Nobody: no. */
void tg_shadow_visit(struct tg_shadow *shadow);
bool tg_shadow_meet(struct tg_shadow *shadow, uint32_t touch);

/* Where a pipe's reads are remembered. */
static inline int tg_shadow_reader(enum tg_pipe pipe)
{
    return pipe == PIPE_S ? 2 : pipe == PIPE_MTE3 || pipe == PIPE_FIX;
}

/* A touch has written segments [first, last), which tg_shadow_cut gave: they become one, and one with a neighbour that it
 * has written, too. */
void tg_shadow_write(struct tg_shadow *shadow, uint32_t first, uint32_t last, uint32_t touch);

#endif
