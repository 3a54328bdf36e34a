/* mutant_no_wait_qk.c - aic_qk_matmul, which loads over what has not been moved on yet. */
#include <tilegraph/tile.h>

#undef wait_flag
#define wait_flag(src, dst, event)                                                                                     \
    ((dst) == PIPE_MTE2 ? (void)0 : tg_tile_isa->order(TG_OP_WAIT_FLAG, src, dst, event, __FILE__, __LINE__))

#include "../../examples/aicpu_build_graph/paged_attention/kernels/aic/aic_qk_matmul.c"
