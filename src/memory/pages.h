/*
 * pages.h - the pages behind the addresses of device memory: which ones take memory, and the contents of fresh ones.
 *
 * Fresh bytes are 0xFF, NaN in every float type, so that unwritten elements show in the result. They come from a file
 * of 0xFF bytes that is mapped repeatedly and privately: a page takes no memory until it is written.
 *
 *     reserved  ------ take ----->  poison of the file  --- written --->  a page of 4 KiB
 *                                     ^         |
 *                       give (large)  |         +--- fill, of a whole huge page, where speed matters --->  a huge page
 *                                     +---------------------------------------------------------------------+
 *
 * A state for each huge-page-sized piece says whether it may have been written since it was poison.
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
    uint64_t mapped;             /* bytes mapped from base on; the addresses behind them are only reserved */
    uint8_t *state;              /* [a huge page] */
    struct tg_descriptor poison; /* the file of 0xFF bytes */
    /* Speed matters more than memory: fills get huge pages, and freed small blocks keep their pages. Set before the
     * first call. Default: false */
    bool fast;
};

/* Reserve `capacity` bytes of addresses. 0: 64 GiB, or a half, a quarter and so on where the system refuses or limits
 * addresses. TG_ERR_MEMORY. */
enum tg_status tg_pages_init(struct tg_pages *pages, uint64_t capacity);
void tg_pages_fini(struct tg_pages *pages);

/* Allocate these bytes: they hold poison, and take as little memory as possible. false: the system is out of resources.
 */
bool tg_pages_take(struct tg_pages *pages, uint64_t address, uint64_t bytes);

/* Free these bytes. Large ranges give their memory back. */
void tg_pages_give(struct tg_pages *pages, uint64_t address, uint64_t bytes);

/* Do that many bytes give their memory back when freed? */
bool tg_pages_gives_back(const struct tg_pages *pages, uint64_t bytes);

/* All of these allocated bytes are about to be written: where speed matters, put huge pages under them. true: some of
 * them now hold zeros. */
bool tg_pages_expect(struct tg_pages *pages, uint64_t address, uint64_t bytes);

/* Has foreign code closed the descriptor of the poison file since the last call? If so, makes another file. */
bool tg_pages_lost_file(struct tg_pages *pages);

#endif
