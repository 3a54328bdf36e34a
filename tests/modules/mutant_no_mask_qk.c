/* mutant_no_mask_qk.c - aic_qk_matmul, for which every block is full. */
#include <tilegraph/tile.h>

#define kernel_entry masked_entry
#include "../../examples/aicpu_build_graph/paged_attention/kernels/aic/aic_qk_matmul.c"
#undef kernel_entry

void kernel_entry(int64_t *args)
{
    args[5] = (args[5] + args[4] - 1) / args[4] * args[4]; /* tokens, a multiple of block_size */
    masked_entry(args);
}
