/* cost.h - how long things take on the virtual device. Sources stand beside each figure in cost.c. */
#ifndef TG_PLATFORM_SIM_COST_H
#define TG_PLATFORM_SIM_COST_H

#include <stdint.h>

#include <tilegraph/tile.h>

#include "platform/platform.h"

/* Times in ns unless named otherwise. */
struct tg_costs {
    uint32_t work[TG_WORK_SWEEP + 1]; /* by enum tg_work: on the control thread */
    uint32_t read_cond;               /* a load of a core's register */
    uint32_t dispatch_latency;        /* register write until the core sees it */
    uint32_t receive;                 /* the core sees a task until its kernel starts */
    uint32_t cold_start;              /* more, for the first task of a core */
    uint32_t cond_latency;            /* the core writes its register until a control thread sees it */
    double core_ghz;                  /* cycles per ns of a core */
};

extern const struct tg_costs tg_costs_a2a3;

/* Cycles that an instruction keeps its pipe busy. The instruction has passed the rules. */
uint32_t tg_instr_cycles(const struct tg_instr *instr);

#endif
