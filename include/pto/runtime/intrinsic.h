/*
 * pto/runtime/intrinsic.h - a block's place among the blocks of a task, as later versions of the family have it.
 *
 * A task here is one block on one core. So it is block 0 of 1, and a kernel that divides its work by these numbers does
 * all of it. A plugin that wants several blocks adds a task for each, with its share as arguments.
 */
#ifndef TILEGRAPH_PTO_RUNTIME_INTRINSIC_H
#define TILEGRAPH_PTO_RUNTIME_INTRINSIC_H

#include <pto/pto-inst.hpp>

template <typename T> constexpr int32_t get_block_idx(T *) { return 0; }
template <typename T> constexpr int32_t get_block_num(T *) { return 1; }
template <typename T> constexpr int32_t get_sub_block_id(T *) { return 0; }

#endif
