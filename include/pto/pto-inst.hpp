// pto/pto-inst.hpp - what a kernel in C++17 includes: tiles, instructions, pipes and flags of the PTO tile interface.
//
// A kernel exports `extern "C" void kernel_entry(int64_t *args)` and is compiled to a shared object. Each instruction is
// announced to the platform that runs the kernel, as those of tilegraph/tile.h are: it is executed, timed and checked like
// a kernel's in C, and messages name file and line of the kernel's source.
#ifndef TILEGRAPH_PTO_PTO_INST_HPP
#define TILEGRAPH_PTO_PTO_INST_HPP

#include <pto/common/config.hpp>
#include <pto/common/constants.hpp>
#include <pto/common/fifo.hpp>
#include <pto/common/instructions.hpp>
#include <pto/common/order.hpp>
#include <pto/common/pto_tile.hpp>
#include <pto/common/types.hpp>

#endif
