/*
 * gm.h - device memory of the platforms that keep it in host memory: who has which bytes of one reserved range.
 *
 * Blocks start at multiples of 512 bytes (the L2 line, and more than any transfer asks for). Descriptors live apart from
 * the memory that they describe, so that a wild write of a kernel cannot break them. Allocating, freeing and finding the
 * block around an address take O(log n) steps for n blocks. The lowest addresses are used first.
 *
 *     gm        who has which bytes                     this file
 *     blocks    the pieces of the range, by address     blocks.h
 *     pages     what lies under the addresses           pages.h
 *
 * Fresh memory holds 0xFF bytes, NaN in every float type: what nobody wrote is seen in the result. It takes no memory
 * of the host until it is written.
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
 * Somebody who allocates: what it has can be freed at once. Zero is empty; it stays where it is until all is freed.
 *
 * A guarded owner makes wrong addresses show: behind each of its allocations is a red zone that belongs to nobody, and
 * what it frees is set aside for a while, so that an old address does not become a new one.
 *
 *     [allocation][red zone][allocation][red zone][freed, aside    ][allocation][red zone]
 *
 * Both cost addresses and no memory, and count as free: where the range becomes narrow, they are given up.
 */
struct tg_gm_owner {
    bool guarded; /* set before the first allocation */
    /* Writer: gm.c, under the lock. */
    struct tg_gm_block *first;
    struct tg_gm_block *oldest_aside, *newest_aside; /* linked by of_after */
    uint64_t aside_bytes;                            /* of those whose memory was not given back */
};

struct tg_gm {
    pthread_mutex_t lock;
    uint64_t capacity;        /* bytes */
    uint64_t in_use;          /* bytes in used blocks, rounding included */
    uint64_t peak;            /* most of in_use since tg_gm_reset_peak */
    _Atomic uint64_t n_freed; /* blocks, so far. Writer: under the lock. Publishes that a block is gone. */
    struct tg_blocks blocks;
    struct tg_pages pages;
    struct tg_gm_owner host; /* has what was allocated for nobody in particular */
};

/* Reserve `capacity` bytes of address space; 0: 64 GiB, or what halving that leads to where the system refuses (under
 * valgrind, say) or limits it. `fast`: see struct tg_pages. TG_ERR_MEMORY; TG_ERR_ARGUMENT: less than one block. */
enum tg_status tg_gm_init(struct tg_gm *gm, uint64_t capacity, bool fast);
void tg_gm_fini(struct tg_gm *gm);

/* Allocate `bytes` > 0 for `owner` (NULL: for nobody in particular). TG_ERR_DEVICE_MEMORY: no free block is as large;
 * TG_ERR_MEMORY. */
enum tg_status tg_gm_alloc(struct tg_gm *gm, uint64_t bytes, struct tg_gm_owner *owner, uint64_t *address);

/* Free the block that starts at `address`. TG_ERR_GLOBAL_MEMORY: none does, or somebody else than `owner` has it. */
enum tg_status tg_gm_free(struct tg_gm *gm, struct tg_gm_owner *owner, uint64_t address);

/* Free all blocks of `owner`, in time for each of them. */
void tg_gm_free_all(struct tg_gm *gm, struct tg_gm_owner *owner);

/* Copy `bytes` of the host to an allocation. */
void tg_gm_write(struct tg_gm *gm, uint64_t address, const void *host, uint64_t bytes);

/* Tasks are going to write all bytes of this fresh allocation: where speed matters, have its memory now, poisoned. */
void tg_gm_expect_writes(struct tg_gm *gm, uint64_t address, uint64_t bytes);

/* Do [address, address + bytes) lie in one allocation? */
bool tg_gm_contains(struct tg_gm *gm, uint64_t address, uint64_t bytes);

/* Most bytes in use since the last reset. */
uint64_t tg_gm_peak(struct tg_gm *gm);
void tg_gm_reset_peak(struct tg_gm *gm);

/* Call visit for every allocation, with its owner. */
typedef void tg_gm_visit_fn(void *context, const struct tg_gm_owner *owner, uint64_t address, uint64_t bytes);
void tg_gm_each(struct tg_gm *gm, tg_gm_visit_fn *visit, void *context);

/* The allocation around `address`: [*low, *high). It is there as long as gm->n_freed is what it was before the call.
 * false: there is none. */
bool tg_gm_around(struct tg_gm *gm, uint64_t address, uint64_t *low, uint64_t *high);

/* Has foreign code closed a descriptor of device memory since the last call? It works on. */
bool tg_gm_lost_file(struct tg_gm *gm);

#endif
