/*
 * extents.h - the history of each byte of device memory: its allocation, its last writer, its adders and readers since.
 *
 * Extents cover all addresses; the bytes of an extent have the same history. An access cuts extents at its ends,
 * changes the ones in between, and joins equal neighbours. So the number of extents follows the number of separate
 * ranges, not the number of bytes.
 *
 *     address   0 ........ 512 ......... 1024 ................ 1536 ......................... 2^64
 *     extents   [ nothing ][ written by 7, ][ not written yet ][ nothing                          ]
 *                          [ read by 9, 8  ]
 *
 * Lists of readers share their tails: a list is its newest reader and the list before that. Shared parts are stored
 * once.
 *
 * Extents are stored in leaves of up to 64, in address order.
 *
 * Memory    32 bytes an extent, leaves being half full at least, and 8 a reader of a range.
 * Threads   one at a time.
 */
#ifndef TG_CHECK_MEMORY_EXTENTS_H
#define TG_CHECK_MEMORY_EXTENTS_H

#include "check/memory/paths.h"

enum tg_extent_state {
    TG_EXTENT_NOTHING,   /* not an allocation */
    TG_EXTENT_UNWRITTEN, /* allocated, and never written */
    TG_EXTENT_WRITTEN,
    TG_EXTENT_FREED /* was an allocation */
};

struct tg_extent {
    uint64_t start;    /* it ends where the next one starts */
    tg_who writer;     /* the last actor that wrote, allocated or freed it */
    uint32_t readers;  /* since then: list of tg_extents.readers, 0: empty */
    uint32_t block;    /* the allocation: a number of the map's user */
    uint32_t declared; /* the host's declaration: a number of the map's user; 0: no declaration */
    uint32_t adders;   /* the actors that added to it since `writer`: list of tg_extents.readers, 0: empty */
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
    uint64_t *starts;                /* [n_leaves] start addresses of the leaves: for binary search */
    size_t n_leaves, leaves_max;
    size_t near; /* the leaf of the last visit: most searches end there */
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

/* Called with each extent of a range, cut to the range; may change everything except its start. */
typedef void tg_extent_fn(void *context, struct tg_extent *extent, uint64_t end);

/* Call visit for all extents of [start, end), start < end, by address. false: no memory; nothing was visited. */
bool tg_extents_visit(struct tg_extents *map, uint64_t start, uint64_t end, tg_extent_fn *visit, void *context);

/* The extent of `address`, and its end. Borrowed until the next visit. */
const struct tg_extent *tg_extents_find(const struct tg_extents *map, uint64_t address, uint64_t *end);

/* Host memory of the map. */
uint64_t tg_extents_bytes(const struct tg_extents *map);

/* The list `readers` extended by `who`. UINT32_MAX: no memory. */
uint32_t tg_extents_reader(struct tg_extents *map, uint32_t readers, tg_who who);

#endif
