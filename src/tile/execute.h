/* execute.h - what each instruction computes. */
#ifndef TG_TILE_EXECUTE_H
#define TG_TILE_EXECUTE_H

#include <stdbool.h>

#include "tile/buffers.h"

/* Execute an instruction that has passed the rules and whose device memory may be touched. Flags and barriers do
 * nothing here. */
void tg_execute(const struct tg_instr *instr, const struct tg_buffers *buffers);

/* By group: transfer.c, matmul.c, vector.c. */
void tg_execute_load(const struct tg_instr *instr, const struct tg_buffers *buffers);
void tg_execute_store(const struct tg_instr *instr, const struct tg_buffers *buffers);
void tg_execute_move(const struct tg_instr *instr, const struct tg_buffers *buffers);
void tg_execute_matmul(const struct tg_instr *instr, const struct tg_buffers *buffers);
void tg_execute_vector(const struct tg_instr *instr, const struct tg_buffers *buffers);

/* The device memory that a TLOAD reads or a TSTORE writes, as runs of contiguous bytes: run `index` of a GlobalTensor,
 * one a row (ND) or one a column (DN). false: there is no such run. */
struct tg_run_of_bytes {
    uint64_t address, bytes;
};
bool tg_global_run(const struct tg_global *global, uint32_t index, struct tg_run_of_bytes *run);

#endif
