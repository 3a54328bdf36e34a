/*
 * gm.h - device memory for platforms that keep it in host memory: the allocator of one reserved range.
 *
 * Blocks start at multiples of 512 bytes (the L2 line, and more than the alignment of any transfer). Descriptors are
 * separate from the memory that they describe, so that a kernel's wild write cannot damage them. Allocating, freeing
 * and finding the block around an address take O(log n) steps for n blocks. The lowest addresses are used first.
 *
 *     gm        the allocations and their owners        this file
 *     blocks    the pieces of the range, by address     blocks.h
 *     pages     the pages behind the addresses          pages.h
 *
 * Fresh memory holds 0xFF bytes, NaN in every float type, so that unwritten elements show in the result. It takes no
 * host memory until it is written.
 *
 * Threads: any; a lock inside.
 */
#ifndef TG_MEMORY_GM_H
#define TG_MEMORY_GM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

#include "memory/blocks.h"
#include "memory/pages.h"

enum { TG_GM_ALIGNMENT = 512 };

/*
 * An owner of allocations, which can be freed together. Zero is empty; it must stay at its address until all is freed.
 *
 * A guarded owner exposes wrong addresses. A red zone, outside any allocation, follows each of its allocations. Its
 * freed blocks are set aside for a while, so that an old address does not become a new one.
 *
 *     [allocation][red zone][allocation][red zone][freed, aside    ][allocation][red zone]
 *
 * Both take addresses and no memory, and count as free: when the range is nearly full, they are given up.
 */
struct tg_gm_owner {
    bool guarded; /* set before the first allocation */
    /* Writer: gm.c, under the lock. */
    struct tg_gm_block *first;
    struct tg_gm_block *oldest_aside, *newest_aside; /* linked by of_after */
    uint64_t aside_bytes;                            /* of those that keep their memory */
};

struct tg_gm {
    pthread_mutex_t lock;
    uint64_t capacity;        /* bytes */
    uint64_t in_use;          /* bytes in used blocks, rounding included */
    uint64_t peak;            /* high-water mark of in_use since tg_gm_reset_peak */
    _Atomic uint64_t n_freed; /* blocks, so far. Writer: under the lock. Publishes that a block is gone. */
    struct tg_blocks blocks;
    struct tg_pages pages;
    struct tg_gm_owner host; /* owns allocations without another owner */
};

/* Reserve `capacity` bytes of address space. 0: 64 GiB, or a half, a quarter and so on where the system refuses or
 * limits it (under valgrind, for example). `fast`: see struct tg_pages. TG_ERR_MEMORY; TG_ERR_ARGUMENT: less than one
 * block. */
enum tg_status tg_gm_init(struct tg_gm *gm, uint64_t capacity, bool fast);
void tg_gm_fini(struct tg_gm *gm);

/* Allocate `bytes` > 0 for `owner` (NULL: no particular owner). TG_ERR_DEVICE_MEMORY: no free block is large enough;
 * TG_ERR_MEMORY. */
enum tg_status tg_gm_alloc(struct tg_gm *gm, uint64_t bytes, struct tg_gm_owner *owner, uint64_t *address);

/* Free the block that starts at `address`. TG_ERR_GLOBAL_MEMORY: no block starts there, or `owner` does not own it. */
enum tg_status tg_gm_free(struct tg_gm *gm, struct tg_gm_owner *owner, uint64_t address);

/* Free all blocks of `owner`; the time is proportional to their number. */
void tg_gm_free_all(struct tg_gm *gm, struct tg_gm_owner *owner);

/* Copy `bytes` of the host to an allocation. */
void tg_gm_write(struct tg_gm *gm, uint64_t address, const void *host, uint64_t bytes);

/* Tasks are going to write all bytes of this fresh allocation: where speed matters, allocate its pages now, poisoned.
 */
void tg_gm_expect_writes(struct tg_gm *gm, uint64_t address, uint64_t bytes);

/* Are [address, address + bytes) inside one allocation? */
bool tg_gm_contains(struct tg_gm *gm, uint64_t address, uint64_t bytes);

/* Bytes in used blocks, and their high-water mark since the last reset. */
uint64_t tg_gm_in_use(struct tg_gm *gm);
uint64_t tg_gm_peak(struct tg_gm *gm);
void tg_gm_reset_peak(struct tg_gm *gm);

/* Call visit for every allocation, with its owner. */
typedef void tg_gm_visit_fn(void *context, const struct tg_gm_owner *owner, uint64_t address, uint64_t bytes);
void tg_gm_each(struct tg_gm *gm, tg_gm_visit_fn *visit, void *context);

/* The allocation around `address`: [*low, *high). It exists as long as gm->n_freed equals its value before the call.
 * false: no allocation. */
bool tg_gm_around(struct tg_gm *gm, uint64_t address, uint64_t *low, uint64_t *high);

/* Has foreign code closed a descriptor of device memory since the last call? Device memory still works. */
bool tg_gm_lost_file(struct tg_gm *gm);

#endif
