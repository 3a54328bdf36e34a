/* rules.h - the operands that an instruction accepts. */
#ifndef TG_TILE_RULES_H
#define TG_TILE_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include <tilegraph/orchestration.h>
#include <tilegraph/tile.h>

/* May `instr` run on a core of `core_type`? If not, `message` names the operand, the rule and the place in the source;
 * cut to n_bytes. Device memory is not checked. */
bool tg_rules_check(const struct tg_instr *instr, enum tg_core_type core_type, char *message, size_t n_bytes);

/* The same on `cpu`, whose products also widen: the right operand of a floating-point one may be int8 or fp8. */
bool tg_rules_check_widening(const struct tg_instr *instr, enum tg_core_type core_type, char *message, size_t n_bytes);

/* Can the tile be an operand on such a core? If not, `message` names the rule. `widens`: products widen there. */
bool tg_rules_check_tile(const struct tg_tile *tile, enum tg_core_type core_type, bool widens, char *message,
                         size_t n_bytes);

/* "Vec fp32, 1 x 8 valid of 1 x 8, UB+0x0", in `text`, which is returned. Of valid kind and type. */
const char *tg_rules_describe_tile(const struct tg_tile *tile, char *text, size_t n_bytes);

/* Does this product widen its right operand? */
static inline bool tg_rules_widens(uint32_t left_dtype, uint32_t right_dtype)
{
    const bool is_wide = left_dtype == TG_FP32 || left_dtype == TG_FP16 || left_dtype == TG_BF16;
    return is_wide && (right_dtype == TG_INT8 || right_dtype == TG_FP8_E4M3 || right_dtype == TG_FP8_E5M2);
}

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

static inline bool tg_rules_allow_flag(uint32_t src_pipe, uint32_t dst_pipe, uint32_t event,
                                       enum tg_core_type core_type)
{
    return src_pipe != dst_pipe && event <= EVENT_ID7 && tg_core_has_pipe(core_type, src_pipe) &&
           tg_core_has_pipe(core_type, dst_pipe);
}

/* CANN 8.5 documentation, PipeBarrier: the hardware orders scalar work by itself and faults on this one. */
static inline bool tg_rules_allow_barrier(uint32_t pipe, enum tg_core_type core_type)
{
    return pipe == PIPE_ALL || (pipe != PIPE_S && tg_core_has_pipe(core_type, pipe));
}

/* An instruction without operands, from the arguments of `order` of struct tg_tile_isa. */
static inline struct tg_instr tg_instr_of_order(uint32_t op, uint32_t src_pipe, uint32_t dst_pipe, uint32_t event,
                                                const char *file, int line)
{
    struct tg_instr instr;
    tg_instr_begin(&instr, op, file, line);
    instr.src_pipe = (uint8_t)src_pipe;
    instr.dst_pipe = (uint8_t)dst_pipe;
    instr.event = (uint8_t)event;
    return instr;
}

/* "TADD"; "PIPE_V"; "UB", the buffer of a kind of tile. Never NULL. */
const char *tg_op_name(uint32_t op);
const char *tg_pipe_symbol(uint32_t pipe);
const char *tg_buffer_name(uint32_t kind);

/* The pipe that runs an instruction whose operands have passed the rules. */
enum tg_pipe tg_op_pipe(const struct tg_instr *instr);

#endif
