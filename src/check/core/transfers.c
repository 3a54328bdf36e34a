#include "check/core/transfers.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "tile/execute.h"
#include "tile/table.h"

bool tg_transfers_init(struct tg_transfers *transfers)
{
    memset(transfers, 0, sizeof *transfers);
    transfers->marks = calloc(1, sizeof *transfers->marks);
    transfers->n = 1;
    transfers->capacity = 1;
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

/* ---- marks --------------------------------------------------------------------------------------------------------
 */

/* new_numbers[n]: 0 for a mark that no byte refers to. */
static void note_used(void *context, struct tg_extent *extent, uint64_t end)
{
    uint32_t *new_numbers = context;
    (void)end;
    if (extent->writer != TG_NOBODY) new_numbers[extent->writer] = 1;
    new_numbers[extent->readers] = new_numbers[extent->adders] = 1;
}

static void renumber(void *context, struct tg_extent *extent, uint64_t end)
{
    const uint32_t *new_numbers = context;
    (void)end;
    if (extent->writer != TG_NOBODY) extent->writer = (tg_who)new_numbers[extent->writer];
    extent->readers = new_numbers[extent->readers];
    extent->adders = new_numbers[extent->adders];
}

/* Remove the marks that no byte refers to. The others keep their order. false: no memory. */
static bool drop_unused(struct tg_transfers *transfers)
{
    uint32_t *new_numbers = calloc(transfers->n, sizeof *new_numbers), n = 1;
    if (!new_numbers) return false;
    bool done = tg_extents_visit(&transfers->map, 0, UINT64_MAX, note_used, new_numbers);
    new_numbers[0] = 0;
    for (uint32_t i = 1; i < transfers->n && done; i++) {
        if (new_numbers[i] == 0) continue;
        transfers->marks[n] = transfers->marks[i];
        new_numbers[i] = n++;
    }
    done = done && tg_extents_visit(&transfers->map, 0, UINT64_MAX, renumber, new_numbers);
    if (done) transfers->n = n;
    free(new_numbers);
    return done;
}

/* So the list grows with the bytes that were touched, not with the length of the kernel. */
static bool make_room(struct tg_transfers *transfers)
{
    if (transfers->n < transfers->capacity) return true;
    if (!drop_unused(transfers)) return false;
    if (transfers->n <= transfers->capacity / 2) return true; /* else it would soon be full again */
    void *marks = transfers->marks;
    const bool grown = tg_grow(&marks, transfers->capacity + 1, &transfers->capacity, sizeof *transfers->marks);
    transfers->marks = marks;
    return grown;
}

/* A number for the mark; plain stores of one place in the source with nothing between them have one. 0: no memory. */
static uint32_t number_of(struct tg_transfers *transfers, const struct tg_mark *mark)
{
    enum { RECENT = 4 };
    for (uint32_t i = transfers->n; mark->pipe == PIPE_S && i > 1 && i + RECENT > transfers->n; i--) {
        const struct tg_mark *recent = &transfers->marks[i - 1];
        if (recent->number == mark->number && recent->line == mark->line && recent->op == mark->op) return i - 1;
    }
    if (!make_room(transfers)) return 0;
    transfers->marks[transfers->n] = *mark;
    return transfers->n++;
}

/* ---- accesses -----------------------------------------------------------------------------------------------------
 */

/* The current access. */
struct access {
    const struct tg_transfers *transfers;
    const struct tg_order *order;
    const struct tg_mark *mark;
    uint32_t number; /* of the mark */
    bool stores;
    bool strict;  /* only a barrier of all pipes orders it after a store */
    uint8_t adds; /* enum tg_dtype + 1 of the numbers that an atomic addition adds; 0: another access */
    struct tg_transfers_conflict *conflict;
};

/* Compare the access with an earlier one: transfer or store `number`. */
static void compare(const struct access *now, uint32_t number, bool earlier_stores, uint64_t low, uint64_t high)
{
    const struct tg_mark *earlier = &now->transfers->marks[number];
    if (now->conflict->earlier.number > 0 || number == now->number) return;
    const bool known = tg_order_knows(now->order, (enum tg_pipe)now->mark->pipe, earlier);
    const bool enough = !now->strict || !earlier_stores || earlier->pipe == PIPE_S ||
                        earlier->number <= now->order->all;
    if (known && enough) return;
    *now->conflict = (struct tg_transfers_conflict){*earlier, earlier_stores, known, low, high};
}

/* Additions of one type commute. */
static bool commutes(const struct access *now, const struct tg_extent *extent)
{
    return now->adds != 0 && now->adds == extent->added;
}

static void compare_with_history(const struct access *now, const struct tg_extent *extent, uint64_t low, uint64_t high)
{
    if (extent->writer != TG_NOBODY) compare(now, (uint32_t)extent->writer, true, low, high);
    if (extent->adders != 0 && !commutes(now, extent)) compare(now, extent->adders, true, low, high);
    if (now->stores && extent->readers != 0) compare(now, extent->readers, false, low, high);
}

static void visit(void *context, struct tg_extent *extent, uint64_t end)
{
    const struct access *now = context;
    compare_with_history(now, extent, extent->start, end);
    if (now->adds != 0) {
        extent->adders = now->number;
        extent->added = now->adds;
    } else if (now->stores) {
        extent->writer = (tg_who)now->number;
        extent->readers = extent->adders = 0;
        extent->added = 0;
    } else {
        extent->readers = now->number;
    }
}

bool tg_transfers_add(struct tg_transfers *transfers, const struct tg_order *order, const struct tg_instr *instr,
                      const struct tg_mark *mark, bool strict, struct tg_transfers_conflict *conflict)
{
    const bool stores = tg_use_writes(tg_form_of(instr->op)->global);
    struct access now = {.transfers = transfers,
                         .order = order,
                         .mark = mark,
                         .number = number_of(transfers, mark),
                         .stores = stores,
                         .strict = strict && !stores,
                         .adds = tg_store_added(instr),
                         .conflict = conflict};
    conflict->earlier.number = 0;
    if (now.number == 0) return false;
    struct tg_run_of_bytes run;
    for (uint32_t i = 0; tg_global_merged_run(instr->global, &i, &run);)
        if (!tg_extents_visit(&transfers->map, run.address, run.address + run.bytes, visit, &now)) return false;
    return true;
}

bool tg_transfers_plain(struct tg_transfers *transfers, const struct tg_order *order, uint64_t address, uint64_t bytes,
                        bool stores, const struct tg_mark *mark, struct tg_transfers_conflict *conflict)
{
    struct access now = {.transfers = transfers, .order = order, .mark = mark, .stores = stores, .conflict = conflict};
    const uint64_t high = address + bytes;
    conflict->earlier.number = 0;
    if (!stores) { /* no later access conflicts with it */
        for (uint64_t at = address, end = 0; at < high; at = end) {
            const struct tg_extent *extent = tg_extents_find(&transfers->map, at, &end);
            compare_with_history(&now, extent, at, end < high ? end : high);
        }
        return true;
    }
    now.number = number_of(transfers, mark);
    return now.number != 0 && tg_extents_visit(&transfers->map, address, high, visit, &now);
}
