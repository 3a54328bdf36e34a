// aiv_add.cpp - sum = a + b, 4096 elements of fp32, on a vector core.
//
// args   0 a, 1 b, 2 sum: device addresses
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    constexpr int rows = 1, cols = 4096;
    using Global = GlobalTensor<float, Shape<1, 1, 1, rows, cols>, Stride<1, 1, 1, cols, 1>>;
    Global a_gm(reinterpret_cast<__gm__ float *>(args[0]));
    Global b_gm(reinterpret_cast<__gm__ float *>(args[1]));
    Global sum_gm(reinterpret_cast<__gm__ float *>(args[2]));

    Tile<TileType::Vec, float, rows, cols> a, b;
    TASSIGN(a, 0);
    TASSIGN(b, cols * sizeof(float));

    TLOAD(a, a_gm);
    TLOAD(b, b_gm);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TADD(a, a, b);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(sum_gm, a);
    pipe_barrier(PIPE_ALL);
}
