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
    size_t data; /* the other bytes, in tg_landing.data */
};

struct tg_landing {
    struct tg_landing_write *writes; /* [n_writes], owned */
    uint8_t *data;                   /* [n_data], owned: the old bytes, then the bytes to land */
    size_t n_writes, writes_max, n_data, data_max;
};

void tg_landing_fini(struct tg_landing *landing);

/* Note the bytes that a store will write. false: no memory. */
bool tg_landing_note(struct tg_landing *landing, uint64_t address, uint64_t n_bytes);

/* The noted stores have been executed: exchange their bytes in memory for the old ones. */
void tg_landing_hold(struct tg_landing *landing);

/* Let the noted bytes land. Memory of `gm` that was freed in the meantime is skipped; NULL: no memory can have been
 * freed. */
void tg_landing_land(struct tg_landing *landing, struct tg_gm *gm);

#endif
