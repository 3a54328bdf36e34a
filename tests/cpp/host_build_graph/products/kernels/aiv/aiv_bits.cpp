// Bits of integers, and products of rows and of columns.
//
// args   0 a, 1 b [7][24] T; 2 results of T, written, one behind the other; 3 which T: 0 uint32_t, 1 int16_t;
//        4 f [7][24] float, 5 results of float, written
#include <cstdint>
#include <pto/pto-inst.hpp>

using namespace pto;

constexpr int R = 7, C = 24;
template <typename T> using Matrix = Tile<TileType::Vec, T, R, 32, BLayout::RowMajor, R, C>;

template <typename TileT> static AICORE void put(TileT &tile, __gm__ typename TileT::DType *&to)
{
    using T = typename TileT::DType;
    constexpr int rows = TileT::ValidRow, cols = TileT::ValidCol;
    GlobalTensor<T, Shape<1, 1, 1, rows, cols>, Stride<1, 1, 1, cols, 1>> global(to);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(global, tile);
    set_flag(PIPE_MTE3, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE3, PIPE_V, EVENT_ID0);
    to += rows * cols;
}

template <typename T> static AICORE void bits(__gm__ T *x, __gm__ T *z, __gm__ T *to)
{
    Matrix<T> a, b, y;
    TASSIGN(a, 0);
    TASSIGN(b, 0x1000);
    TASSIGN(y, 0x2000);
    GlobalTensor<T, Shape<1, 1, 1, R, C>, Stride<1, 1, 1, C, 1>> aGlobal(x), bGlobal(z);
    TLOAD(a, aGlobal);
    TLOAD(b, bGlobal);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TAND(y, a, b), put(y, to);
    TOR(y, a, b), put(y, to);
    TXOR(y, a, b), put(y, to);
    TNOT(y, a), put(y, to);
    TSHL(y, a, b), put(y, to);
    TSHR(y, a, b), put(y, to);
    TANDS(y, a, 0x3C5A), put(y, to);
    TORS(y, a, 0x3C5A), put(y, to);
    TXORS(y, a, 0x3C5A), put(y, to);
    TSHLS(y, a, 3), put(y, to);
    TSHRS(y, a, 3), put(y, to);
}

static AICORE void products(__gm__ float *x, __gm__ float *to)
{
    Matrix<float> f, tmp;
    Tile<TileType::Vec, float, 8, 8, BLayout::RowMajor, R, 1> column;
    Tile<TileType::Vec, float, 1, 32, BLayout::RowMajor, 1, C> row;
    TASSIGN(f, 0x4000);
    TASSIGN(tmp, 0x5000);
    TASSIGN(column, 0x6000);
    TASSIGN(row, 0x7000);
    GlobalTensor<float, Shape<1, 1, 1, R, C>, Stride<1, 1, 1, C, 1>> fGlobal(x);
    TLOAD(f, fGlobal);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID1);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID1);
    TROWPROD(column, f, tmp), put(column, to);
    TCOLPROD(row, f), put(row, to);
}

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    if (args[3] == 0) bits((__gm__ uint32_t *)args[0], (__gm__ uint32_t *)args[1], (__gm__ uint32_t *)args[2]);
    else bits((__gm__ int16_t *)args[0], (__gm__ int16_t *)args[1], (__gm__ int16_t *)args[2]);
    if (args[3] == 0) products((__gm__ float *)args[4], (__gm__ float *)args[5]);
    pipe_barrier(PIPE_ALL);
}
