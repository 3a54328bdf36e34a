/*
 * memory.h - the part of device memory that all cores share: one L2 and one HBM.
 *
 * Each is a server that transfers bytes at its rate, in the order of virtual time. A transfer that finds it busy waits
 * for the earlier ones. So many concurrent cores get equal shares, to within one transfer, and never exceed the rate
 * together. Every byte passes the L2; bytes of lines that miss the L2 also pass the HBM. The L2 holds pages of several
 * lines and replaces the least recently used page.
 */
#ifndef TG_MACHINE_SIM_MEMORY_H
#define TG_MACHINE_SIM_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tile.h>

#include "machine/sim/parameters.h"

enum { TG_L2_PAGE_BYTES = 4096, TG_L2_LINE_BYTES = 512 };

struct tg_memory {
    double l2_free_ns, hbm_free_ns; /* when all earlier transfers are done */
    double l2_bytes_per_ns, hbm_bytes_per_ns;
    /* L2 pages: a hash table by address, threaded by last use. */
    struct tg_l2_page *pages; /* [n_pages], owned */
    uint32_t n_pages;
    uint32_t *buckets; /* [n_buckets], owned; page index + 1 */
    uint32_t n_buckets;
    uint32_t newest, oldest; /* page index */
    uint32_t n_used;
};

/* TG_ERR_MEMORY. */
enum tg_status tg_memory_init(struct tg_memory *memory, const struct tg_sim_machine *machine);
void tg_memory_fini(struct tg_memory *memory);

/* A launch begins: servers are free, the L2 is empty. */
void tg_memory_reset(struct tg_memory *memory);

/* The time at which the bytes of `global`, requested at `now_ns`, have passed: the later one of both servers. The
 * core's own path does not count here. Calls are in the order of now_ns. */
double tg_memory_transfer(struct tg_memory *memory, const struct tg_global *global, double now_ns);

#endif
