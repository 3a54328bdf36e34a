// Softmax of rows of any length, in tiles of 16 rows. Two sets of tiles take turns: one is loaded while the other is
// computed.
//
// args   0 x [16 n][cols] float, 1 y [16 n][cols] float, written; 2 n, 3 cols, 4 elements from row to row
#include <cstdint>
#include <pto/pto-inst.hpp>

using namespace pto;

template <typename T, int R, int C>
static __aicore__ void softmax(__gm__ T *in, __gm__ T *out, int64_t n, int64_t cols, int64_t ld)
{
    using DynShape = Shape<1, 1, 1, R, DYNAMIC>;
    using DynStride = Stride<1, 1, 1, DYNAMIC, 1>;
    using Global = GlobalTensor<T, DynShape, DynStride, Layout::ND>;
    using Padded = Tile<TileType::Vec, T, R, C, BLayout::RowMajor, R, C, SLayout::NoneBox, 512, PadValue::Min>;
    using Part = Tile<TileType::Vec, T, R, C, BLayout::RowMajor, R, -1>;
    Part x[2] = {Part(cols), Part(cols)};
    Padded full[2], tmp;
    Tile<TileType::Vec, T, R, 1, BLayout::ColMajor> largest, sum;
    const event_t events[2] = {EVENT_ID0, EVENT_ID1};
    constexpr uint64_t bytes = R * C * sizeof(T);
    for (int i = 0; i < 2; i++) {
        TASSIGN(x[i], i * bytes);
        TASSIGN(full[i], i * bytes);
    }
    TASSIGN(tmp, 2 * bytes);
    TASSIGN(largest, 3 * bytes);
    TASSIGN(sum, 3 * bytes + 0x400);

    set_flag(PIPE_MTE3, PIPE_MTE2, events[0]);
    set_flag(PIPE_MTE3, PIPE_MTE2, events[1]);
    for (int64_t i = 0; i < n; i++) {
        const int at = static_cast<int>(i & 1);
        Global xGlobal(in + i * R * ld, DynShape(cols), DynStride(ld));
        Global yGlobal(out + i * R * ld, DynShape(cols), DynStride(ld));
        wait_flag(PIPE_MTE3, PIPE_MTE2, events[at]);
        TLOAD(x[at], xGlobal);
        set_flag(PIPE_MTE2, PIPE_V, events[at]);
        wait_flag(PIPE_MTE2, PIPE_V, events[at]);
        TFILLPAD_INPLACE(full[at], x[at]);
        pipe_barrier(PIPE_V);
        TROWMAX(largest, full[at], tmp);
        pipe_barrier(PIPE_V);
        TROWEXPANDSUB(full[at], full[at], largest);
        pipe_barrier(PIPE_V);
        TEXP(full[at], full[at]);
        pipe_barrier(PIPE_V);
        TROWSUM(sum, full[at], tmp);
        pipe_barrier(PIPE_V);
        TROWEXPANDDIV(full[at], full[at], sum);
        pipe_barrier(PIPE_V);
        set_flag(PIPE_V, PIPE_MTE3, events[at]);
        wait_flag(PIPE_V, PIPE_MTE3, events[at]);
        TSTORE(yGlobal, x[at]);
        set_flag(PIPE_MTE3, PIPE_MTE2, events[at]);
    }
    wait_flag(PIPE_MTE3, PIPE_MTE2, events[0]);
    wait_flag(PIPE_MTE3, PIPE_MTE2, events[1]);
    pipe_barrier(PIPE_ALL);
}

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    softmax<float, 16, 64>(reinterpret_cast<__gm__ float *>(args[0]), reinterpret_cast<__gm__ float *>(args[1]),
                           args[2], args[3], args[4]);
}
