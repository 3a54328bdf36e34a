/*
 * rotate.h - rotary embedding of rows, on a vector core.
 *
 * The first `rotated` dimensions become x * cos + swapped x * sin. The two tables have a row for each position, with
 * signs in that of sin. Swapped x has the partner of each dimension in its place; an index says which that is.
 */
#ifndef TG_ATTENTION_ROTATE_H
#define TG_ATTENTION_ROTATE_H

#include "rows.h"

/* The tiles of n rows: index, cos, sin and swapped have [n][rotated]; scratch is int32 of this shape. */
struct rotation {
    uint32_t rotated;
    struct tg_tile index, cos, sin, swapped, scratch;
};

/* V. x: the rows in fp32, in place. */
static inline void rotate(const struct rotation *r, const struct tg_tile *x)
{
    struct tg_tile part = *x, swapped = r->swapped;
    part.valid_cols = r->rotated;
    TGATHER(swapped, *x, r->index, r->scratch);
    pipe_barrier(PIPE_V);
    TMUL(part, part, r->cos);
    TMUL(swapped, swapped, r->sin);
    pipe_barrier(PIPE_V);
    TADD(part, part, swapped);
    pipe_barrier(PIPE_V);
}

#endif
