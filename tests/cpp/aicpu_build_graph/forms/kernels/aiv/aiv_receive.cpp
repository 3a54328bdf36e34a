// Wait for the signals of aiv_send.cpp, which are 3, 4, 2 and 3, and add one to the message.
//
// args   0 window [5][7][100] int32_t, 1 result of that size, written; 2 signal [4] int32_t
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    constexpr int rows = 35, cols = 100, padded = 104;
    using View = GlobalTensor<int32_t, Shape<1, 1, 1, rows, cols>, Stride<1, 1, 1, cols, 1>>;
    View window(reinterpret_cast<__gm__ int32_t *>(args[0])), result(reinterpret_cast<__gm__ int32_t *>(args[1]));
    GlobalTensor<int32_t, Shape<1, 1, 1, 1, 4>, Stride<4, 4, 4, 4, 1>> signals(
        reinterpret_cast<__gm__ int32_t *>(args[2]));
    GlobalTensor<int32_t, Shape<1, 2, 1, 1, 1>, Stride<1, 2, 1, 1, 1>> first_and_third(
        reinterpret_cast<__gm__ int32_t *>(args[2]));
    comm::TWAIT(signals, 2, comm::WaitCmp::GE);
    comm::TWAIT(signals, 4, comm::WaitCmp::LE);
    comm::TWAIT(first_and_third, 4, comm::WaitCmp::NE);
    Tile<TileType::Vec, int32_t, rows, padded, BLayout::RowMajor, rows, cols> t;
    TASSIGN(t, 0x0);
    TLOAD(t, window);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TADDS(t, t, 1);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(result, t);
    pipe_barrier(PIPE_ALL);
}
