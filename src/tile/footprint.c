#include "tile/footprint.h"

#include "tile/buffers.h"

enum { BLOCK_BYTES = 32, FRACTAL_BYTES = 512 };

/* ---- the used part of an operand ----------------------------------------------------------------------------------
 */

/* The tile up to the next multiple of 32 bytes behind each of its valid rows (or columns). */
static struct tg_tile whole_blocks(const struct tg_tile *tile)
{
    const uint32_t in_block = BLOCK_BYTES / tg_dtype_bytes(tile->dtype);
    struct tg_tile blocks = *tile;
    uint32_t *along = tile->layout == TG_ROW_MAJOR ? &blocks.valid_cols : &blocks.valid_rows;
    *along = tg_round_up(*along, in_block);
    return blocks;
}

/* Filling a Mat, Left or Right tile also fills the area outside its valid part with zeros. Padding extends to the
 * static columns. */
static struct tg_tile written(const struct tg_instr *instr, const struct tg_tile *tile)
{
    const uint32_t form = tg_op_info(instr->op)->form;
    const bool whole = tile->kind == TG_MAT || tile->kind == TG_LEFT || tile->kind == TG_RIGHT;
    struct tg_tile all = *tile;
    if (whole) all.valid_rows = tile->rows;
    if (whole || form == TG_FORM_PAD || form == TG_FORM_PAD_INPLACE) all.valid_cols = tile->cols;
    return all;
}

/* A device computes a product of one row as 16 rows: the 15 others are of what Left holds there. */
static bool writes_more_rows(const struct tg_instr *instr)
{
    const uint32_t form = tg_op_info(instr->op)->form;
    const bool product = form == TG_FORM_PRODUCT || form == TG_FORM_PRODUCT_ACC || form == TG_FORM_PRODUCT_BIAS;
    return product && instr->dst->valid_rows == 1;
}

static struct tg_tile sixteen_rows(const struct tg_tile *acc)
{
    struct tg_tile rows = *acc;
    rows.valid_rows = 16;
    return rows;
}

/* A window is read, and nothing around it. */
static struct tg_tile read(const struct tg_instr *instr, const struct tg_tile *tile)
{
    struct tg_tile window = *tile;
    if (tg_op_info(instr->op)->form != TG_FORM_EXTRACT) return window;
    const uint32_t row = (uint32_t)instr->immediate[0], col = (uint32_t)instr->immediate[1];
    window.offset += tg_element_at(tile, row, col) * tg_dtype_bytes(tile->dtype);
    window.valid_rows = instr->dst->valid_rows;
    window.valid_cols = instr->dst->valid_cols;
    return window;
}

/* Add the operands whose use is among those of `uses`, a bit each, as `as`. */
static int add(const struct tg_instr *instr, uint32_t uses, enum tg_use as, struct tg_operand *operands)
{
    const struct tg_form_info *form = tg_form_of(instr->op);
    int n = 0;
    for (uint32_t slot = 0; slot < TG_SLOTS; slot++) {
        const struct tg_tile *tile = tg_instr_tile(instr, slot);
        if (!tile || !(uses >> form->slots[slot].use & 1u)) continue;
        operands[n++] = (struct tg_operand){
            .tile = as == TG_USE_WRITE ? written(instr, tile) : read(instr, tile), .use = as, .slot = (uint8_t)slot};
    }
    return n;
}

int tg_footprint(const struct tg_instr *instr, struct tg_operand operands[TG_OPERANDS_MAX])
{
    int n = add(instr, 1u << TG_USE_READ, TG_USE_READ, operands);
    n += add(instr, 1u << TG_USE_READ_WRITE, TG_USE_READ, operands + n);
    n += add(instr, 1u << TG_USE_SCRATCH, TG_USE_SCRATCH, operands + n);
    if (tg_op_info(instr->op)->form == TG_FORM_LOAD && instr->dst->kind == TG_VEC)
        operands[n++] = (struct tg_operand){.tile = whole_blocks(instr->dst), .use = TG_USE_SCRATCH};
    if (writes_more_rows(instr))
        operands[n++] = (struct tg_operand){.tile = sixteen_rows(instr->dst), .use = TG_USE_SCRATCH};
    return n + add(instr, 1u << TG_USE_WRITE | 1u << TG_USE_READ_WRITE, TG_USE_WRITE, operands + n);
}

/* ---- the bytes of a tile ------------------------------------------------------------------------------------------
 */

/* Runs of equal length: n of them, `step` bytes apart. */
struct runs {
    uint32_t n, bytes, step;
};

static uint32_t ceil_div(uint32_t n, uint32_t step) { return (n + step - 1) / step; }

/* Are the tile's fractals ordered row by row, like those of Right, and not column by column? */
static bool is_zn(const struct tg_tile *t)
{
    return t->kind == TG_RIGHT || (t->kind == TG_MAT && t->layout == TG_COL_MAJOR);
}

/* The tile's rows, columns, or rows or columns of fractals. */
static struct runs lines_of(const struct tg_tile *t)
{
    const uint32_t bytes = tg_dtype_bytes(t->dtype), width = BLOCK_BYTES / bytes;
    struct runs runs = {0, 0, 0};
    switch ((enum tg_tile_kind)t->kind) {
    case TG_VEC:
        if (t->layout == TG_ROW_MAJOR) runs = (struct runs){t->valid_rows, t->valid_cols * bytes, t->cols * bytes};
        else runs = (struct runs){t->valid_cols, t->valid_rows * bytes, t->rows * bytes};
        break;
    case TG_MAT:
        runs = (struct runs){ceil_div(t->valid_cols, width), t->valid_rows * BLOCK_BYTES, t->rows * BLOCK_BYTES};
        if (!is_zn(t)) break;
        /* fall through */
    case TG_RIGHT:
        runs = (struct runs){ceil_div(t->valid_rows, width), ceil_div(t->valid_cols, 16) * FRACTAL_BYTES,
                             t->cols / 16 * FRACTAL_BYTES};
        break;
    case TG_BIAS: runs = (struct runs){1, t->valid_cols * bytes, 0}; break;
    case TG_ACC:
        runs = (struct runs){ceil_div(t->valid_cols, 16), t->valid_rows * 16 * bytes, t->rows * 16 * bytes};
        break;
    case TG_LEFT:
        runs = (struct runs){ceil_div(t->valid_rows, 16), ceil_div(t->valid_cols, width) * FRACTAL_BYTES,
                             ceil_div(t->cols, width) * FRACTAL_BYTES};
        break;
    }
    return runs;
}

/* The same, adjacent ones joined. */
static struct runs runs_of(const struct tg_tile *t)
{
    const struct runs lines = lines_of(t);
    return lines.n > 1 && lines.bytes == lines.step ? (struct runs){1, lines.n * lines.bytes, 0} : lines;
}

static struct tg_bytes run_at(const struct tg_tile *tile, const struct runs *runs, uint32_t idx)
{
    const uint32_t low = tile->offset + idx * runs->step;
    return (struct tg_bytes){low, low + runs->bytes};
}

bool tg_tile_run(const struct tg_tile *tile, uint32_t idx, struct tg_bytes *run)
{
    const struct runs runs = runs_of(tile);
    if (idx >= runs.n) return false;
    *run = run_at(tile, &runs, idx);
    return true;
}

bool tg_operand_run(const struct tg_operand *operand, uint32_t idx, struct tg_bytes *run)
{
    if (!operand->runs) return tg_tile_run(&operand->tile, idx, run);
    if (idx >= operand->n_runs) return false;
    *run = operand->runs[idx];
    return true;
}

bool tg_tiles_meet(const struct tg_tile *a, const struct tg_tile *b, struct tg_bytes *common)
{
    const struct runs of_a = runs_of(a), of_b = runs_of(b);
    /* Both lists are in address order: the run that ends first cannot overlap later runs. */
    for (uint32_t i = 0, j = 0; i < of_a.n && j < of_b.n;) {
        const struct tg_bytes x = run_at(a, &of_a, i), y = run_at(b, &of_b, j);
        common->low = x.low > y.low ? x.low : y.low;
        common->high = x.high < y.high ? x.high : y.high;
        if (common->low < common->high) return true;
        if (x.high <= y.high) i++;
        else j++;
    }
    return false;
}

bool tg_tile_inside(const struct tg_tile *inner, const struct tg_tile *outer)
{
    const struct runs in = runs_of(inner), out = runs_of(outer);
    uint32_t j = 0;
    for (uint32_t i = 0; i < in.n; i++) {
        const struct tg_bytes run = run_at(inner, &in, i);
        while (j < out.n && run_at(outer, &out, j).high <= run.low) j++;
        if (j == out.n) return false;
        const struct tg_bytes around = run_at(outer, &out, j);
        if (run.low < around.low || run.high > around.high) return false;
    }
    return true;
}

/* ---- two tiles at one place ---------------------------------------------------------------------------------------
 */

/* Do lines of `part` lie inside lines of `whole`? Lines of both are equally far apart. */
static bool lines_inside(const struct tg_tile *part, const struct tg_tile *whole)
{
    const struct runs lines = lines_of(part);
    const uint32_t ahead = part->offset % lines.step + lines.step - whole->offset % lines.step;
    return ahead % lines.step + lines.bytes <= lines.step;
}

bool tg_tiles_agree(const struct tg_tile *a, const struct tg_tile *b)
{
    const struct runs of_a = lines_of(a), of_b = lines_of(b);
    if (a->dtype != b->dtype) return false;
    if (of_a.n == 1 || of_b.n == 1) return true;
    return a->layout == b->layout && of_a.step == of_b.step && (lines_inside(a, b) || lines_inside(b, a));
}

bool tg_tiles_coincide(const struct tg_tile *a, const struct tg_tile *b)
{
    if (a->offset != b->offset || a->layout != b->layout || tg_dtype_bytes(a->dtype) != tg_dtype_bytes(b->dtype))
        return false;
    const struct runs of_a = lines_of(a), of_b = lines_of(b);
    return of_a.step == of_b.step || (of_a.n == 1 && of_b.n == 1);
}

/* ---- how a result becomes visible ---- */

/* A product of at least this many fractals of L0C needs no barrier; with fewer fractals the next product can overtake
 * it. Source: CANN ops. Vendor kernels put a barrier after Mmad if (m / 16) * (n / 16) < 10; m and n are its rows and
 * columns. */
enum { SETTLED_FRACTALS = 10 };

bool tg_instr_is_interlocked(const struct tg_instr *instr)
{
    if (instr->op != TG_OP_TMATMUL && instr->op != TG_OP_TMATMUL_ACC) return false;
    const uint32_t m = (instr->dst->valid_rows + 15) / 16, n = (instr->dst->valid_cols + 15) / 16;
    return m * n >= SETTLED_FRACTALS;
}
