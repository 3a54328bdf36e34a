/*
 * pipes.h - the pipes of one core and when each of them is free.
 *
 * Inside a pipe instructions follow each other; across pipes they overlap as far as flags and barriers allow. Times are in
 * cycles since the kernel started.
 */
#ifndef TG_PLATFORM_SIM_PIPES_H
#define TG_PLATFORM_SIM_PIPES_H

#include <stdbool.h>
#include <stdint.h>

#include <tilegraph/tile.h>

enum { TG_PIPES = PIPE_FIX + 1, TG_EVENTS = EVENT_ID7 + 1 };

struct tg_pipes {
    uint64_t free_at[TG_PIPES];                         /* [pipe] */
    uint64_t set_at[TG_PIPES][TG_PIPES][TG_EVENTS];     /* [source][destination][event] */
    uint8_t n_set[TG_PIPES][TG_PIPES][TG_EVENTS];       /* flags set and not waited for */
};

/* A kernel starts: every pipe is free, no flag is set. */
void tg_pipes_reset(struct tg_pipes *pipes);

/* Account for an instruction of `cycles` on `pipe`. false: it waits for a flag that nobody has set. */
bool tg_pipes_issue(struct tg_pipes *pipes, const struct tg_instr *instr, enum tg_pipe pipe, uint32_t cycles);

/* When the last pipe is free. */
uint64_t tg_pipes_end(const struct tg_pipes *pipes);

#endif
