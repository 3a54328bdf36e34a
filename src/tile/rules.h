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

/* "TADD"; "PIPE_V"; "UB", the buffer of a kind of tile. Never NULL. */
const char *tg_op_name(uint32_t op);
const char *tg_pipe_symbol(uint32_t pipe);
const char *tg_buffer_name(uint32_t kind);

/* The pipe that runs an instruction whose operands have passed the rules. */
enum tg_pipe tg_op_pipe(const struct tg_instr *instr);

#endif
