// aiv_exp.cpp - y = exp(x), 4096 elements of fp32, on a vector core.
//
// args   0 x, 1 y: device addresses
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    constexpr int rows = 1, cols = 4096;
    using Global = GlobalTensor<float, Shape<1, 1, 1, rows, cols>, Stride<1, 1, 1, cols, 1>>;
    Global x_gm(reinterpret_cast<__gm__ float *>(args[0]));
    Global y_gm(reinterpret_cast<__gm__ float *>(args[1]));

    Tile<TileType::Vec, float, rows, cols> x;
    TASSIGN(x, 0); // the tile begins at byte 0 of UB

    TLOAD(x, x_gm);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);  // the load has landed ...
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0); // ... before V computes
    TEXP(x, x);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);  // the result is there ...
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0); // ... before MTE3 stores it
    TSTORE(y_gm, x);
    pipe_barrier(PIPE_ALL); // the store has landed before the task counts as complete
}
