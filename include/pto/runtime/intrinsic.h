/*
 * pto/runtime/intrinsic.h - a block's place among the blocks of a task, as later versions of the family have it.
 *
 * A task here runs on one core and has no blocks: these calls compile to a message that says what to do instead.
 */
#ifndef TILEGRAPH_PTO_RUNTIME_INTRINSIC_H
#define TILEGRAPH_PTO_RUNTIME_INTRINSIC_H

#include <pto/pto-inst.hpp>

template <typename T> int32_t get_block_idx(T *)
{
    static_assert(pto::detail::never<T>,
                  "get_block_idx(args) is not offered: a task runs on one core; add a task for each "
                  "block and give its index as an argument");
    return 0;
}
template <typename T> int32_t get_block_num(T *)
{
    static_assert(pto::detail::never<T>,
                  "get_block_num(args) is not offered: a task runs on one core; add a task for each "
                  "block and give their number as an argument");
    return 0;
}
template <typename T> int32_t get_sub_block_id(T *)
{
    static_assert(pto::detail::never<T>,
                  "get_sub_block_id(args) is not offered: a task runs on one core; add a task for "
                  "each vector core and say by an argument which half it computes");
    return 0;
}

#endif
