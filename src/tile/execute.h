/* execute.h - the computation of each instruction. */
#ifndef TG_TILE_EXECUTE_H
#define TG_TILE_EXECUTE_H

#include <stdbool.h>

#include "tile/buffers.h"
#include "tile/isa.h"
#include "tile/table.h"

/* Execute an instruction that has passed the rules and whose device memory may be accessed, with the buffers' variant.
 * Flags and barriers have no effect here. */
void tg_execute(const struct tg_instr *instr, const struct tg_buffers *buffers);

/* transfer.c: bytes only. */
void tg_execute_load(const struct tg_instr *instr, const struct tg_buffers *buffers);
void tg_execute_store(const struct tg_instr *instr, const struct tg_buffers *buffers);
void tg_execute_move(const struct tg_instr *instr, const struct tg_buffers *buffers);

/* fill.c: elements repeated. */
void tg_execute_fill(const struct tg_instr *instr, const struct tg_buffers *buffers);

/* convert.c. */
void tg_execute_convert(const struct tg_instr *instr, const struct tg_buffers *buffers);
void tg_execute_compare(const struct tg_instr *instr, const struct tg_buffers *buffers);
void tg_execute_select(const struct tg_instr *instr, const struct tg_buffers *buffers);

/* Does a TCVT saturate, or keep the low bits? */
bool tg_convert_saturates(const struct tg_instr *instr);

/* permute.c: elements that change places. */
void tg_execute_permute(const struct tg_instr *instr, const struct tg_buffers *buffers);

/* Arithmetic, compiled for one instruction set. All compilations give the same bits. */
typedef void tg_tile_op_fn(const struct tg_instr *instr, const struct tg_buffers *buffers);
struct tg_tile_variant {
    const char *name;
    enum tg_isa needs;
    tg_tile_op_fn *vector, *matmul;
};

#define TG_TILE_VARIANT(name, needs) tg_tile_op_fn tg_vector_##name, tg_matmul_##name;
#include "tile/variants.inc"
#undef TG_TILE_VARIANT

/* Compilation `idx` of variants.inc, slowest first; NULL beyond the last. Never freed. */
const struct tg_tile_variant *tg_tile_variant_at(size_t idx);

/* The fastest variant that needs no more than `isa`. */
const struct tg_tile_variant *tg_tile_variant_for(enum tg_isa isa);

/* The device memory that a TLOAD reads or a TSTORE writes, as runs of contiguous bytes: run `index` of a GlobalTensor,
 * one a row (ND), one a column (DN), or one for rows of a column block that follow each other (NZ). false: there is
 * no such run. */
struct tg_run_of_bytes {
    uint64_t address, bytes;
};
bool tg_global_run(const struct tg_global *global, uint32_t index, struct tg_run_of_bytes *run);

/* The same bytes in fewer runs: merge the runs from *index on that follow each other in memory. *index starts at 0 and
 * moves past the merged runs. false: no run is left. */
bool tg_global_merged_run(const struct tg_global *global, uint32_t *index, struct tg_run_of_bytes *merged);

/* From the first of these bytes to the last, including the gaps between the runs. */
struct tg_run_of_bytes tg_global_extent(const struct tg_global *global);

#endif
