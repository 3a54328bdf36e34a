#include "check/core/shadow.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"

enum { SEGMENTS_MIN = 64, TOUCHES_MIN = 64 };

bool tg_shadow_init(struct tg_shadow *shadow, uint32_t buffer_bytes)
{
    shadow->buffer_bytes = buffer_bytes;
    shadow->capacity = SEGMENTS_MIN;
    shadow->touches_max = TOUCHES_MIN;
    shadow->segments = calloc(SEGMENTS_MIN, sizeof *shadow->segments);
    shadow->touches = calloc(TOUCHES_MIN, sizeof *shadow->touches);
    if (!shadow->segments || !shadow->touches) return false;
    tg_shadow_begin(shadow);
    return true;
}

void tg_shadow_fini(struct tg_shadow *shadow)
{
    free(shadow->segments);
    free(shadow->touches);
    memset(shadow, 0, sizeof *shadow);
}

void tg_shadow_begin(struct tg_shadow *shadow)
{
    shadow->n = 1;
    shadow->segments[0] = (struct tg_segment){.low = 0};
    shadow->segments[1] = (struct tg_segment){.low = shadow->buffer_bytes};
    shadow->n_touches = 1;
    shadow->n_visits = 0;
}

/* ---- touches ------------------------------------------------------------------------------------------------------
 */

static void mark_used(struct tg_shadow *shadow, uint32_t touch) { shadow->touches[touch].visit = UINT32_MAX; }

/* Remove the touches that no segment uses. The others keep their order. */
static void drop_unused(struct tg_shadow *shadow)
{
    for (uint32_t i = 0; i < shadow->n_touches; i++) shadow->touches[i].visit = 0;
    for (uint32_t i = 0; i < shadow->n; i++) {
        mark_used(shadow, shadow->segments[i].writer);
        for (int r = 0; r < TG_READERS; r++) mark_used(shadow, shadow->segments[i].reader[r]);
    }
    /* The new number of each stands in its place until the segments have it. */
    uint32_t n = 1;
    for (uint32_t i = 1; i < shadow->n_touches; i++)
        if (shadow->touches[i].visit != 0) shadow->touches[i].visit = n++;
    shadow->touches[0].visit = 0;
    for (uint32_t i = 0; i < shadow->n; i++) {
        struct tg_segment *s = &shadow->segments[i];
        s->writer = shadow->touches[s->writer].visit;
        for (int r = 0; r < TG_READERS; r++) s->reader[r] = shadow->touches[s->reader[r]].visit;
    }
    for (uint32_t i = 1; i < shadow->n_touches; i++)
        if (shadow->touches[i].visit != 0) shadow->touches[shadow->touches[i].visit] = shadow->touches[i];
    for (uint32_t i = 0; i < n; i++) shadow->touches[i].visit = 0;
    shadow->n_touches = n;
    shadow->n_visits = 0;
}

static bool make_room(struct tg_shadow *shadow)
{
    if (shadow->n_touches < shadow->touches_max) return true;
    drop_unused(shadow);
    if (shadow->n_touches <= shadow->touches_max / 2) return true; /* else it would soon be full again */
    void *touches = shadow->touches;
    const bool grown = tg_grow(&touches, shadow->touches_max + 1, &shadow->touches_max, sizeof *shadow->touches);
    shadow->touches = touches;
    return grown || shadow->n_touches < shadow->touches_max;
}

uint32_t tg_shadow_touch(struct tg_shadow *shadow, const struct tg_mark *mark, const struct tg_operand *operand)
{
    if (!make_room(shadow)) return 0;
    shadow->touches[shadow->n_touches] = (struct tg_touch){
        .mark = *mark, .tile = operand->tile, .scratch = operand->use == TG_USE_SCRATCH};
    return shadow->n_touches++;
}

void tg_shadow_visit(struct tg_shadow *shadow) { shadow->n_visits++; }

bool tg_shadow_meet(struct tg_shadow *shadow, uint32_t touch)
{
    struct tg_touch *met = &shadow->touches[touch];
    if (touch == 0 || met->visit == shadow->n_visits) return false;
    met->visit = shadow->n_visits;
    return true;
}

/* ---- segments -----------------------------------------------------------------------------------------------------
 */

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

/* The position of the segment that begins at `at`; splits a segment there if needed. The array has room. */
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
    void *segments = shadow->segments;
    /* Two more by the cuts, and the end. */
    if (!tg_grow(&segments, shadow->n + 3, &shadow->capacity, sizeof *shadow->segments)) return false;
    shadow->segments = segments;
    *first = split(shadow, bytes.low);
    *last = split(shadow, bytes.high);
    return true;
}

static bool is_unread_since(const struct tg_segment *s, uint32_t writer)
{
    for (int r = 0; r < TG_READERS; r++)
        if (s->reader[r] != 0) return false;
    return s->writer == writer;
}

void tg_shadow_write(struct tg_shadow *shadow, uint32_t first, uint32_t last, uint32_t touch)
{
    struct tg_segment *s = shadow->segments;
    s[first] = (struct tg_segment){.low = s[first].low, .writer = touch};
    if (first > 0 && is_unread_since(&s[first - 1], touch)) first--;
    if (last < shadow->n && is_unread_since(&s[last], touch)) last++;
    memmove(&s[first + 1], &s[last], (shadow->n + 1 - last) * sizeof *s);
    shadow->n -= last - first - 1;
}
