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
    switch (tg_op_info(instr->op)->form) {
    case TG_FORM_LOAD: tg_execute_load(instr, buffers); break;
    case TG_FORM_STORE: tg_execute_store(instr, buffers); break;
    case TG_FORM_EXTRACT:
    case TG_FORM_MOVE: tg_execute_move(instr, buffers); break;
    case TG_FORM_PRODUCT:
    case TG_FORM_PRODUCT_BIAS:
    case TG_FORM_PRODUCT_ACC: buffers->variant->matmul(instr, buffers); break;
    case TG_FORM_FILL:
    case TG_FORM_PAD:
    case TG_FORM_PAD_INPLACE:
    case TG_FORM_ROW_EXPAND:
    case TG_FORM_COL_EXPAND: tg_execute_fill(instr, buffers); break;
    case TG_FORM_COMPARE:
    case TG_FORM_COMPARE_SCALAR: tg_execute_compare(instr, buffers); break;
    case TG_FORM_SELECT: tg_execute_select(instr, buffers); break;
    case TG_FORM_GATHER:
    case TG_FORM_GATHER_MASK:
    case TG_FORM_SCATTER:
    case TG_FORM_SEQUENCE:
    case TG_FORM_TRANSPOSE:
    case TG_FORM_CONCAT:
    case TG_FORM_SORT:
    case TG_FORM_MERGE_RUNS:
    case TG_FORM_MERGE_LISTS:
    case TG_FORM_GET_VALUE:
    case TG_FORM_SET_VALUE: tg_execute_permute(instr, buffers); break;
    case TG_FORM_RENAME: /* TASSIGN has placed it already */
    case TG_FORM_CACHE:  /* device memory is coherent here */
    case TG_FORM_NO_OPERANDS:
    case TG_FORM_FLAG:
    case TG_FORM_BARRIER: break;
    default: buffers->variant->vector(instr, buffers); break;
    }
}
