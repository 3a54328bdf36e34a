/*
 * memory.h - device memory as all cores see it: one L2 and one HBM, shared.
 *
 * Each is a server that works off bytes at its rate in the order of their virtual time: a transfer that finds it busy
 * waits for what came before. Many cores at once therefore get equal shares, to within one transfer, and together never
 * more than the rate. Every byte passes the L2; the lines that the L2 does not hold pass the HBM, too. The L2 is kept by
 * pages of several lines, least recently used first out.
 */
#ifndef TG_MACHINE_SIM_MEMORY_H
#define TG_MACHINE_SIM_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tile.h>

#include "machine/sim/parameters.h"

enum { TG_L2_PAGE_BYTES = 4096, TG_L2_LINE_BYTES = 512 };

struct tg_memory {
    double l2_free_ns, hbm_free_ns; /* when all that came is worked off */
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

/* When the bytes of `global` have passed, asked for at `now_ns`: the later of both servers; the core's own path is not
 * looked at. Calls are in the order of now_ns. */
double tg_memory_transfer(struct tg_memory *memory, const struct tg_global *global, double now_ns);

#endif
