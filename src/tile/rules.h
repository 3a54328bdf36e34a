/* rules.h - which operands an instruction accepts. */
#ifndef TG_TILE_RULES_H
#define TG_TILE_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include <tilegraph/orchestration.h>
#include <tilegraph/tile.h>

/* May `instr` run on a core of `core_type`? If not, `message` says which operand breaks which rule, and where in the
 * source; cut to n_bytes. Device memory is not looked at. */
bool tg_rules_check(const struct tg_instr *instr, enum tg_core_type core_type, char *message, size_t n_bytes);

/* The pipes that a core has, a bit each. */
static inline uint32_t tg_core_pipes(enum tg_core_type core_type)
{
    const uint32_t both = 1u << PIPE_S | 1u << PIPE_MTE2 | 1u << PIPE_MTE3;
    return core_type == TG_AIV ? both | 1u << PIPE_V : both | 1u << PIPE_M | 1u << PIPE_MTE1 | 1u << PIPE_FIX;
}

static inline bool tg_core_has_pipe(enum tg_core_type core_type, uint32_t pipe)
{
    return pipe < PIPE_ALL && tg_core_pipes(core_type) >> pipe & 1u;
}

/* Is `instr` a set_flag or wait_flag that the rules allow? A quick look at what is most frequent in a kernel. */
static inline bool tg_rules_allow_flag(const struct tg_instr *instr, enum tg_core_type core_type)
{
    return (instr->op == TG_OP_SET_FLAG || instr->op == TG_OP_WAIT_FLAG) && instr->src_pipe != instr->dst_pipe &&
           tg_core_has_pipe(core_type, instr->src_pipe) && tg_core_has_pipe(core_type, instr->dst_pipe) &&
           instr->event <= EVENT_ID7 && !instr->dst && !instr->a && !instr->b && !instr->tmp && !instr->global;
}

/* "TADD"; "PIPE_V"; "UB", the buffer of a kind of tile. Never NULL. */
const char *tg_op_name(uint32_t op);
const char *tg_pipe_symbol(uint32_t pipe);
const char *tg_buffer_name(uint32_t kind);

/* The pipe that runs an instruction whose operands have passed the rules. */
enum tg_pipe tg_op_pipe(const struct tg_instr *instr);

#endif
