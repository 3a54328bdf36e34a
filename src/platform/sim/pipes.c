#include "platform/sim/pipes.h"

#include <string.h>

void tg_pipes_reset(struct tg_pipes *pipes) { memset(pipes, 0, sizeof *pipes); }

static void barrier(struct tg_pipes *pipes, enum tg_pipe pipe)
{
    if (pipe != PIPE_ALL) return; /* a pipe's own instructions follow each other anyway */
    uint64_t end = tg_pipes_end(pipes);
    for (int i = 0; i < TG_PIPES; i++) pipes->free_at[i] = end;
}

static bool wait_flag_of(struct tg_pipes *pipes, const struct tg_instr *instr)
{
    uint8_t *n_set = &pipes->n_set[instr->src_pipe][instr->dst_pipe][instr->event];
    if (*n_set == 0) return false;
    --*n_set;
    uint64_t set_at = pipes->set_at[instr->src_pipe][instr->dst_pipe][instr->event];
    if (set_at > pipes->free_at[instr->dst_pipe]) pipes->free_at[instr->dst_pipe] = set_at;
    return true;
}

bool tg_pipes_issue(struct tg_pipes *pipes, const struct tg_instr *instr, enum tg_pipe pipe, uint32_t cycles)
{
    switch ((enum tg_op)instr->op) {
    case TG_OP_SET_FLAG: {
        uint8_t *n_set = &pipes->n_set[instr->src_pipe][instr->dst_pipe][instr->event];
        if (*n_set < UINT8_MAX) ++*n_set;
        pipes->free_at[instr->src_pipe] += cycles;
        pipes->set_at[instr->src_pipe][instr->dst_pipe][instr->event] = pipes->free_at[instr->src_pipe];
        return true;
    }
    case TG_OP_WAIT_FLAG:
        if (!wait_flag_of(pipes, instr)) return false;
        pipes->free_at[instr->dst_pipe] += cycles;
        return true;
    case TG_OP_PIPE_BARRIER: barrier(pipes, (enum tg_pipe)instr->src_pipe); return true;
    default: pipes->free_at[pipe] += cycles; return true;
    }
}

uint64_t tg_pipes_end(const struct tg_pipes *pipes)
{
    uint64_t end = 0;
    for (int i = 0; i < TG_PIPES; i++)
        if (pipes->free_at[i] > end) end = pipes->free_at[i];
    return end;
}
