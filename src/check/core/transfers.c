#include "check/core/transfers.h"

#include <stdlib.h>
#include <string.h>

#include "tile/execute.h"
#include "tile/table.h"

bool tg_transfers_init(struct tg_transfers *transfers)
{
    memset(transfers, 0, sizeof *transfers);
    transfers->marks = calloc(1, sizeof *transfers->marks);
    transfers->n = transfers->capacity = 1;
    if (transfers->marks && tg_extents_init(&transfers->map)) return true;
    free(transfers->marks);
    transfers->marks = NULL;
    return false;
}

void tg_transfers_fini(struct tg_transfers *transfers)
{
    tg_extents_fini(&transfers->map);
    free(transfers->marks);
    memset(transfers, 0, sizeof *transfers);
}

void tg_transfers_begin(struct tg_transfers *transfers)
{
    tg_extents_clear(&transfers->map);
    transfers->n = 1;
}

/* A number for the mark; plain stores of one place in the source with nothing between them have one. 0: no memory. */
static uint32_t number_of(struct tg_transfers *transfers, const struct tg_mark *mark)
{
    enum { RECENT = 4 };
    for (uint32_t i = transfers->n; mark->pipe == PIPE_S && i > 1 && i + RECENT > transfers->n; i--) {
        const struct tg_mark *recent = &transfers->marks[i - 1];
        if (recent->number == mark->number && recent->line == mark->line && recent->op == mark->op) return i - 1;
    }
    if (transfers->n == transfers->capacity) {
        const uint32_t more = transfers->capacity + transfers->capacity / 2 + 64;
        struct tg_mark *marks = realloc(transfers->marks, more * sizeof *marks);
        if (!marks) return 0;
        transfers->marks = marks;
        transfers->capacity = more;
    }
    transfers->marks[transfers->n] = *mark;
    return transfers->n++;
}

/* The current access. */
struct look {
    const struct tg_transfers *transfers;
    const struct tg_order *order;
    const struct tg_mark *mark;
    uint32_t number; /* of the mark */
    bool stores;
    struct tg_transfers_conflict *conflict;
};

static bool in_order(const struct look *look, const struct tg_mark *earlier)
{
    if (earlier->pipe == PIPE_S && look->mark->pipe == PIPE_S) return true;
    return tg_order_knows(look->order, (enum tg_pipe)look->mark->pipe, earlier);
}

static void hold(const struct look *look, uint32_t number, bool earlier_stores, uint64_t low, uint64_t high)
{
    const struct tg_mark *earlier = &look->transfers->marks[number];
    if (look->conflict->earlier.number > 0 || number == look->number || in_order(look, earlier)) return;
    *look->conflict = (struct tg_transfers_conflict){*earlier, earlier_stores, low, high};
}

static void hold_against(const struct look *look, const struct tg_extent *extent, uint64_t low, uint64_t high)
{
    if (extent->writer != TG_NOBODY) hold(look, (uint32_t)extent->writer, true, low, high);
    if (look->stores && extent->readers != 0) hold(look, extent->readers, false, low, high);
}

static void visit(void *context, struct tg_extent *extent, uint64_t end)
{
    const struct look *look = context;
    hold_against(look, extent, extent->start, end);
    if (look->stores) {
        extent->writer = (tg_who)look->number;
        extent->readers = 0;
    } else {
        extent->readers = look->number;
    }
}

bool tg_transfers_add(struct tg_transfers *transfers, const struct tg_order *order, const struct tg_instr *instr,
                      const struct tg_mark *mark, struct tg_transfers_conflict *conflict)
{
    struct look look = {.transfers = transfers,
                        .order = order,
                        .mark = mark,
                        .number = number_of(transfers, mark),
                        .stores = tg_use_writes(tg_form_of(instr->op)->global),
                        .conflict = conflict};
    conflict->earlier.number = 0;
    if (look.number == 0) return false;
    uint64_t low = 0, high = 0;
    struct tg_run_of_bytes run;
    for (uint32_t i = 0; tg_global_run(instr->global, i, &run); i++) {
        if (run.address != high) {
            if (low < high && !tg_extents_visit(&transfers->map, low, high, visit, &look)) return false;
            low = run.address;
        }
        high = run.address + run.bytes;
    }
    return low >= high || tg_extents_visit(&transfers->map, low, high, visit, &look);
}

bool tg_transfers_plain(struct tg_transfers *transfers, const struct tg_order *order, uint64_t address, uint64_t bytes,
                        bool stores, const struct tg_mark *mark, struct tg_transfers_conflict *conflict)
{
    struct look look = {.transfers = transfers, .order = order, .mark = mark, .stores = stores, .conflict = conflict};
    const uint64_t high = address + bytes;
    conflict->earlier.number = 0;
    if (!stores) { /* no later access conflicts with it */
        for (uint64_t at = address, end = 0; at < high; at = end) {
            const struct tg_extent *extent = tg_extents_find(&transfers->map, at, &end);
            hold_against(&look, extent, at, end < high ? end : high);
        }
        return true;
    }
    look.number = number_of(transfers, mark);
    return look.number != 0 && tg_extents_visit(&transfers->map, address, high, visit, &look);
}
