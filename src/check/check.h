/*
 * check.h - the checks of one run: their shared state, and the events that each check gets.
 *
 *     core               tg_core_check (core_check.h)       each instruction of a kernel: pipes, flags, buffers
 *     core, builder      tg_memory_check (memory_check.h)   each access to device memory; edges, publications, waits
 *                                   \
 *                                    findings               each once, with a count (finding.h)
 *
 * An unchecked run has none of this, and pays for none of it.
 *
 * Threads: that of the run; a2a3sim simulates on one.
 */
#ifndef TG_CHECK_CHECK_H
#define TG_CHECK_CHECK_H

#include "check/memory/memory_check.h"
#include "finding/finding.h"

struct tg_check {
    struct tg_finding_list findings;
    struct tg_memory_check memory;
};

/* tg_finding_name and tg_finding_text of the public header give the name of a code ("PIPE_RAW") and its sentence. */

/* Begin. build_first: no task runs before the builder has ended. TG_ERR_MEMORY. */
enum tg_status tg_check_init(struct tg_check *check, bool build_first);
void tg_check_fini(struct tg_check *check);

#endif
