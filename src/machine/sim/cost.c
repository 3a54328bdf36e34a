#include "machine/sim/cost.h"

#include <stdbool.h>

#include "tile/buffers.h"
#include "tile/table.h"

enum { REPEAT_BYTES = 256, NARROW_BYTES = 128, COUNTED = 16 }; /* COUNTED: set-up of rows that are not whole repeats */

static uint32_t ceil_div(uint64_t n, uint32_t step) { return (uint32_t)((n + step - 1) / step); }

static uint64_t valid_bytes(const struct tg_tile *t, uint32_t dtype)
{
    return (uint64_t)t->valid_rows * t->valid_cols * tg_dtype_bytes(dtype);
}

/* ---- vector instructions ---- */

/* The iteration space of an instruction: rows of elements, in bytes as its cost form counts them. */
struct extent {
    uint32_t rows;
    uint64_t row_bytes;
    bool together; /* the rows are adjacent in memory */
};

static struct extent extent_of(const struct tg_instr *instr)
{
    const uint32_t form = tg_op_info(instr->op)->cost_form;
    const bool reduces = form == TG_COST_REDUCTION || form == TG_COST_COLUMNS;
    const bool compares = tg_op_info(instr->op)->form == TG_FORM_COMPARE ||
                          tg_op_info(instr->op)->form == TG_FORM_COMPARE_SCALAR;
    const struct tg_tile *t = reduces || compares ? instr->a : instr->dst;
    uint32_t bytes = tg_dtype_bytes(t->dtype);
    if (instr->op == TG_OP_TCVT && tg_dtype_bytes(instr->a->dtype) > bytes) bytes = tg_dtype_bytes(instr->a->dtype);
    if (instr->op == TG_OP_TDIV || tg_op_info(instr->op)->cost_form == TG_COST_WIDE) bytes = 4;
    return (struct extent){t->valid_rows, (uint64_t)t->valid_cols * bytes, t->valid_cols == t->cols};
}

static uint32_t repeats_of_row(const struct extent *e) { return ceil_div(e->row_bytes, REPEAT_BYTES); }

static uint32_t repeats_row_by_row(const struct extent *e) { return e->rows * repeats_of_row(e); }

static uint32_t repeats_together(const struct extent *e)
{
    return e->together ? ceil_div(e->rows * e->row_bytes, REPEAT_BYTES) : repeats_row_by_row(e);
}

static struct tg_cost vector_cost(const struct tg_op_info *row, const struct tg_instr *instr)
{
    const struct extent e = extent_of(instr);
    const bool whole = e.row_bytes % REPEAT_BYTES == 0;
    const uint32_t more = repeats_of_row(&e) - 1;
    struct tg_cost cost = {.startup = row->startup};
    switch ((enum tg_cost_form)row->cost_form) {
    case TG_COST_NARROW:
        cost.cycles = row->cycles * (e.row_bytes < NARROW_BYTES ? repeats_row_by_row(&e) : repeats_together(&e));
        break;
    case TG_COST_ROWS:
        cost.startup += whole ? 0 : COUNTED;
        cost.cycles = row->cycles * (whole ? repeats_together(&e) : repeats_row_by_row(&e));
        break;
    case TG_COST_REDUCTION:
        cost.startup += more * COUNTED + (whole ? 0 : COUNTED);
        cost.cycles = (row->cycles + more) * e.rows;
        break;
    case TG_COST_ELEMENTS: cost.cycles = row->cycles * instr->dst->valid_rows * instr->dst->valid_cols; break;
    case TG_COST_COLUMNS: cost.cycles = (row->cycles + 2 * more) * e.rows; break;
    case TG_COST_EXPANSION: cost.cycles = (row->cycles + more) * e.rows; break;
    default: cost.cycles = row->cycles * repeats_together(&e); break;
    }
    return cost;
}

/* A machine file may have figures of any size. */
static uint32_t whole_cycles(double cycles) { return cycles < UINT32_MAX ? (uint32_t)cycles : UINT32_MAX; }

/* ---- transfers ---- */

static struct tg_cost path_cost(double fixed, double rate, uint64_t bytes)
{
    return (struct tg_cost){.cycles = whole_cycles(fixed + (double)bytes / rate)};
}

/* Device memory is copied two dimensions at a time. In NZ these are column blocks, and rows with their columns. */
static double copies(const struct tg_global *g)
{
    return (double)g->shape[0] * g->shape[2] * (g->layout == TG_NZ ? 1 : g->shape[1]);
}

static struct tg_cost transfer_cost(const struct tg_sim_machine *m, const struct tg_instr *instr)
{
    const bool loads = instr->op == TG_OP_TLOAD;
    const struct tg_tile *tile = loads ? instr->dst : instr->a;
    const uint64_t bytes = valid_bytes(tile, instr->global->dtype);
    const bool vector = tile->kind == TG_VEC;
    const double fixed = loads ? (vector ? m->gm_to_ub_fixed : m->gm_to_l1_fixed)
                               : (vector ? m->ub_to_gm_fixed : m->l0c_to_gm_fixed);
    const double rate = loads ? (vector ? m->gm_to_ub_rate : m->gm_to_l1_rate)
                              : (vector ? m->ub_to_gm_rate : m->l0c_to_gm_rate);
    struct tg_cost cost = path_cost(fixed * copies(instr->global), rate, bytes);
    cost.gm_bytes = bytes;
    return cost;
}

/* Bytes a cycle, without a fixed part: 128 GiB/s of P's configuration at 1.85 GHz. Confidence L. */
static const double L0C_TO_L1_RATE = 74.3;

static struct tg_cost move_cost(const struct tg_sim_machine *m, const struct tg_op_info *row,
                                const struct tg_instr *instr)
{
    if (instr->dst->kind == TG_VEC) return vector_cost(row, instr);
    if (instr->dst->kind == TG_MAT) return path_cost(0, L0C_TO_L1_RATE, valid_bytes(instr->dst, instr->dst->dtype));
    const double rate = instr->dst->kind == TG_LEFT ? m->l1_to_l0a_rate : m->l1_to_l0b_rate; /* Bias: assumed */
    return path_cost(m->l1_to_l0_fixed, rate, valid_bytes(instr->dst, instr->dst->dtype));
}

/* ---- products ---- */

static struct tg_cost product_cost(const struct tg_sim_machine *m, const struct tg_instr *instr)
{
    const struct tg_tile *left = instr->a, *right = instr->b;
    const double fractals = (double)ceil_div(left->valid_rows, 16) *
                            ceil_div(left->valid_cols, tg_fractal_cols(left->dtype)) * ceil_div(right->valid_cols, 16);
    const double cycles = m->matmul_fixed + m->matmul_fractal * fractals * (left->dtype == TG_FP32 ? 2 : 1);
    return (struct tg_cost){.cycles = whole_cycles(cycles)};
}

struct tg_cost tg_instr_cost(const struct tg_sim_machine *m, const struct tg_instr *instr)
{
    const struct tg_op_info *row = tg_op_info(instr->op);
    switch ((enum tg_cost_form)row->cost_form) {
    case TG_COST_TRANSFER: return transfer_cost(m, instr);
    case TG_COST_MOVE: return move_cost(m, row, instr);
    case TG_COST_PRODUCT: return product_cost(m, instr);
    case TG_COST_ORDER: return (struct tg_cost){.cycles = row->cycles};
    default: return vector_cost(row, instr);
    }
}
