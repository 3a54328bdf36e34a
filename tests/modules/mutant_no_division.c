/* mutant_no_division.c - aiv_online_update, which forgets to divide by the sum. */
#include <tilegraph/tile.h>

#undef TROWEXPANDDIV
#define TROWEXPANDDIV(dst, x, column) ((void)(dst), (void)(x), (void)(column))

#include "../../examples/aicpu_build_graph/paged_attention/kernels/aiv/aiv_online_update.c"
