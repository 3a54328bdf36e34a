/*
 * cache.h - the lines that plain stores of a kernel have left in the cache of its core's scalar unit.
 *
 * Plain stores to device memory stay there until dcci writes them back, whole lines of 64 bytes. The next task on the
 * core begins with an empty cache. Source: hw-native-sys/simpler at 6ebaf771, docs/hardware/cache-coherency.md.
 */
#ifndef TG_CHECK_CORE_CACHE_H
#define TG_CHECK_CORE_CACHE_H

#include "check/core/order.h"

enum { TG_CACHE_LINE_BYTES = 64 };

/* A line with stores. */
struct tg_cached_line {
    uint64_t number;     /* of the line in the address space, + 1; 0: free entry */
    struct tg_mark mark; /* the first store since its last write-back */
    bool dirty;
};

struct tg_cached {
    struct tg_cached_line *lines; /* [n_places], owned: open addressing by number */
    size_t n_places;              /* a power of two, or 0 */
    size_t n_lines, n_dirty;
};

void tg_cached_fini(struct tg_cached *cached);

/* A kernel begins: the cache is empty. */
void tg_cached_begin(struct tg_cached *cached);

/* A plain store. false: no memory. */
bool tg_cached_store(struct tg_cached *cached, uint64_t address, uint64_t bytes, const struct tg_mark *mark);

/* dcci: the line at an address, or all. */
void tg_cached_flush(struct tg_cached *cached, uint64_t address);
void tg_cached_flush_all(struct tg_cached *cached);

/* The first store that is still in the cache, among the stores to [address, address + bytes), or among all. NULL: no
 * such store. */
const struct tg_mark *tg_cached_at(const struct tg_cached *cached, uint64_t address, uint64_t bytes);
const struct tg_mark *tg_cached_left(const struct tg_cached *cached);

#endif
