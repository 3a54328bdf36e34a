#include "check/core/cache.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES_MIN = 64 };

void tg_cached_fini(struct tg_cached *cached)
{
    free(cached->lines);
    memset(cached, 0, sizeof *cached);
}

void tg_cached_begin(struct tg_cached *cached)
{
    if (cached->n_lines > 0) memset(cached->lines, 0, cached->n_places * sizeof *cached->lines);
    cached->n_lines = cached->n_dirty = 0;
}

/* The entry of a line, or the free entry that it would take. The table has entries. */
static struct tg_cached_line *place_of(const struct tg_cached *cached, uint64_t number)
{
    size_t at = (size_t)((number * 0x9E3779B97F4A7C15u) >> 32) & (cached->n_places - 1);
    while (cached->lines[at].number != 0 && cached->lines[at].number != number) at = (at + 1) & (cached->n_places - 1);
    return &cached->lines[at];
}

static bool grow(struct tg_cached *cached)
{
    struct tg_cached larger = {.n_places = cached->n_places ? 2 * cached->n_places : PLACES_MIN};
    larger.lines = calloc(larger.n_places, sizeof *larger.lines);
    if (!larger.lines) return false;
    for (size_t i = 0; i < cached->n_places; i++)
        if (cached->lines[i].number != 0) *place_of(&larger, cached->lines[i].number) = cached->lines[i];
    free(cached->lines);
    cached->lines = larger.lines;
    cached->n_places = larger.n_places;
    return true;
}

bool tg_cached_store(struct tg_cached *cached, uint64_t address, uint64_t bytes, const struct tg_mark *mark)
{
    const uint64_t last = (address + bytes - 1) / TG_CACHE_LINE_BYTES;
    for (uint64_t line = address / TG_CACHE_LINE_BYTES; line <= last; line++) {
        if (2 * cached->n_lines >= cached->n_places && !grow(cached)) return false;
        struct tg_cached_line *place = place_of(cached, line + 1);
        if (place->dirty) continue;
        cached->n_lines += place->number == 0;
        cached->n_dirty++;
        *place = (struct tg_cached_line){line + 1, *mark, true};
    }
    return true;
}

void tg_cached_flush(struct tg_cached *cached, uint64_t address)
{
    if (cached->n_dirty == 0) return;
    struct tg_cached_line *place = place_of(cached, address / TG_CACHE_LINE_BYTES + 1);
    cached->n_dirty -= place->dirty;
    place->dirty = false;
}

void tg_cached_flush_all(struct tg_cached *cached)
{
    if (cached->n_dirty == 0) return;
    for (size_t i = 0; i < cached->n_places; i++) cached->lines[i].dirty = false;
    cached->n_dirty = 0;
}

const struct tg_mark *tg_cached_at(const struct tg_cached *cached, uint64_t address, uint64_t bytes)
{
    if (cached->n_dirty == 0) return NULL;
    const uint64_t last = (address + bytes - 1) / TG_CACHE_LINE_BYTES;
    for (uint64_t line = address / TG_CACHE_LINE_BYTES; line <= last; line++) {
        const struct tg_cached_line *place = place_of(cached, line + 1);
        if (place->dirty) return &place->mark;
    }
    return NULL;
}

const struct tg_mark *tg_cached_left(const struct tg_cached *cached)
{
    const struct tg_mark *first = NULL;
    for (size_t i = 0; i < cached->n_places && cached->n_dirty > 0; i++) {
        const struct tg_cached_line *line = &cached->lines[i];
        if (line->dirty && (!first || line->mark.number < first->number)) first = &line->mark;
    }
    return first;
}
