/*
 * extents.h - what is known of each byte of device memory: whose it is, who wrote it last, who has added to it and read
 * it since.
 *
 * All addresses are cut into extents, each as long as everything in it is the same; an access cuts extents at its ends,
 * changes what lies between, and joins neighbours that have become equal. So the number of extents follows the ranges
 * that were touched apart from each other, not the bytes.
 *
 *     address   0 ........ 512 ......... 1024 ................ 1536 ......................... 2^64
 *     extents   [ nothing ][ written by 7, ][ not written yet ][ nothing                          ]
 *                          [ read by 9, 8  ]
 *
 * Readers are lists that share their tails: a list is its newest reader and the list before that. What several extents
 * have in common is kept once.
 *
 * Extents stand in leaves of up to 64 in the order of their addresses.
 *
 * Memory    32 bytes an extent, leaves being half full at least, and 8 a reader of a range.
 * Threads   one at a time.
 */
#ifndef TG_CHECK_MEMORY_EXTENTS_H
#define TG_CHECK_MEMORY_EXTENTS_H

#include "check/memory/paths.h"

enum tg_extent_state {
    TG_EXTENT_NOTHING,   /* not an allocation */
    TG_EXTENT_UNWRITTEN, /* allocated; holds nothing that anybody wrote */
    TG_EXTENT_WRITTEN,
    TG_EXTENT_FREED /* was an allocation */
};

struct tg_extent {
    uint64_t start;    /* it ends where the next one starts */
    tg_who writer;     /* who wrote, allocated or freed it last */
    uint32_t readers;  /* since then: list of tg_extents.readers, 0: nobody */
    uint32_t block;    /* the allocation, a number of its owner */
    uint32_t declared; /* what the host says of it, a number of its owner; 0: nothing */
    uint32_t adders;   /* those that added to it since `writer`: list of tg_extents.readers, 0: nobody */
    uint8_t state;     /* enum tg_extent_state */
    uint8_t added;     /* the type that the adders added, a number of the map's owner; 0: nothing */
};

struct tg_reader {
    tg_who who;
    uint32_t before; /* the list without it */
};

struct tg_extents_leaf;

struct tg_extents {
    struct tg_extents_leaf **leaves; /* [n_leaves] */
    uint64_t *starts;                /* [n_leaves] of their first extents: what a search looks at */
    size_t n_leaves, leaves_max;
    size_t near; /* the leaf where the last visit began: most searches end there */
    size_t n_extents, n_extents_peak;
    struct tg_reader *readers; /* [n_readers]; a list is the index of its newest */
    size_t n_readers, readers_max;
    uint32_t recent[256]; /* lists made lately, by hash: equal ones are one */
};

/* All addresses are nothing. false: no memory. */
bool tg_extents_init(struct tg_extents *map);
void tg_extents_fini(struct tg_extents *map);

/* All addresses are nothing again. */
void tg_extents_clear(struct tg_extents *map);

/* Called with each extent of a range, cut to it; may change everything but its start. */
typedef void tg_extent_fn(void *context, struct tg_extent *extent, uint64_t end);

/* Call visit for all extents of [start, end), start < end, by address. false: no memory; nothing was visited. */
bool tg_extents_visit(struct tg_extents *map, uint64_t start, uint64_t end, tg_extent_fn *visit, void *context);

/* The extent that `address` is in, and its end. Borrowed until the next visit. */
const struct tg_extent *tg_extents_find(const struct tg_extents *map, uint64_t address, uint64_t *end);

/* Host memory that it takes. */
uint64_t tg_extents_bytes(const struct tg_extents *map);

/* The list `readers` and `who` besides. UINT32_MAX: no memory. */
uint32_t tg_extents_reader(struct tg_extents *map, uint32_t readers, tg_who who);

#endif
