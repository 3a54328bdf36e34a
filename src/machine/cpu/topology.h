/* topology.h - the processors that this process may use, and the processor of each worker. */
#ifndef TG_MACHINE_CPU_TOPOLOGY_H
#define TG_MACHINE_CPU_TOPOLOGY_H

#include <sched.h>
#include <stdint.h>

#include <tilegraph/tilegraph.h>

/* Processors that the calling thread may use: at least 1. */
uint32_t tg_topology_processors(void);

/*
 * Choose a processor for each of n workers: cores before their second threads, spread over caches. A processor repeats
 * only when there are more workers than processors. Without hwloc: in the order of their numbers.
 *
 * Writes    place[n], a set of one processor each
 */
void tg_topology_spread(uint32_t n, cpu_set_t *place);

/* Bind the calling thread to `place`; *before gets its former set. A place that is no longer available is skipped. */
void tg_topology_pin(const cpu_set_t *place, cpu_set_t *before);
void tg_topology_unpin(const cpu_set_t *before);

#endif
