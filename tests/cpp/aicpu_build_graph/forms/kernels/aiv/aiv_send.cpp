// Put a message into a window of another card, which is this one, and notify it.
//
// args   0 message [5][7][100] int32_t; 1 window of that size, written; 2 signal [4] int32_t, read and written
#include <pto/pto-inst.hpp>

using namespace pto;

#ifndef __gm__
#define __gm__
#endif

using Message = GlobalTensor<int32_t, pto::Shape<1, 1, 5, 7, 100>, pto::Stride<3500, 3500, 700, 100, 1>, Layout::ND>;
using Signal = GlobalTensor<int32_t, pto::Shape<1, 1, 1, 1, 1>, pto::Stride<1, 1, 1, 1, 1>, Layout::ND>;

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    Message message(reinterpret_cast<__gm__ int32_t *>(args[0])), window(reinterpret_cast<__gm__ int32_t *>(args[1]));
    Tile<TileType::Vec, int32_t, 4, 64> staging; // smaller than the message in both directions
    TASSIGN(staging, 0x0);
    TPREFETCH_ASYNC(message, nullptr).Wait();
    comm::TPUT(window, message, staging);
    pipe_barrier(PIPE_ALL);
    for (int i = 0; i < 4; ++i) {
        Signal signal(reinterpret_cast<__gm__ int32_t *>(args[2]) + i);
        comm::TNOTIFY(signal, 3, i < 2 ? comm::NotifyOp::AtomicAdd : comm::NotifyOp::Set);
        comm::TNOTIFY(signal, i, i < 2 ? comm::NotifyOp::AtomicAdd : comm::NotifyOp::Set);
    }
    SYNCALL();
}
