/* mutant_no_flag.c - aiv_softmax_prepare, which never says that its loads are done. */
#include <tilegraph/tile.h>

#undef set_flag
#define set_flag(src, dst, event)                                                                                      \
    ((src) == PIPE_MTE2 ? (void)0 : tg_tile_isa->order(TG_OP_SET_FLAG, src, dst, event, __FILE__, __LINE__))

#include "../../examples/aicpu_build_graph/paged_attention/kernels/aiv/aiv_softmax_prepare.c"
