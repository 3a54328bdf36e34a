/*
 * transfers.h - the device memory that one kernel accesses, by transfers and by plain loads and stores of its scalar
 * unit. It checks that accesses to the same bytes are in order. Accesses of other tasks are not checked here.
 *
 * A map (check/memory/extents.h) holds for each byte the last store, and the last addition and the last load since.
 * Loads are in order with each other, so the last one stands for all. Additions (TSTORE_ADD) of one type commute; they
 * all run on one pipe, so the last one stands for all there, too. A transfer costs time and memory for its runs of
 * contiguous bytes, independent of earlier accesses.
 *
 *     earlier            now              in order if
 *     addition           addition         always, if both add numbers of one type
 *     transfer           transfer         the pipe of the later one knows that the earlier one has ended (order.h)
 *     transfer           plain            PIPE_S knows it
 *     plain store        transfer         the transfer's pipe knows PIPE_S up to the store, by a flag or a barrier
 *     plain load         anything         always: the scalar unit has the value before it goes on
 *     plain store        plain            always
 */
#ifndef TG_CHECK_CORE_TRANSFERS_H
#define TG_CHECK_CORE_TRANSFERS_H

#include "check/core/order.h"
#include "check/memory/extents.h"

struct tg_transfers {
    struct tg_extents map; /* writer, readers and adders: numbers of marks; TG_NOBODY and 0 stand for no mark */
    struct tg_mark *marks; /* [n], owned; number 0 is unused */
    uint32_t n;
    size_t capacity;
};

/* Two accesses to the same bytes, one of them a store, without an order. */
struct tg_transfers_conflict {
    struct tg_mark earlier; /* number 0: there is no conflict */
    bool earlier_stores;
    bool has_flag;      /* flags order them, which is not enough here */
    uint64_t low, high; /* the first bytes */
};

/* false: no memory. */
bool tg_transfers_init(struct tg_transfers *transfers);
void tg_transfers_fini(struct tg_transfers *transfers);

/* A kernel begins: nothing was touched. */
void tg_transfers_begin(struct tg_transfers *transfers);

/* The kernel's next transfer, which has passed the rules. strict: only a barrier of all pipes orders a load after a
 * store (tg_facts.strict_round_trip). *conflict: the first one. false: no memory. */
bool tg_transfers_add(struct tg_transfers *transfers, const struct tg_order *order, const struct tg_instr *instr,
                      const struct tg_mark *mark, bool strict, struct tg_transfers_conflict *conflict);

/* The kernel's next plain access, with a mark of tg_order_plain. *conflict: the first one. false: no memory. */
bool tg_transfers_plain(struct tg_transfers *transfers, const struct tg_order *order, uint64_t address, uint64_t bytes,
                        bool stores, const struct tg_mark *mark, struct tg_transfers_conflict *conflict);

#endif
