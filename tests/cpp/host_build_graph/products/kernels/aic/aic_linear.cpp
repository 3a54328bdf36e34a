// A linear layer: x w + b, of several rows and of one.
//
// args   0 x [20][48] half, 1 w [48][40] half, 2 b [40] float, 3 y [22][40] float, written: x w + b; x[0] w + b;
//        x[0] w twice
#include <cstdint>
#include <pto/pto-inst.hpp>

using namespace pto;

constexpr int M = 32, K = 48, N = 48, ROWS = 20, COLS = 40;

template <typename Acc> static AICORE void put(Acc &acc, __gm__ float *y)
{
    GlobalTensor<float, Shape<1, 1, 1, Acc::ValidRow, COLS>, Stride<1, 1, 1, COLS, 1>> yGlobal(y);
    set_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    wait_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(yGlobal, acc);
    set_flag(PIPE_FIX, PIPE_M, EVENT_ID0);
    wait_flag(PIPE_FIX, PIPE_M, EVENT_ID0);
}

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    __gm__ float *y = reinterpret_cast<__gm__ float *>(args[3]);
    GlobalTensor<half, Shape<1, 1, 1, ROWS, K>, Stride<1, 1, 1, K, 1>> xGlobal(
        reinterpret_cast<__gm__ half *>(args[0]));
    GlobalTensor<half, Shape<1, 1, 1, K, COLS>, Stride<1, 1, 1, COLS, 1>> wGlobal(
        reinterpret_cast<__gm__ half *>(args[1]));
    GlobalTensor<float, Shape<1, 1, 1, 1, COLS>, Stride<1, 1, 1, COLS, 1>> bGlobal(
        reinterpret_cast<__gm__ float *>(args[2]));
    Tile<TileType::Mat, half, M, K, BLayout::ColMajor, ROWS, K, SLayout::RowMajor> xMat;
    Tile<TileType::Mat, half, K, N, BLayout::ColMajor, K, COLS, SLayout::RowMajor> wMat;
    Tile<TileType::Mat, float, 1, N, BLayout::RowMajor, 1, COLS> bMat;
    Tile<TileType::Bias, float, 1, N, BLayout::RowMajor, 1, COLS> bias;
    TileLeft<half, M, K, ROWS, K> left;
    TileRight<half, K, N, K, COLS> right;
    TileAcc<float, M, N, ROWS, COLS> acc;
    TileLeft<half, 16, K, 1, K> leftRow;
    TileAcc<float, 16, N, 1, COLS> accRow;
    TASSIGN(xMat, 0);
    TASSIGN(wMat, 0x4000);
    TASSIGN(bMat, 0x8000);
    TASSIGN<0>(bias);
    TASSIGN(left, 0);
    TASSIGN(leftRow, 0x1000);
    TASSIGN(right, 0);
    TASSIGN(acc, 0);
    TASSIGN(accRow, 0x4000);

    TLOAD(xMat, xGlobal);
    TLOAD(wMat, wGlobal);
    TLOAD(bMat, bGlobal);
    set_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    TMOV(left, xMat);
    TEXTRACT(leftRow, xMat);
    TMOV(right, wMat);
    TMOV(bias, bMat);
    set_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    wait_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    TMATMUL_BIAS(acc, left, right, bias);
    put(acc, y);
    TGEMV_BIAS(accRow, leftRow, right, bias);
    put(accRow, y + ROWS * COLS);
    TGEMV(accRow, leftRow, right);
    pipe_barrier(PIPE_M);
    TGEMV_ACC(accRow, accRow, leftRow, right);
    put(accRow, y + (ROWS + 1) * COLS);
    pipe_barrier(PIPE_ALL);
}
