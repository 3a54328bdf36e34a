/*
 * transfers.h - the transfers of one kernel to and from device memory, and whether those that touch the same bytes are in
 * order. What other tasks do is not looked at here.
 *
 * The latest TG_TRANSFERS_MAX of a kernel are remembered: a conflict over a longer distance is not seen.
 */
#ifndef TG_CHECK_CORE_TRANSFERS_H
#define TG_CHECK_CORE_TRANSFERS_H

#include "check/core/order.h"

enum { TG_TRANSFERS_MAX = 256 };

struct tg_transfer {
    struct tg_mark mark;
    struct tg_global global;
    uint64_t low, high; /* from the first to the last byte */
    bool stores;
};

struct tg_transfers {
    struct tg_transfer ring[TG_TRANSFERS_MAX];
    uint32_t n; /* so far; the ring holds the last of them */
};

/* A kernel begins. */
static inline void tg_transfers_begin(struct tg_transfers *transfers) { transfers->n = 0; }

/* An earlier transfer that `now` touches bytes of without being in order with it, one of both being a store; NULL: there
 * is none. *common: the first bytes. */
const struct tg_transfer *tg_transfers_conflict(const struct tg_transfers *transfers, const struct tg_order *order,
                                                const struct tg_transfer *now, uint64_t common[2]);

/* Remember a transfer. */
void tg_transfers_add(struct tg_transfers *transfers, const struct tg_transfer *transfer);

/* What an instruction that has passed the rules transfers. */
struct tg_transfer tg_transfer_of(const struct tg_instr *instr, const struct tg_mark *mark);

#endif
