/*
 * check_observer.h - the observer that hands the events of a launch to the checks of a run.
 *
 *     builder    edges, publications, waits, allocations      --> check/memory
 *     plugin     its plain accesses                           --> check/memory (plain.h)
 *     core       instructions, transfers, plain accesses      --> check/core, check/memory
 *
 * Threads: the thread of the run.
 */
#ifndef TG_CHECK_OBSERVE_CHECK_OBSERVER_H
#define TG_CHECK_OBSERVE_CHECK_OBSERVER_H

#include "check/check.h"
#include "machine/machine.h"
#include "machine/observer.h"

struct tg_check_observer;

/* For launches whose kernels receive their instructions through `isa`. Borrows both. Errors: NULL, no memory. */
struct tg_check_observer *tg_check_observer_open(struct tg_check *check, const struct tg_tile_isa *isa);
void tg_check_observer_close(struct tg_check_observer *observer);

/* For the list of a launch's observers. */
struct tg_observer *tg_check_observer_entry(struct tg_check_observer *observer);

#endif
