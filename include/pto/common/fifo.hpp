// pto/common/fifo.hpp
#ifndef TILEGRAPH_PTO_COMMON_FIFO_HPP
#define TILEGRAPH_PTO_COMMON_FIFO_HPP
#include <pto/pto-inst.hpp>
#endif
