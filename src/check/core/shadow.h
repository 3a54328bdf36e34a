/*
 * shadow.h - the history of every byte of one buffer: the operand that wrote it last, and the operands that have read
 * it since.
 *
 * Segments in address order cover the buffer without gaps. An operand covers the bytes that it uses, row by row. Equal
 * neighbours are joined. So there are about as many segments as rows of adjacent tiles.
 *
 *     0                 0x4000               0x5000                          capacity
 *     | TLOAD, line 40  | TMULS, line 51     | not written yet               |
 *
 * A list of touches describes each operand once; segments hold its number. A full list drops the touches without a
 * segment. So it grows with the contents of the buffer, not with the length of the kernel.
 */
#ifndef TG_CHECK_CORE_SHADOW_H
#define TG_CHECK_CORE_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "check/core/order.h"
#include "tile/footprint.h"

/* Pipes that read one buffer: V or M or MTE1; MTE3 or FIX; S. */
enum { TG_READERS = 3 };

/* One operand of one instruction. */
struct tg_touch {
    struct tg_mark mark;
    struct tg_tile tile; /* its valid part is what was used */
    bool scratch;        /* written with contents that have no meaning */
    uint32_t visit;      /* the last tg_shadow_visit that has met it */
};

struct tg_segment {
    uint32_t low;                /* it ends where the next begins */
    uint32_t writer;             /* number of a touch; 0: no writer */
    uint32_t reader[TG_READERS]; /* since the last write, the latest of each pipe */
};

struct tg_shadow {
    struct tg_segment *segments; /* [n], owned; followed by one that begins at the buffer's end */
    struct tg_touch *touches;    /* [n_touches], owned; number 0 stands for no touch */
    uint32_t n, n_touches;
    size_t capacity, touches_max;
    uint32_t n_visits;
    uint32_t buffer_bytes;
};

/* Errors: false, no memory. */
bool tg_shadow_init(struct tg_shadow *shadow, uint32_t buffer_bytes);
void tg_shadow_fini(struct tg_shadow *shadow);

/* A kernel begins: no byte is written. */
void tg_shadow_begin(struct tg_shadow *shadow);

/* A new touch. Numbers that were given before hold until then. 0: no memory. */
uint32_t tg_shadow_touch(struct tg_shadow *shadow, const struct tg_mark *mark, const struct tg_operand *operand);

/* The segments of [bytes], split at its ends: positions [*first, *last). false: no memory. */
bool tg_shadow_cut(struct tg_shadow *shadow, struct tg_bytes bytes, uint32_t *first, uint32_t *last);

/* Begin a walk over an operand's bytes; then: does the walk meet this touch for the first time? false for number 0. */
void tg_shadow_visit(struct tg_shadow *shadow);
bool tg_shadow_meet(struct tg_shadow *shadow, uint32_t touch);

/* The index of a pipe in `reader`. */
static inline int tg_shadow_reader(enum tg_pipe pipe)
{
    return pipe == PIPE_S ? 2 : pipe == PIPE_MTE3 || pipe == PIPE_FIX;
}

/* A touch has written segments [first, last), which tg_shadow_cut returned. They become one segment, joined with
 * neighbours that the touch has also written. */
void tg_shadow_write(struct tg_shadow *shadow, uint32_t first, uint32_t last, uint32_t touch);

#endif
