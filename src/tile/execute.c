#include "tile/execute.h"

static const struct tg_tile_variant variants[] = {
#define TG_TILE_VARIANT(name, needs) {#name, needs, tg_vector_##name, tg_matmul_##name},
#include "tile/variants.inc"
#undef TG_TILE_VARIANT
};
enum { N_VARIANTS = sizeof variants / sizeof variants[0] };

const struct tg_tile_variant *tg_tile_variant_at(size_t idx) { return idx < N_VARIANTS ? &variants[idx] : NULL; }

const struct tg_tile_variant *tg_tile_variant_for(enum tg_isa isa)
{
    const struct tg_tile_variant *best = &variants[0]; /* needs nothing */
    for (size_t i = 1; i < N_VARIANTS; i++)
        if (variants[i].needs <= isa) best = &variants[i];
    return best;
}

void tg_execute(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    switch ((enum tg_op)instr->op) {
    case TG_OP_TLOAD: tg_execute_load(instr, buffers); break;
    case TG_OP_TSTORE: tg_execute_store(instr, buffers); break;
    case TG_OP_TMOV: tg_execute_move(instr, buffers); break;
    case TG_OP_TMATMUL:
    case TG_OP_TMATMUL_ACC: buffers->variant->matmul(instr, buffers); break;
    case TG_OP_TRESHAPE: /* TASSIGN has placed it already */
    case TG_OP_SET_FLAG:
    case TG_OP_WAIT_FLAG:
    case TG_OP_PIPE_BARRIER:
    case TG_OP_COUNT: break;
    default: buffers->variant->vector(instr, buffers); break;
    }
}
