/* cost.h - how long an instruction keeps its pipe busy. */
#ifndef TG_PLATFORM_SIM_COST_H
#define TG_PLATFORM_SIM_COST_H

#include <stdint.h>

#include <tilegraph/tile.h>

#include "platform/sim/machine.h"

struct tg_cost {
    uint32_t startup;  /* cycles that a vector instruction saves when it follows another without a barrier or a gap */
    uint32_t cycles;   /* all others; of a transfer to or from device memory: alone on the machine */
    uint64_t gm_bytes; /* between device memory and the core */
};

/* The cost of an instruction that has passed the rules. */
struct tg_cost tg_instr_cost(const struct tg_sim_machine *machine, const struct tg_instr *instr);

#endif
