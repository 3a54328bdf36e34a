#include "check/core/shadow.h"

#include <stdlib.h>
#include <string.h>

enum { UNIT_BYTES = 1, WORD_BITS = 64, SEGMENTS_MIN = 64 };

static uint32_t n_words(const struct tg_shadow *shadow) { return shadow->buffer_bytes / UNIT_BYTES / WORD_BITS; }

bool tg_shadow_init(struct tg_shadow *shadow, uint32_t buffer_bytes)
{
    shadow->buffer_bytes = buffer_bytes;
    shadow->capacity = SEGMENTS_MIN;
    shadow->segments = calloc(SEGMENTS_MIN, sizeof *shadow->segments);
    shadow->written = calloc(n_words(shadow), sizeof *shadow->written);
    if (!shadow->segments || !shadow->written) return false;
    tg_shadow_begin(shadow);
    return true;
}

void tg_shadow_fini(struct tg_shadow *shadow)
{
    free(shadow->segments);
    free(shadow->written);
    memset(shadow, 0, sizeof *shadow);
}

void tg_shadow_begin(struct tg_shadow *shadow)
{
    memset(shadow->written, 0, n_words(shadow) * sizeof *shadow->written);
    shadow->n = 1;
    shadow->segments[0] = (struct tg_segment){.low = 0};
    shadow->segments[1] = (struct tg_segment){.low = shadow->buffer_bytes};
}

/* The segment that holds byte `at`, which is inside the buffer. */
static uint32_t find(const struct tg_shadow *shadow, uint32_t at)
{
    uint32_t low = 0, high = shadow->n;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (shadow->segments[middle].low <= at) low = middle;
        else high = middle;
    }
    return low;
}

/* The position of the segment that begins at `at`, which is split off if there is none. Room is there. */
static uint32_t split(struct tg_shadow *shadow, uint32_t at)
{
    if (at == shadow->buffer_bytes) return shadow->n;
    uint32_t i = find(shadow, at);
    if (shadow->segments[i].low == at) return i;
    memmove(&shadow->segments[i + 1], &shadow->segments[i], (shadow->n + 1 - i) * sizeof *shadow->segments);
    shadow->n++;
    shadow->segments[i + 1].low = at;
    return i + 1;
}

bool tg_shadow_cut(struct tg_shadow *shadow, struct tg_bytes bytes, uint32_t *first, uint32_t *last)
{
    if (shadow->n + 3 > shadow->capacity) { /* two more by the cuts, and the end */
        struct tg_segment *grown = realloc(shadow->segments, 2 * shadow->capacity * sizeof *grown);
        if (!grown) return false;
        shadow->segments = grown;
        shadow->capacity *= 2;
    }
    *first = split(shadow, bytes.low);
    *last = split(shadow, bytes.high);
    return true;
}

void tg_shadow_write(struct tg_shadow *shadow, uint32_t first, uint32_t last, const struct tg_mark *mark,
                     const struct tg_tile *tile)
{
    struct tg_segment *s = shadow->segments;
    s[first] = (struct tg_segment){.low = s[first].low, .writer = *mark, .written_as = *tile};
    memmove(&s[first + 1], &s[last], (shadow->n + 1 - last) * sizeof *s);
    shadow->n -= last - first - 1;
}

/* The bits of word `word` that stand for units [low, high). */
static uint64_t bits_of(uint32_t word, uint32_t low, uint32_t high)
{
    uint32_t from = low > word * WORD_BITS ? low - word * WORD_BITS : 0;
    uint32_t to = high < (word + 1) * WORD_BITS ? high - word * WORD_BITS : WORD_BITS;
    return (to == WORD_BITS ? ~(uint64_t)0 : ((uint64_t)1 << to) - 1) & (~(uint64_t)0 << from);
}

uint32_t tg_shadow_unwritten(const struct tg_shadow *shadow, struct tg_bytes bytes)
{
    uint32_t low = bytes.low / UNIT_BYTES, high = bytes.high / UNIT_BYTES;
    for (uint32_t word = low / WORD_BITS; word * WORD_BITS < high; word++) {
        uint64_t missing = bits_of(word, low, high) & ~shadow->written[word];
        if (missing) return (word * WORD_BITS + (uint32_t)__builtin_ctzll(missing)) * UNIT_BYTES;
    }
    return bytes.high;
}

void tg_shadow_set_written(struct tg_shadow *shadow, struct tg_bytes bytes, bool written)
{
    uint32_t low = bytes.low / UNIT_BYTES, high = bytes.high / UNIT_BYTES;
    for (uint32_t word = low / WORD_BITS; word * WORD_BITS < high; word++) {
        uint64_t bits = bits_of(word, low, high);
        if (written) shadow->written[word] |= bits;
        else shadow->written[word] &= ~bits;
    }
}
