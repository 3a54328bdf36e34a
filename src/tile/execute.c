#include "tile/execute.h"

void tg_execute(const struct tg_instr *instr, const struct tg_buffers *buffers)
{
    switch ((enum tg_op)instr->op) {
    case TG_OP_TLOAD: tg_execute_load(instr, buffers); break;
    case TG_OP_TSTORE: tg_execute_store(instr, buffers); break;
    case TG_OP_TMOV: tg_execute_move(instr, buffers); break;
    case TG_OP_TMATMUL:
    case TG_OP_TMATMUL_ACC: tg_execute_matmul(instr, buffers); break;
    case TG_OP_TRESHAPE: /* TASSIGN has placed it already */
    case TG_OP_SET_FLAG:
    case TG_OP_WAIT_FLAG:
    case TG_OP_PIPE_BARRIER:
    case TG_OP_COUNT: break;
    default: tg_execute_vector(instr, buffers); break;
    }
}
