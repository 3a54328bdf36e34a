#include "platform/sim/cost.h"

#include "tile/buffers.h"

/*
 * Control. Sources: hw-native-sys/simpler at 6ebaf771, docs/hardware/mmio-performance.md (registers), investigations
 * 2026-06 (cold start) and 2026-07 (receive); published device runs of paged attention for the builder: 0.47 to 0.51 us
 * a task with its edges and its publication. Splits of a measured sum are this project's.
 */
const struct tg_costs tg_costs_a2a3 = {
    .work =
        {
            [TG_WORK_OPEN] = 10000,   /* assumed */
            [TG_WORK_ADD] = 250,     /* of the 0.5 us */
            [TG_WORK_EDGE] = 60,     /* of the 0.5 us */
            [TG_WORK_PUBLISH] = 100, /* of the 0.5 us */
            [TG_WORK_ALLOC] = 100,   /* assumed */
            [TG_WORK_DISPATCH] = 60, /* gap between two dispatches of one thread, measured */
            [TG_WORK_COMPLETE] = 500, /* resolve 1 to 2 consumers, measured */
            [TG_WORK_SWEEP] = 115,   /* idle loop of a scheduler, measured */
        },
    .read_cond = 95,         /* 95 to 105 measured */
    .dispatch_latency = 140, /* measured */
    .receive = 349,          /* mean, measured */
    .cold_start = 1800,      /* median, measured */
    .cond_latency = 180,     /* least, measured; the mean of 600 includes the poll, which is simulated */
    .core_ghz = 1.85,        /* Ascend910B1.ini, cube_freq */
};

/*
 * Vector instructions: cycles = bias + slope * repeats, a repeat being 256 bytes of one operand. Fitted on a 910B3:
 * hw-native-sys/pto-isa at 3186c381, cost model. Row reductions and expansions: cycles a row, same source.
 */
struct vector_cost {
    uint16_t bias, per_repeat, per_row;
};

static const struct vector_cost vector_costs[TG_OP_COUNT] = {
    [TG_OP_TADD] = {24, 2, 0},          [TG_OP_TSUB] = {24, 2, 0},
    [TG_OP_TMUL] = {25, 2, 0},          [TG_OP_TDIV] = {30, 4, 0},
    [TG_OP_TMAX] = {24, 2, 0},          [TG_OP_TADDS] = {31, 1, 0},
    [TG_OP_TMULS] = {26, 1, 0},         [TG_OP_TMAXS] = {23, 1, 0},
    [TG_OP_TEXP] = {31, 2, 0},          [TG_OP_TLOG] = {33, 2, 0},
    [TG_OP_TSQRT] = {39, 2, 0},         [TG_OP_TCVT] = {27, 1, 0},
    [TG_OP_TEXPANDS] = {24, 1, 0},      [TG_OP_TFILLPAD] = {24, 2, 0},
    [TG_OP_TMOV] = {24, 1, 0},          [TG_OP_TROWMAX] = {32, 1, 6},
    [TG_OP_TROWSUM] = {44, 1, 6},       [TG_OP_TROWEXPAND] = {37, 1, 14},
    [TG_OP_TROWEXPANDSUB] = {43, 3, 0}, [TG_OP_TROWEXPANDMUL] = {44, 3, 0},
    [TG_OP_TROWEXPANDDIV] = {49, 5, 0},
};

/*
 * Transfers: cycles = fixed + bytes / (bytes a cycle). Fitted on the device (pto-isa at bd32f495, PTO_BW_MODE=fitted);
 * inside the core: the same cost model's flat figures.
 */
struct path_cost {
    uint32_t fixed;
    double bytes_per_cycle;
};

static const struct path_cost gm_to_ub = {214, 143.5}, gm_to_l1 = {67, 16.6}, ub_to_gm = {107, 16.4},
                              l0c_to_gm = {1216, 23.9}, l1_to_l0a = {4, 256.0}, l1_to_l0b = {4, 128.0};

static uint32_t path_cycles(const struct path_cost *path, uint64_t bytes)
{
    return path->fixed + (uint32_t)((double)bytes / path->bytes_per_cycle);
}

static uint64_t valid_bytes(const struct tg_tile *t, uint32_t dtype)
{
    return (uint64_t)t->valid_rows * t->valid_cols * tg_dtype_bytes(dtype);
}

static uint32_t ceil_div(uint32_t n, uint32_t step) { return (n + step - 1) / step; }

/* 6 + c * fractals; c is 2 for fp32, whose fractal takes two cycles (pto-isa cost model, closed form of TMATMUL). */
static uint32_t matmul_cycles(const struct tg_instr *instr)
{
    const struct tg_tile *left = instr->a, *right = instr->b;
    uint32_t fractals = ceil_div(left->valid_rows, 16) * ceil_div(left->valid_cols, tg_fractal_cols(left->dtype)) *
                        ceil_div(right->valid_cols, 16);
    return 6 + fractals * (left->dtype == TG_FP32 ? 2 : 1);
}

static uint32_t vector_cycles(const struct tg_instr *instr)
{
    const struct vector_cost *cost = &vector_costs[instr->op];
    const struct tg_tile *shape = instr->op == TG_OP_TROWMAX || instr->op == TG_OP_TROWSUM ? instr->a : instr->dst;
    uint32_t repeats = (uint32_t)((valid_bytes(shape, shape->dtype) + 255) / 256);
    return cost->bias + cost->per_repeat * repeats + cost->per_row * shape->valid_rows;
}

uint32_t tg_instr_cycles(const struct tg_instr *instr)
{
    switch ((enum tg_op)instr->op) {
    case TG_OP_TLOAD:
        return path_cycles(instr->dst->kind == TG_VEC ? &gm_to_ub : &gm_to_l1,
                           valid_bytes(instr->dst, instr->dst->dtype));
    case TG_OP_TSTORE:
        return path_cycles(instr->a->kind == TG_VEC ? &ub_to_gm : &l0c_to_gm,
                           valid_bytes(instr->a, instr->global->dtype));
    case TG_OP_TMOV:
        if (instr->dst->kind == TG_VEC) return vector_cycles(instr);
        return path_cycles(instr->dst->kind == TG_LEFT ? &l1_to_l0a : &l1_to_l0b,
                           valid_bytes(instr->dst, instr->dst->dtype));
    case TG_OP_TMATMUL:
    case TG_OP_TMATMUL_ACC: return matmul_cycles(instr);
    case TG_OP_TRESHAPE:
    case TG_OP_SET_FLAG:
    case TG_OP_WAIT_FLAG:
    case TG_OP_PIPE_BARRIER: return 1; /* pto-isa perf-sim: synchronisation takes a cycle */
    default: return vector_cycles(instr);
    }
}
