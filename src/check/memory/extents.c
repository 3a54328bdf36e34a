#include "check/memory/extents.h"

#include <stdlib.h>
#include <string.h>

enum { LEAF_MAX = 64 };

struct tg_extents_leaf {
    uint32_t n; /* 1 to LEAF_MAX */
    struct tg_extent extents[LEAF_MAX];
};

/* The place of an extent. */
struct place {
    size_t leaf;
    uint32_t slot;
};

static struct tg_extent *extent_at(const struct tg_extents *map, struct place place)
{
    return &map->leaves[place.leaf]->extents[place.slot];
}

bool tg_extents_init(struct tg_extents *map)
{
    memset(map, 0, sizeof *map);
    map->leaves = calloc(1, sizeof *map->leaves);
    map->starts = calloc(1, sizeof *map->starts);
    map->readers = calloc(1, sizeof *map->readers); /* number 0 is the empty list */
    struct tg_extents_leaf *leaf = calloc(1, sizeof *leaf);
    if (!map->leaves || !map->starts || !map->readers || !leaf) {
        free(leaf);
        tg_extents_fini(map);
        return false;
    }
    leaf->n = 1;
    leaf->extents[0].writer = TG_NOBODY;
    map->leaves[0] = leaf;
    map->n_leaves = map->leaves_max = 1;
    map->n_extents = map->n_extents_peak = 1;
    map->n_readers = map->readers_max = 1;
    return true;
}

void tg_extents_fini(struct tg_extents *map)
{
    for (size_t i = 0; i < map->n_leaves; i++) free(map->leaves[i]);
    free(map->leaves);
    free(map->starts);
    free(map->readers);
    memset(map, 0, sizeof *map);
}

void tg_extents_clear(struct tg_extents *map)
{
    for (size_t i = 1; i < map->n_leaves; i++) free(map->leaves[i]);
    map->n_leaves = 1;
    map->near = 0;
    map->n_extents = 1;
    map->leaves[0]->n = 1;
    map->leaves[0]->extents[0] = (struct tg_extent){.writer = TG_NOBODY};
    if (map->n_readers > 1) memset(map->recent, 0, sizeof map->recent);
    map->n_readers = 1;
}

/* ---- places ---- */

/* The leaf that has the extent of `address`. */
static size_t find_leaf(const struct tg_extents *map, uint64_t address)
{
    size_t low = map->near, high = map->n_leaves;
    if (low < high && map->starts[low] <= address) {
        if (low + 1 == high || map->starts[low + 1] > address) return low;
    } else {
        low = 0;
    }
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (map->starts[middle] <= address) low = middle;
        else high = middle;
    }
    return low;
}

static struct place find(const struct tg_extents *map, uint64_t address)
{
    const size_t low = find_leaf(map, address);
    const struct tg_extents_leaf *leaf = map->leaves[low];
    uint32_t first = 0, last = leaf->n;
    while (last - first > 1) {
        uint32_t middle = first + (last - first) / 2;
        if (leaf->extents[middle].start <= address) first = middle;
        else last = middle;
    }
    return (struct place){low, first};
}

/* Step to the next extent. false: it was the last. */
static bool step(const struct tg_extents *map, struct place *place)
{
    if (++place->slot < map->leaves[place->leaf]->n) return true;
    place->slot = 0;
    return ++place->leaf < map->n_leaves;
}

static uint64_t end_of(const struct tg_extents *map, struct place place)
{
    return step(map, &place) ? extent_at(map, place)->start : UINT64_MAX;
}

/* ---- cutting ---- */

/* The upper half of a full leaf becomes a leaf of its own. */
static bool split_leaf(struct tg_extents *map, size_t index)
{
    if (map->n_leaves == map->leaves_max) {
        size_t more = map->leaves_max + map->leaves_max / 2 + 16;
        struct tg_extents_leaf **leaves = realloc(map->leaves, more * sizeof *leaves);
        if (!leaves) return false;
        map->leaves = leaves;
        uint64_t *starts = realloc(map->starts, more * sizeof *starts);
        if (!starts) return false;
        map->starts = starts;
        map->leaves_max = more;
    }
    struct tg_extents_leaf *lower = map->leaves[index], *upper = malloc(sizeof *upper);
    if (!upper) return false;
    lower->n = LEAF_MAX / 2;
    upper->n = LEAF_MAX - LEAF_MAX / 2;
    memcpy(upper->extents, &lower->extents[LEAF_MAX / 2], upper->n * sizeof upper->extents[0]);
    memmove(&map->leaves[index + 2], &map->leaves[index + 1], (map->n_leaves - index - 1) * sizeof map->leaves[0]);
    memmove(&map->starts[index + 2], &map->starts[index + 1], (map->n_leaves - index - 1) * sizeof map->starts[0]);
    map->leaves[index + 1] = upper;
    map->starts[index + 1] = upper->extents[0].start;
    map->n_leaves++;
    return true;
}

/* Make an extent start at `address`. */
static bool cut(struct tg_extents *map, uint64_t address)
{
    struct place place = find(map, address);
    if (extent_at(map, place)->start == address) return true;
    if (map->leaves[place.leaf]->n == LEAF_MAX) {
        if (!split_leaf(map, place.leaf)) return false;
        place = find(map, address);
    }
    struct tg_extents_leaf *leaf = map->leaves[place.leaf];
    struct tg_extent *extent = &leaf->extents[place.slot];
    memmove(extent + 1, extent, (leaf->n - place.slot) * sizeof *extent);
    extent[1].start = address;
    leaf->n++;
    if (++map->n_extents > map->n_extents_peak) map->n_extents_peak = map->n_extents;
    return true;
}

/* ---- joining ---- */

static bool equal(const struct tg_extent *a, const struct tg_extent *b)
{
    return a->writer == b->writer && a->readers == b->readers && a->adders == b->adders && a->block == b->block &&
           a->declared == b->declared && a->state == b->state && a->added == b->added;
}

/* Remove the extent; the one before it reaches over it. A leaf that is left without extents goes, too. */
static void remove_at(struct tg_extents *map, struct place place)
{
    struct tg_extents_leaf *leaf = map->leaves[place.leaf];
    leaf->n--;
    map->n_extents--;
    memmove(&leaf->extents[place.slot], &leaf->extents[place.slot + 1],
            (leaf->n - place.slot) * sizeof leaf->extents[0]);
    map->starts[place.leaf] = leaf->extents[0].start; /* it may have been the first */
    if (leaf->n > 0) return;
    free(leaf);
    map->n_leaves--;
    memmove(&map->starts[place.leaf], &map->starts[place.leaf + 1],
            (map->n_leaves - place.leaf) * sizeof map->starts[0]);
    memmove(&map->leaves[place.leaf], &map->leaves[place.leaf + 1],
            (map->n_leaves - place.leaf) * sizeof map->leaves[0]);
}

/* Join equal neighbours from the one that ends at `start` to the one that starts at `end`. */
static void join(struct tg_extents *map, uint64_t start, uint64_t end)
{
    struct place place = find(map, start > 0 ? start - 1 : 0);
    struct place next = place;
    while (step(map, &next) && extent_at(map, next)->start <= end) {
        if (!equal(extent_at(map, place), extent_at(map, next))) {
            place = next;
            continue;
        }
        uint64_t joined = extent_at(map, place)->start;
        remove_at(map, next);
        next = place = find(map, joined);
    }
}

/* ---- visiting ---- */

bool tg_extents_visit(struct tg_extents *map, uint64_t start, uint64_t end, tg_extent_fn *visit, void *context)
{
    map->near = find_leaf(map, start);
    if (!cut(map, start) || !cut(map, end)) return false;
    struct place place = find(map, start);
    do {
        struct tg_extent *extent = extent_at(map, place);
        if (extent->start >= end) break;
        visit(context, extent, end_of(map, place));
    } while (step(map, &place));
    join(map, start, end);
    return true;
}

const struct tg_extent *tg_extents_find(const struct tg_extents *map, uint64_t address, uint64_t *end)
{
    struct place place = find(map, address);
    *end = end_of(map, place);
    return extent_at(map, place);
}

uint64_t tg_extents_bytes(const struct tg_extents *map)
{
    return map->leaves_max * (sizeof *map->leaves + sizeof *map->starts) + map->n_leaves * sizeof **map->leaves +
           map->readers_max * sizeof *map->readers;
}

/* ---- readers ---- */

uint32_t tg_extents_reader(struct tg_extents *map, uint32_t readers, tg_who who)
{
    uint64_t hash = ((uint64_t)readers << 32 | (uint32_t)who) * 0x9E3779B97F4A7C15u;
    uint32_t *recent = &map->recent[hash >> 56];
    const struct tg_reader *known = &map->readers[*recent];
    if (*recent && known->who == who && known->before == readers) return *recent;
    if (map->n_readers == map->readers_max) {
        size_t more = map->readers_max + map->readers_max / 2 + 64;
        struct tg_reader *grown = more < UINT32_MAX ? realloc(map->readers, more * sizeof *grown) : NULL;
        if (!grown) return UINT32_MAX;
        map->readers = grown;
        map->readers_max = more;
    }
    map->readers[map->n_readers] = (struct tg_reader){who, readers};
    *recent = (uint32_t)map->n_readers;
    return (uint32_t)map->n_readers++;
}
