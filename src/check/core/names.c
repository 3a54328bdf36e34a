#include "check/core/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "tile/footprint.h"

void tg_names_fini(struct tg_names *names)
{
    free(names->named);
    memset(names, 0, sizeof *names);
}

void tg_names_begin(struct tg_names *names) { names->n = names->oldest = names->n_groups = 0; }

/* The layout of a tile in its buffer, without its valid part. */
static bool is_same(const struct tg_tile *a, const struct tg_tile *b)
{
    return a->offset == b->offset && a->kind == b->kind && a->dtype == b->dtype && a->layout == b->layout &&
           a->rows == b->rows && a->cols == b->cols;
}

static struct tg_named *find(const struct tg_names *names, const struct tg_tile *tile)
{
    for (uint32_t i = 0; i < names->n; i++)
        if (is_same(&names->named[i].tile, tile)) return &names->named[i];
    return NULL;
}

/* A place for one more: at the end, or the oldest one's. NULL: no memory. */
static struct tg_named *place(struct tg_names *names)
{
    if (names->n == TG_NAMES_MAX) return &names->named[names->oldest++ % TG_NAMES_MAX];
    void *named = names->named;
    if (!tg_grow(&named, names->n + 1, &names->max, sizeof *names->named)) return NULL;
    names->named = named;
    return &names->named[names->n++];
}

static bool put(struct tg_names *names, const struct tg_tile *tile, uint32_t group)
{
    struct tg_named *named = place(names);
    if (!named) return false;
    *named = (struct tg_named){*tile, group};
    named->tile.valid_rows = tile->rows;
    named->tile.valid_cols = tile->cols;
    return true;
}

bool tg_names_say(struct tg_names *names, const struct tg_tile *a, const struct tg_tile *b)
{
    const struct tg_named *of_a = find(names, a), *of_b = find(names, b);
    if (of_a && of_b) {
        const uint32_t from = of_a->group, to = of_b->group;
        for (uint32_t i = 0; i < names->n && from != to; i++)
            if (names->named[i].group == from) names->named[i].group = to;
        return true;
    }
    const uint32_t group = of_a ? of_a->group : of_b ? of_b->group : ++names->n_groups;
    return (of_a || put(names, a, group)) && (of_b || put(names, b, group));
}

static bool is_part(const struct tg_tile *tile, const struct tg_tile *named)
{
    return tile->kind == named->kind && tg_tiles_agree(tile, named) && tg_tile_inside(tile, named);
}

bool tg_names_agree(const struct tg_names *names, const struct tg_tile *tile, const struct tg_tile *written)
{
    for (uint32_t i = 0; i < names->n; i++) {
        if (!is_part(tile, &names->named[i].tile)) continue;
        for (uint32_t j = 0; j < names->n; j++)
            if (names->named[i].group == names->named[j].group && is_part(written, &names->named[j].tile)) return true;
    }
    return false;
}
