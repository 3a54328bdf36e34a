/*
 * transfers.h - the device memory that one kernel touches, by transfers and by plain loads and stores of its scalar unit, and
 * whether what touches the same bytes is in order. What other tasks do is not looked at here.
 *
 * A map (check/memory/extents.h) holds for each byte the store that wrote it last and the load that read it since. Loads are
 * in order with each other, so the last one stands for all. A transfer costs time and memory for its runs of contiguous
 * bytes, whatever came before.
 *
 *     earlier            now              in order if
 *     transfer           transfer         the pipe of the later one knows the earlier one to have ended (order.h)
 *     transfer           plain            PIPE_S knows it
 *     plain store        transfer         the pipe of the transfer knows PIPE_S to have come so far, by a flag or a barrier
 *     plain load         anything         always: the scalar unit has the value before it goes on
 *     plain store        plain            always
 */
#ifndef TG_CHECK_CORE_TRANSFERS_H
#define TG_CHECK_CORE_TRANSFERS_H

#include "check/core/order.h"
#include "check/memory/extents.h"

struct tg_transfers {
    struct tg_extents map; /* writer and readers: numbers of marks; TG_NOBODY and 0 are none */
    struct tg_mark *marks; /* [n], owned; number 0 is nobody's */
    uint32_t n, capacity;
};

/* Two accesses to the same bytes, one of them a store, that nothing orders. */
struct tg_transfers_conflict {
    struct tg_mark earlier; /* number 0: there is no conflict */
    bool earlier_stores;
    uint64_t low, high; /* the first bytes */
};

/* false: no memory. */
bool tg_transfers_init(struct tg_transfers *transfers);
void tg_transfers_fini(struct tg_transfers *transfers);

/* A kernel begins: nothing was touched. */
void tg_transfers_begin(struct tg_transfers *transfers);

/* The kernel's next transfer, which has passed the rules. *conflict: the first one. false: no memory. */
bool tg_transfers_add(struct tg_transfers *transfers, const struct tg_order *order, const struct tg_instr *instr,
                      const struct tg_mark *mark, struct tg_transfers_conflict *conflict);

/* The kernel's next plain access, with a mark of tg_order_plain. *conflict: the first one. false: no memory. */
bool tg_transfers_plain(struct tg_transfers *transfers, const struct tg_order *order, uint64_t address, uint64_t bytes,
                        bool stores, const struct tg_mark *mark, struct tg_transfers_conflict *conflict);

#endif
