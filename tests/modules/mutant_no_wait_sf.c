/* mutant_no_wait_sf.c - aiv_softmax_prepare, which computes without waiting for its loads. */
#include <tilegraph/tile.h>

#undef wait_flag
#define wait_flag(src, dst, event)                                                                                     \
    ((src) == PIPE_MTE2 ? (void)0 : tg_tile_isa->order(TG_OP_WAIT_FLAG, src, dst, event, __FILE__, __LINE__))

#include "../../examples/aicpu_build_graph/paged_attention/kernels/aiv/aiv_softmax_prepare.c"
