#include "check/core/indexed.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "tile/number.h"

void tg_indexed_fini(struct tg_indexed *indexed)
{
    free(indexed->runs);
    memset(indexed, 0, sizeof *indexed);
}

uint32_t tg_indexed_slot(const struct tg_instr *instr)
{
    switch (tg_op_info(instr->op)->form) {
    case TG_FORM_GATHER: return TG_SLOT_A;
    case TG_FORM_SCATTER: return TG_SLOT_DST;
    default: return TG_SLOTS;
    }
}

static int by_address(const void *a, const void *b)
{
    const struct tg_bytes *x = a, *y = b;
    return (x->low > y->low) - (x->low < y->low);
}

/* Sort the elements and join neighbours. */
static void join(struct tg_indexed *indexed)
{
    size_t n = 0;
    if (indexed->n > 1) qsort(indexed->runs, indexed->n, sizeof *indexed->runs, by_address);
    for (size_t i = 0; i < indexed->n; i++) {
        const struct tg_bytes run = indexed->runs[i];
        if (n > 0 && run.low <= indexed->runs[n - 1].high) indexed->runs[n - 1].high = run.high;
        else indexed->runs[n++] = run;
    }
    indexed->n = n;
}

bool tg_indexed_find(struct tg_indexed *indexed, const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    const struct tg_tile *index = instr->index, *tile = tg_instr_tile(instr, tg_indexed_slot(instr));
    const bool scatters = tg_op_info(instr->op)->form == TG_FORM_SCATTER;
    const uint32_t bytes = tg_dtype_bytes(tile->dtype), index_bytes = tg_dtype_bytes(index->dtype);
    const int64_t limit = scatters ? tile->valid_rows : (int64_t)tile->rows * tile->cols;
    void *runs = indexed->runs;
    if (!tg_grow(&runs, (size_t)index->valid_rows * index->valid_cols, &indexed->capacity, sizeof *indexed->runs))
        return false;
    indexed->runs = runs;
    indexed->n = 0;
    indexed->has_outside = false;
    for (uint32_t row = 0; row < index->valid_rows; row++)
        for (uint32_t col = 0; col < index->valid_cols; col++) {
            const uint8_t *from = tg_tile_at(buffers, index) + ((size_t)row * index->cols + col) * index_bytes;
            const int64_t at = (int64_t)tg_load_f64(from, index->dtype);
            if (at < 0 || at >= limit) {
                if (!indexed->has_outside) {
                    indexed->outside = at;
                    indexed->row = row;
                    indexed->col = col;
                }
                indexed->has_outside = true;
                continue;
            }
            const uint32_t element = scatters ? (uint32_t)at * tile->cols + col : (uint32_t)at;
            const uint32_t low = tile->offset + element * bytes;
            indexed->runs[indexed->n++] = (struct tg_bytes){low, low + bytes};
        }
    join(indexed);
    return true;
}
