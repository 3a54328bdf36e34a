/*
 * pages.h - what lies under the addresses of device memory: which pages are in memory, and what fresh ones hold.
 *
 * Fresh bytes are 0xFF, NaN in every float type, so that what nobody wrote is seen in the result. They come from a file of
 * 0xFF bytes that is mapped over and over, private: a page takes no memory until it is written.
 *
 *     reserved  ------ take ----->  poison of the file  --- written --->  a page of 4 KiB
 *                                     ^         |
 *                       give (large)  |         +--- fill, of a whole huge page, where speed matters --->  a huge page
 *                                     +---------------------------------------------------------------------+
 *
 * A state for each piece of the size of a huge page says whether somebody may have written there since it was poison.
 *
 * Threads: one at a time; fill may copy while others take and give other bytes.
 */
#ifndef TG_MEMORY_PAGES_H
#define TG_MEMORY_PAGES_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

#include "base/descriptor.h"

struct tg_pages {
    uint8_t *base;
    uint64_t capacity;           /* bytes */
    uint64_t mapped;             /* bytes from base on that are mapped; behind them addresses are only reserved */
    uint8_t *state;              /* [a huge page] */
    struct tg_descriptor poison; /* the file of 0xFF bytes */
    /* Speed matters more than memory: what is filled gets huge pages, and small blocks keep their pages when they are
     * given back. Set before the first call. false */
    bool fast;
};

/* Reserve `capacity` bytes of addresses; 0: 64 GiB, or what halving that leads to where the system refuses or limits
 * addresses. TG_ERR_MEMORY. */
enum tg_status tg_pages_init(struct tg_pages *pages, uint64_t capacity);
void tg_pages_fini(struct tg_pages *pages);

/* Somebody gets these bytes: they hold poison, and as few of them as possible are in memory. false: the system has no
 * more. */
bool tg_pages_take(struct tg_pages *pages, uint64_t address, uint64_t bytes);

/* Nobody has these bytes any more. Of many the memory is given back. */
void tg_pages_give(struct tg_pages *pages, uint64_t address, uint64_t bytes);

/* Is the memory of so many bytes given back with them? */
bool tg_pages_gives_back(const struct tg_pages *pages, uint64_t bytes);

/* All of these bytes, which were taken, are about to be written: where speed matters, put huge pages under them. true: some
 * of them hold zeros now. */
bool tg_pages_expect(struct tg_pages *pages, uint64_t address, uint64_t bytes);

/* Has foreign code closed the descriptor of the file of poison since the last call? Makes another file then. */
bool tg_pages_lost_file(struct tg_pages *pages);

#endif
