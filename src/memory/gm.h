/*
 * gm.h - device memory of the platforms that keep it in host memory.
 *
 * One reserved range of addresses; blocks start at multiples of 512 bytes (the L2 line, and more than any transfer
 * asks for). Descriptors live apart from the memory that they describe, so that a wild write of a kernel cannot break
 * them. A block is found by any address inside it in O(log n).
 *
 *     blocks in address order:  [used][free][used][used][free .......]
 *     free blocks also stand in a list per power of two of their size; neighbours that are free are one block.
 *
 * Fresh memory holds 0xFF bytes, NaN in every float type: what nobody wrote is seen in the result. Most of it comes from a
 * file of 0xFF bytes that is mapped over and over, private: it takes no memory until it is written.
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

enum { TG_GM_ALIGNMENT = 512, TG_GM_CLASSES = 56 };

struct tg_gm_block;

struct tg_gm {
    pthread_mutex_t lock;
    uint8_t *base;
    uint64_t capacity; /* bytes */
    uint64_t in_use;   /* bytes in used blocks, rounding included */
    uint64_t peak;     /* most of in_use since tg_gm_reset_peak */
    uint64_t mapped;   /* bytes from base on that are mapped; behind them addresses are only reserved */
    int poison_fd;     /* the file of 0xFF bytes */
    /* Speed matters more than memory: large blocks have huge pages, which are resident, and small ones keep theirs when they
     * are freed. Set before the first allocation. false */
    bool resident;
    bool *is_huge;            /* [page of the size of a huge one] */
    _Atomic uint64_t n_freed; /* blocks, so far. Writer: under the lock. Publishes that a block is gone. */
    struct tg_gm_block *first;
    struct tg_gm_block *free_lists[TG_GM_CLASSES]; /* [c]: free blocks of 2^c to 2^(c+1) - 1 alignment units */
    void *index;                                   /* tsearch tree of all blocks by address */
};

/* Reserve `capacity` bytes of address space; 0: 64 GiB, or what halving that leads to where the system refuses (under
 * valgrind, say). TG_ERR_MEMORY. */
enum tg_status tg_gm_init(struct tg_gm *gm, uint64_t capacity);
void tg_gm_fini(struct tg_gm *gm);

/* Allocate `bytes` > 0 for `owner` (0: for nobody in particular). TG_ERR_DEVICE_MEMORY, TG_ERR_MEMORY. */
enum tg_status tg_gm_alloc(struct tg_gm *gm, uint64_t bytes, const void *owner, uint64_t *address);

/* Free the block that starts at `address`. TG_ERR_GLOBAL_MEMORY: none does. */
enum tg_status tg_gm_free(struct tg_gm *gm, uint64_t address);

/* Free all blocks of `owner`. */
void tg_gm_free_all(struct tg_gm *gm, const void *owner);

/* Do [address, address + bytes) lie in one allocation? */
bool tg_gm_contains(struct tg_gm *gm, uint64_t address, uint64_t bytes);

/* Most bytes in use since the last reset. */
uint64_t tg_gm_peak(struct tg_gm *gm);

/* Call visit for every allocation that `owner` does not own. */
typedef void tg_gm_visit_fn(void *context, uint64_t address, uint64_t bytes);
void tg_gm_each_foreign(struct tg_gm *gm, const void *owner, tg_gm_visit_fn *visit, void *context);

/* The allocation around `address`: [*low, *high). It is there as long as gm->n_freed is what it was before the call.
 * false: there is none. */
bool tg_gm_around(struct tg_gm *gm, uint64_t address, uint64_t *low, uint64_t *high);

void tg_gm_reset_peak(struct tg_gm *gm);

#endif
