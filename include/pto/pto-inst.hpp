// pto/pto-inst.hpp - the header of kernels in C++17: tiles, instructions, pipes and flags of the PTO tile interface.
//
// A kernel exports `extern "C" void kernel_entry(int64_t *args)` and is compiled to a shared object. Each instruction
// calls the platform that runs the kernel, like the instructions of tilegraph/tile.h. It is executed, timed and checked
// like an instruction of a kernel in C. Messages name file and line of the kernel's source.
#ifndef TILEGRAPH_PTO_PTO_INST_HPP
#define TILEGRAPH_PTO_PTO_INST_HPP

#include <pto/common/comm.hpp>
#include <pto/common/config.hpp>
#include <pto/common/constants.hpp>
#include <pto/common/fifo.hpp>
#include <pto/common/instructions.hpp>
#include <pto/common/order.hpp>
#include <pto/common/pto_tile.hpp>
#include <pto/common/types.hpp>

#endif
