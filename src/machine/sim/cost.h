/*
 * cost.h - how long an instruction keeps its pipe busy.
 *
 * The row of an instruction in instructions.h has its figures with their source. The cost form says how they count:
 *
 *   EVEN       start-up + repeats x cycles; a repeat is 256 bytes, and may span the ends of adjacent rows
 *   NARROW     the same, but a row of less than 128 bytes takes a repeat of its own
 *   WIDE       EVEN, at the pace of fp32 whatever the type is
 *   ROWS       EVEN; but rows that are not multiples of 256 bytes take repeats of their own, each after 16 more cycles
 *   REDUCTION  start-up + rows x cycles; each further 256 bytes of a row take a cycle more and 16 to start;
 *              16 more if rows are not multiples of 256 bytes
 *   EXPANSION  start-up + rows x cycles; each further 256 bytes of a row take a cycle more
 *   COLUMNS    start-up + rows x cycles; each further 256 bytes of a row take two cycles more
 *   PRODUCT    the machine's matmul_fixed and matmul_fractal, by fractals
 *   TRANSFER   the machine's figures of the path
 *   MOVE       a TRANSFER on a cube core, EVEN on a vector core
 *   ELEMENTS   elements of dst x cycles, on the scalar unit
 *   ORDER      cycles
 */
#ifndef TG_MACHINE_SIM_COST_H
#define TG_MACHINE_SIM_COST_H

#include <stdint.h>

#include <tilegraph/tile.h>

#include "machine/sim/parameters.h"

struct tg_cost {
    uint32_t startup;  /* cycles that a vector instruction saves when it follows another without a barrier or a gap */
    uint32_t cycles;   /* all others; of a transfer to or from device memory: alone on the machine */
    uint64_t gm_bytes; /* between device memory and the core */
};

/* The cost of an instruction that has passed the rules. */
struct tg_cost tg_instr_cost(const struct tg_sim_machine *machine, const struct tg_instr *instr);

#endif
