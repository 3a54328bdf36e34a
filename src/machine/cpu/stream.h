/* stream.h - the device memory that a core is about to read, and how far ahead of its use it is prefetched.
 *
 *     ranges, in the order of their use      |range|range|range|
 *                                             used ^   ^ prefetched up to here
 *
 * The producer adds ranges that will be read. The consumer reports the lines that it has read, and about as many lines
 * are prefetched. So the memory stays busy across the ends of tiles. Instructions that read nothing prefetch a reserve;
 * readers use it up by prefetching somewhat less than they read.
 *
 * The reserve is most of a tile of 32 KiB or more. A product reads a part of each row of a tile before it turns to the
 * next part, but rows are prefetched whole. With 4 KiB ahead, the lines that it needed first were often not there yet.
 * Measured on Zen 4, a tile of 128 x 128 bf16 from memory: 16 rows of left in 3.3 us instead of 4.7, one row in 1.7
 * instead of 2.6.
 *
 * Adding a range touches each of its pages once. The pages of a cache's blocks are scattered over memory. Without the
 * touch the first reader of a page would wait for the page-table walk, which is longer in a virtual machine. */
#ifndef TG_MACHINE_CPU_STREAM_H
#define TG_MACHINE_CPU_STREAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    TG_STREAM_RANGES = 32,
    TG_LINE_BYTES = 64,
    TG_PAGE_BYTES = 4096,       /* the smallest page of the machine, or of its host */
    TG_STREAM_AHEAD = 384,      /* least number of prefetched lines, in L2 */
    TG_STREAM_AHEAD_MOST = 768, /* with the reserve */
    TG_STREAM_IDLE_LINES = 16   /* added to the reserve by an instruction that reads nothing */
};

/* Rows of whole lines that are `stride` bytes apart. */
struct tg_stream_range {
    const uint8_t *at;
    size_t stride;
    uint32_t n_rows, row_lines;
};

/* Writer: the thread of the core. */
struct tg_stream {
    struct tg_stream_range ranges[TG_STREAM_RANGES]; /* a ring; [first] is being prefetched */
    uint32_t first, n_ranges;
    const uint8_t *at; /* the next line to prefetch */
    uint32_t n_lines;  /* of the row, from `at` on */
    uint32_t n_ahead;  /* lines prefetched and not yet used */
};

static inline void tg_stream_clear(struct tg_stream *s) { s->first = s->n_ranges = s->n_lines = s->n_ahead = 0; }

/* Take the next row. */
static inline void tg_stream_advance(struct tg_stream *s)
{
    if (s->n_ranges == 0) return;
    struct tg_stream_range *range = &s->ranges[s->first];
    s->at = range->at;
    s->n_lines = range->row_lines;
    range->at += range->stride;
    if (--range->n_rows > 0) return;
    s->first = (s->first + 1) % TG_STREAM_RANGES;
    s->n_ranges--;
}

/* Prefetch the next n lines, or as many as there are. */
static inline void tg_stream_ask(struct tg_stream *s, uint32_t n)
{
    while (n > 0 && s->n_lines > 0) {
        const uint32_t part = n < s->n_lines ? n : s->n_lines;
        for (uint32_t i = 0; i < part; i++) __builtin_prefetch(s->at + (size_t)i * TG_LINE_BYTES, 0, 2);
        s->at += (size_t)part * TG_LINE_BYTES;
        s->n_lines -= part;
        s->n_ahead += part;
        n -= part;
        if (s->n_lines == 0) tg_stream_advance(s);
    }
}

/* Load the first line of each page of the range, and with it the page's translation. */
static inline void tg_stream_touch(const struct tg_stream_range *range)
{
    const size_t row_bytes = (size_t)range->row_lines * TG_LINE_BYTES;
    const uint8_t *row = range->at, *touched = NULL;
    for (uint32_t i = 0; i < range->n_rows; i++, row += range->stride) {
        for (size_t at = 0; at < row_bytes; at += TG_PAGE_BYTES) {
            if (touched && (size_t)(row + at - touched) < TG_PAGE_BYTES) continue;
            touched = row + at;
            __builtin_prefetch(touched, 0, 2);
        }
    }
}

/* This range will be read after all others. A full ring drops it: then it is not prefetched. */
static inline void tg_stream_add(struct tg_stream *s, struct tg_stream_range range)
{
    if (s->n_ranges == TG_STREAM_RANGES || range.n_rows == 0 || range.row_lines == 0) return;
    tg_stream_touch(&range);
    s->ranges[(s->first + s->n_ranges++) % TG_STREAM_RANGES] = range;
    if (s->n_lines == 0) tg_stream_advance(s);
}

/* The core has read n lines. */
static inline void tg_stream_used(struct tg_stream *s, uint32_t n)
{
    s->n_ahead = s->n_ahead > n ? s->n_ahead - n : 0;
    if (s->n_ahead + n < TG_STREAM_AHEAD) tg_stream_ask(s, 2 * n);
    else tg_stream_ask(s, s->n_ahead < TG_STREAM_AHEAD ? n : n - n / 4);
}

/* The core has read n lines, and has prefetched as many itself: the stream passes over them. */
static inline void tg_stream_passed(struct tg_stream *s, uint32_t n)
{
    while (n > 0 && s->n_lines > 0) {
        const uint32_t part = n < s->n_lines ? n : s->n_lines;
        s->at += (size_t)part * TG_LINE_BYTES;
        s->n_lines -= part;
        n -= part;
        if (s->n_lines == 0) tg_stream_advance(s);
    }
    s->n_ahead = s->n_ahead > n ? s->n_ahead - n : 0; /* the stream has ended */
}

/* An instruction has read nothing, but takes time. */
static inline void tg_stream_idle(struct tg_stream *s)
{
    if (s->n_lines > 0 && s->n_ahead < TG_STREAM_AHEAD_MOST) tg_stream_ask(s, TG_STREAM_IDLE_LINES);
}

#endif
