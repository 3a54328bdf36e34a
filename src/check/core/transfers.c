#include "check/core/transfers.h"

#include "tile/execute.h"
#include "tile/table.h"

struct tg_transfer tg_transfer_of(const struct tg_instr *instr, const struct tg_mark *mark)
{
    struct tg_transfer t = {.mark = *mark,
                            .global = *instr->global,
                            .low = UINT64_MAX,
                            .stores = tg_use_writes(tg_form_of(instr->op)->global)};
    struct tg_run_of_bytes run;
    for (uint32_t i = 0; tg_global_run(instr->global, i, &run); i++) {
        if (run.address < t.low) t.low = run.address;
        if (run.address + run.bytes > t.high) t.high = run.address + run.bytes;
    }
    return t;
}

/* Do the runs of `a` and `b` have a byte in common? */
static bool meet(const struct tg_transfer *a, const struct tg_transfer *b, uint64_t common[2])
{
    if (a->high <= b->low || b->high <= a->low) return false;
    struct tg_run_of_bytes x, y;
    for (uint32_t i = 0; tg_global_run(&a->global, i, &x); i++) {
        if (x.address >= b->high || x.address + x.bytes <= b->low) continue;
        for (uint32_t j = 0; tg_global_run(&b->global, j, &y); j++) {
            common[0] = x.address > y.address ? x.address : y.address;
            uint64_t x_end = x.address + x.bytes, y_end = y.address + y.bytes;
            common[1] = x_end < y_end ? x_end : y_end;
            if (common[0] < common[1]) return true;
        }
    }
    return false;
}

const struct tg_transfer *tg_transfers_conflict(const struct tg_transfers *transfers, const struct tg_order *order,
                                                const struct tg_transfer *now, uint64_t common[2])
{
    uint32_t kept = transfers->n < TG_TRANSFERS_MAX ? transfers->n : TG_TRANSFERS_MAX;
    for (uint32_t i = 1; i <= kept; i++) {
        const struct tg_transfer *earlier = &transfers->ring[(transfers->n - i) % TG_TRANSFERS_MAX];
        if (!earlier->stores && !now->stores) continue;
        if (tg_order_knows(order, (enum tg_pipe)now->mark.pipe, &earlier->mark)) continue;
        if (meet(earlier, now, common)) return earlier;
    }
    return NULL;
}

void tg_transfers_add(struct tg_transfers *transfers, const struct tg_transfer *transfer)
{
    transfers->ring[transfers->n++ % TG_TRANSFERS_MAX] = *transfer;
}
