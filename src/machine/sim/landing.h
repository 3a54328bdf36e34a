/*
 * landing.h - stores that land in device memory after their kernel has returned.
 *
 *     kernel     ... store | return
 *     memory     old bytes          | old bytes, which a successor reads | new bytes
 *
 * Threads: that of the run.
 */
#ifndef TG_MACHINE_SIM_LANDING_H
#define TG_MACHINE_SIM_LANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/gm.h"

/* Bytes of device memory that a store writes. */
struct tg_landing_write {
    uint64_t address, n_bytes;
    size_t data; /* where tg_landing.data has the other bytes */
};

struct tg_landing {
    struct tg_landing_write *writes; /* [n_writes], owned */
    uint8_t *data;                   /* [n_data], owned: what was there before, then what lands */
    size_t n_writes, writes_max, n_data, data_max;
};

void tg_landing_fini(struct tg_landing *landing);

/* A store that has not happened yet writes these bytes. false: no memory. */
bool tg_landing_note(struct tg_landing *landing, uint64_t address, uint64_t n_bytes);

/* The stores that were noted have happened: memory gets back what it had before them. */
void tg_landing_hold(struct tg_landing *landing);

/* What is held lands. Memory of `gm` that was freed meanwhile is left alone; NULL: none can have been. */
void tg_landing_land(struct tg_landing *landing, struct tg_gm *gm);

#endif
