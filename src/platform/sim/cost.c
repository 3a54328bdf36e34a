#include "platform/sim/cost.h"

#include "tile/buffers.h"

/*
 * Vector instructions: start-up, then cycles a repeat of 256 bytes, and cycles a row for reductions and expansions.
 *
 * Source of all rows: hw-native-sys/pto-isa at 3186c381, cost model; slopes and biases measured on a 910B3 (vadd 2.11 r +
 * 24, vmul 2.3 r + 25, vdiv 4.03 r + 31, vmax 2.01 r + 23, vadds 1 r + 31, vmuls 1 r + 26, vmaxs 1 r + 23, vexp 2 r + 31,
 * vln 2 r + 33, vsqrt 2 r + 39, vconv 1 r + 27, copy and dup 1 r + 24). Confidence H, but for the marked rows: M fitted
 * tables of that model, L derived here.
 */
struct vector_cost {
    uint16_t startup, per_repeat, per_row;
};

static const struct vector_cost vector_costs[TG_OP_COUNT] = {
    [TG_OP_TADD] = {24, 2, 0},          [TG_OP_TSUB] = {24, 2, 0},     [TG_OP_TMUL] = {25, 2, 0},
    [TG_OP_TDIV] = {30, 4, 0},          [TG_OP_TMAX] = {24, 2, 0},     [TG_OP_TADDS] = {31, 1, 0},
    [TG_OP_TMULS] = {26, 1, 0},         [TG_OP_TMAXS] = {23, 1, 0},    [TG_OP_TEXP] = {31, 2, 0},
    [TG_OP_TLOG] = {33, 2, 0},          [TG_OP_TSQRT] = {39, 2, 0},    [TG_OP_TCVT] = {27, 1, 0},
    [TG_OP_TEXPANDS] = {24, 1, 0},      [TG_OP_TFILLPAD] = {24, 2, 0}, /* L: a copy and a fill */
    [TG_OP_TMOV] = {24, 1, 0},          [TG_OP_TROWMAX] = {32, 0, 7}, /* M: fp32, 64 columns 7 cycles a row + 32; 128 columns 8 + 48 */
    [TG_OP_TROWSUM] = {44, 0, 7},                                     /* M: + 44, + 61.5 */
    [TG_OP_TROWEXPAND] = {37, 1, 14},                                 /* M: 14 to 15 a row + 37 */
    [TG_OP_TROWEXPANDSUB] = {43, 2, 0},                               /* M: 16x16 93, 64x64 171, 128x128 555 */
    [TG_OP_TROWEXPANDMUL] = {44, 2, 0},                               /* M: one more than TROWEXPANDSUB */
    [TG_OP_TROWEXPANDDIV] = {49, 4, 0},                               /* M: 16x16 131, 64x64 305, 128x128 1073 */
};

static uint64_t valid_bytes(const struct tg_tile *t, uint32_t dtype)
{
    return (uint64_t)t->valid_rows * t->valid_cols * tg_dtype_bytes(dtype);
}

static uint32_t ceil_div(uint64_t n, uint32_t step) { return (uint32_t)((n + step - 1) / step); }

static struct tg_cost vector_cost(const struct tg_instr *instr)
{
    const struct vector_cost *cost = &vector_costs[instr->op];
    bool reduces = instr->op == TG_OP_TROWMAX || instr->op == TG_OP_TROWSUM;
    const struct tg_tile *shape = reduces ? instr->a : instr->dst;
    uint32_t repeats = ceil_div(valid_bytes(shape, shape->dtype), 256);
    /* A row of more than 256 bytes is reduced in one step more for each further 256. */
    uint32_t steps = reduces ? ceil_div((uint64_t)shape->valid_cols * tg_dtype_bytes(shape->dtype), 256) - 1 : 0;
    return (struct tg_cost){.startup = cost->startup,
                            .cycles = cost->per_repeat * repeats +
                                      (cost->per_row + steps) * shape->valid_rows * (cost->per_row > 0 ? 1u : 0u)};
}

static struct tg_cost transfer_cost(double fixed, double rate, uint64_t bytes, bool global)
{
    return (struct tg_cost){.cycles = (uint32_t)(fixed + (double)bytes / rate), .gm_bytes = global ? bytes : 0};
}

/* 6 + c * fractals; c is twice as large for fp32, whose fractal takes two cycles (P: closed form of TMATMUL). */
static struct tg_cost matmul_cost(const struct tg_sim_machine *m, const struct tg_instr *instr)
{
    const struct tg_tile *left = instr->a, *right = instr->b;
    double fractals = (double)ceil_div(left->valid_rows, 16) *
                      ceil_div(left->valid_cols, tg_fractal_cols(left->dtype)) * ceil_div(right->valid_cols, 16);
    double cycles = m->matmul_fixed + m->matmul_fractal * fractals * (left->dtype == TG_FP32 ? 2 : 1);
    return (struct tg_cost){.cycles = cycles < UINT32_MAX ? (uint32_t)cycles : UINT32_MAX};
}

struct tg_cost tg_instr_cost(const struct tg_sim_machine *m, const struct tg_instr *instr)
{
    const struct tg_tile *dst = instr->dst, *src = instr->a;
    switch ((enum tg_op)instr->op) {
    case TG_OP_TLOAD:
        if (dst->kind == TG_VEC)
            return transfer_cost(m->gm_to_ub_fixed, m->gm_to_ub_rate, valid_bytes(dst, dst->dtype), true);
        return transfer_cost(m->gm_to_l1_fixed, m->gm_to_l1_rate, valid_bytes(dst, dst->dtype), true);
    case TG_OP_TSTORE:
        if (src->kind == TG_VEC)
            return transfer_cost(m->ub_to_gm_fixed, m->ub_to_gm_rate, valid_bytes(src, src->dtype), true);
        return transfer_cost(m->l0c_to_gm_fixed, m->l0c_to_gm_rate, valid_bytes(src, instr->global->dtype), true);
    case TG_OP_TMOV:
        if (dst->kind == TG_VEC) return vector_cost(instr);
        return transfer_cost(m->l1_to_l0_fixed, dst->kind == TG_LEFT ? m->l1_to_l0a_rate : m->l1_to_l0b_rate,
                             valid_bytes(dst, dst->dtype), false);
    case TG_OP_TMATMUL:
    case TG_OP_TMATMUL_ACC: return matmul_cost(m, instr);
    case TG_OP_TRESHAPE:
    case TG_OP_SET_FLAG:
    case TG_OP_WAIT_FLAG:
    case TG_OP_PIPE_BARRIER: return (struct tg_cost){.cycles = 1}; /* P perf-sim: synchronisation takes a cycle */
    default: return vector_cost(instr);
    }
}
