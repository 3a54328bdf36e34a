#include "check/core/footprint.h"

/* Add the operands whose use is among those of `uses`, a bit each, as `as`. */
static int add(const struct tg_instr *instr, uint32_t uses, enum tg_use as, struct tg_operand *operands)
{
    const struct tg_form_info *form = tg_form_of(instr->op);
    int n = 0;
    for (uint32_t slot = 0; slot < TG_SLOTS; slot++) {
        const struct tg_tile *tile = tg_instr_tile(instr, slot);
        if (tile && uses >> form->slots[slot].use & 1u) operands[n++] = (struct tg_operand){tile, as};
    }
    return n;
}

int tg_footprint(const struct tg_instr *instr, struct tg_operand operands[TG_OPERANDS_MAX])
{
    int n = add(instr, 1u << TG_USE_READ, TG_USE_READ, operands);
    n += add(instr, 1u << TG_USE_READ_WRITE, TG_USE_READ, operands + n);
    n += add(instr, 1u << TG_USE_SCRATCH, TG_USE_SCRATCH, operands + n);
    return n + add(instr, 1u << TG_USE_WRITE | 1u << TG_USE_READ_WRITE, TG_USE_WRITE, operands + n);
}

/* Runs of equal length: n of them, `step` bytes apart. */
struct runs {
    uint32_t n, bytes, step;
};

static struct runs runs_of(const struct tg_tile *t)
{
    const uint32_t bytes = tg_dtype_bytes(t->dtype);
    struct runs runs = {1, tg_tile_bytes(t), 0};
    if (t->kind == TG_ACC) {
        runs = (struct runs){(t->valid_cols + 15) / 16, t->valid_rows * 16 * bytes, t->rows * 16 * bytes};
    } else if (t->kind == TG_VEC && t->layout == TG_ROW_MAJOR) {
        runs = (struct runs){t->valid_rows, t->valid_cols * bytes, t->cols * bytes};
    } else if (t->kind == TG_VEC) {
        runs = (struct runs){t->valid_cols, t->valid_rows * bytes, t->rows * bytes};
    }
    if (runs.n > 1 && runs.bytes == runs.step) runs = (struct runs){1, runs.n * runs.bytes, 0};
    return runs;
}

bool tg_tile_run(const struct tg_tile *tile, uint32_t idx, struct tg_bytes *run)
{
    const struct runs runs = runs_of(tile);
    if (idx >= runs.n) return false;
    run->low = tile->offset + idx * runs.step;
    run->high = run->low + runs.bytes;
    return true;
}

struct tg_bytes tg_tile_span(const struct tg_tile *tile)
{
    const struct runs runs = runs_of(tile);
    return (struct tg_bytes){tile->offset, tile->offset + (runs.n - 1) * runs.step + runs.bytes};
}

struct tg_bytes tg_tile_extent(const struct tg_tile *tile)
{
    return (struct tg_bytes){tile->offset, tile->offset + tg_tile_bytes(tile)};
}

bool tg_tiles_meet(const struct tg_tile *a, const struct tg_tile *b, struct tg_bytes *common)
{
    struct tg_bytes x, y;
    uint32_t i = 0, j = 0;
    /* Both lists are in address order: the run that ends first meets nothing further on. */
    while (tg_tile_run(a, i, &x) && tg_tile_run(b, j, &y)) {
        common->low = x.low > y.low ? x.low : y.low;
        common->high = x.high < y.high ? x.high : y.high;
        if (common->low < common->high) return true;
        if (x.high <= y.high) i++;
        else j++;
    }
    return false;
}
