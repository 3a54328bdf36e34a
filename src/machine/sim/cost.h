/*
 * cost.h - how long an instruction keeps its pipe busy.
 *
 * One list has every instruction of tile.h, with the source of its figures. What a figure counts is the form:
 *
 *   EVEN       start-up + repeats x cycles; a repeat is 256 bytes, and goes over the ends of rows that lie together
 *   NARROW     the same, but a row of less than 128 bytes takes a repeat of its own
 *   ROWS       the same, but if rows are no multiples of 256 bytes, each takes repeats of its own, after 16 cycles more
 *   REDUCTION  start-up + rows x cycles; each further 256 bytes of a row take a cycle more and 16 to start;
 *              16 more if rows are no multiples of 256 bytes
 *   EXPANSION  start-up + rows x cycles; each further 256 bytes of a row take a cycle more
 *   PRODUCT    the machine's matmul_fixed and matmul_fractal, by fractals
 *   TRANSFER   the machine's figures of the path
 *   MOVE       a TRANSFER on a cube core, EVEN on a vector core
 *   ORDER      cycles
 */
#ifndef TG_MACHINE_SIM_COST_H
#define TG_MACHINE_SIM_COST_H

#include <stdint.h>

#include <tilegraph/tile.h>

#include "machine/sim/parameters.h"

/*
 * instruction, form, start-up, cycles (a repeat; a row for REDUCTION and EXPANSION), confidence, source
 *
 * Confidence: H measured, M fitted or reference tables of the source, L derived here. Source P is hw-native-sys/pto-isa at
 * 3186c381: the slope and intercept that its documents give as measured on a 910B3 for the vector instruction behind
 * (r repeats), its tables of fitted mode (bd32f495), or the reference cycles of its tests.
 */
#define TG_COSTS(X)                                                                                                    \
    X(TLOAD, TRANSFER, 0, 0, "M", "gm_to_l1, gm_to_ub of the machine")                                                 \
    X(TSTORE, TRANSFER, 0, 0, "M", "l0c_to_gm, ub_to_gm of the machine")                                               \
    X(TMOV, MOVE, 24, 1, "H", "l1_to_l0a, l1_to_l0b of the machine; P vcopy r + 24")                                   \
    X(TMATMUL, PRODUCT, 0, 0, "H", "P 6 + fractals, fp32 twice; reference cycles met exactly")                         \
    X(TMATMUL_ACC, PRODUCT, 0, 0, "H", "as TMATMUL")                                                                   \
    X(TADD, ROWS, 24, 2, "H", "P vadd 2.11 r + 24")                                                                    \
    X(TSUB, ROWS, 24, 2, "H", "P vsub 2.11 r + 24")                                                                    \
    X(TMUL, ROWS, 25, 2, "H", "P vmul 2.3 r + 25")                                                                     \
    X(TDIV, ROWS, 31, 4, "H", "P vdiv 4.03 r + 31; fp16 at the pace of fp32: 304 cycles for 64x64")                    \
    X(TMAX, ROWS, 23, 2, "H", "P vmax 2.01 r + 23")                                                                    \
    X(TADDS, NARROW, 31, 1, "H", "P vadds r + 31")                                                                     \
    X(TMULS, NARROW, 26, 1, "H", "P vmuls r + 26")                                                                     \
    X(TMAXS, NARROW, 23, 1, "H", "P vmaxs r + 23")                                                                     \
    X(TEXP, EVEN, 31, 2, "H", "P vexp 2 r + 31")                                                                       \
    X(TLOG, EVEN, 33, 2, "H", "P vln 2 r + 33")                                                                        \
    X(TSQRT, EVEN, 39, 2, "H", "P vsqrt 2 r + 39")                                                                     \
    X(TCVT, NARROW, 27, 1, "H", "P vconv 0.90 r + 27; repeats of the wider type")                                      \
    X(TEXPANDS, EVEN, 24, 1, "H", "P vector_dup r + 24")                                                               \
    X(TFILLPAD, EVEN, 24, 2, "L", "a copy and a fill")                                                                 \
    X(TROWMAX, REDUCTION, 32, 7, "M", "P fitted: 64 columns of fp32 7 a row + 32, 128 columns 8 a row + 48")           \
    X(TROWSUM, REDUCTION, 44, 7, "M", "P fitted: 64 columns of fp32 7 a row + 44, 128 columns 8 a row + 61.5")         \
    X(TROWEXPAND, EXPANSION, 37, 14, "M", "P fitted: 64 columns of fp32 14 a row + 37, 128 columns 15 a row + 37")     \
    X(TROWEXPANDSUB, ROWS, 43, 2, "M", "P stub mode: 16x16 of fp32 93, 64x64 171, 128x128 555")                        \
    X(TROWEXPANDMUL, ROWS, 44, 2, "M", "P stub mode: one more than TROWEXPANDSUB")                                     \
    X(TROWEXPANDDIV, ROWS, 49, 4, "M", "P stub mode: 16x16 of fp32 131, 64x64 305, 128x128 1073")                      \
    X(TRESHAPE, ORDER, 0, 1, "M", "P 0 to 1, scalar")                                                                  \
    X(SET_FLAG, ORDER, 0, 1, "M", "P perf-sim: a cycle")                                                               \
    X(WAIT_FLAG, ORDER, 0, 1, "M", "P perf-sim: a cycle")                                                              \
    X(PIPE_BARRIER, ORDER, 0, 1, "M", "P perf-sim: a cycle")

struct tg_cost {
    uint32_t startup;  /* cycles that a vector instruction saves when it follows another without a barrier or a gap */
    uint32_t cycles;   /* all others; of a transfer to or from device memory: alone on the machine */
    uint64_t gm_bytes; /* between device memory and the core */
};

/* The cost of an instruction that has passed the rules. */
struct tg_cost tg_instr_cost(const struct tg_sim_machine *machine, const struct tg_instr *instr);

#endif
