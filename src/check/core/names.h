/*
 * names.h - tiles that TRESHAPE has declared to be the same bytes under other shapes or element types, anywhere in the
 * kernel.
 *
 * Tiles that were named for each other, directly or through a third tile, form one group.
 */
#ifndef TG_CHECK_CORE_NAMES_H
#define TG_CHECK_CORE_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tile.h>

/* The number of remembered tiles; beyond it the oldest are forgotten. */
enum { TG_NAMES_MAX = 1024 };

struct tg_named {
    struct tg_tile tile;
    uint32_t group;
};

struct tg_names {
    struct tg_named *named; /* [n], owned; a ring of TG_NAMES_MAX when it is full */
    uint32_t n, oldest, n_groups;
    size_t max;
};

void tg_names_fini(struct tg_names *names);

/* A kernel begins: no tile has a second name. */
void tg_names_begin(struct tg_names *names);

/* `a` and `b` are the same bytes. false: no memory. */
bool tg_names_say(struct tg_names *names, const struct tg_tile *a, const struct tg_tile *b);

/* May the bytes of `written` be read as `tile` by an earlier declaration? Either may be a part of a named tile. */
bool tg_names_agree(const struct tg_names *names, const struct tg_tile *tile, const struct tg_tile *written);

#endif
