// Products of windows of int8, stored as they are, without what is negative, and scaled to half.
//
// args   0 a [32][64], 1 b [64][32] int8_t, 2 c [2][32][32] int32_t, written, 3 d [32][32] half, written
#include <cstdint>
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    constexpr int M = 32, K = 64, N = 32, HALF = K / 2;
    GlobalTensor<int8_t, Shape<1, 1, 1, M, K>, Stride<1, 1, 1, K, 1>> aGlobal(reinterpret_cast<int8_t *>(args[0]));
    GlobalTensor<int8_t, Shape<1, 1, 1, K, N>, Stride<1, 1, 1, N, 1>> bGlobal(reinterpret_cast<int8_t *>(args[1]));
    using Sums = GlobalTensor<int32_t, Shape<1, 1, 1, M, N>, Stride<1, 1, 1, N, 1>>;
    Sums cGlobal(reinterpret_cast<int32_t *>(args[2])), positive(reinterpret_cast<int32_t *>(args[2]) + M * N);
    GlobalTensor<half, Shape<1, 1, 1, M, N>, Stride<1, 1, 1, N, 1>> dGlobal(reinterpret_cast<half *>(args[3]));
    Tile<TileType::Mat, int8_t, M, K, BLayout::ColMajor, M, K, SLayout::RowMajor> aMat;
    Tile<TileType::Mat, int8_t, K, N, BLayout::ColMajor, K, N, SLayout::RowMajor> bMat;
    TileLeft<int8_t, M, HALF> left;
    TileRight<int8_t, HALF, N> right;
    TileAcc<int32_t, M, N> acc;
    TASSIGN(aMat, 0);
    TASSIGN(bMat, 0x10000);
    TASSIGN(left, 0);
    TASSIGN(right, 0);
    TASSIGN(acc, 0);

    TLOAD(aMat, aGlobal);
    TLOAD(bMat, bGlobal);
    set_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    for (int64_t k = 0; k < K; k += HALF) {
        TEXTRACT(left, aMat, 0, k);
        TEXTRACT(right, bMat, k, 0);
        set_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
        wait_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
        if (k == 0) TMATMUL(acc, left, right);
        else TMATMUL_ACC(acc, acc, left, right);
        set_flag(PIPE_M, PIPE_MTE1, EVENT_ID0);
        wait_flag(PIPE_M, PIPE_MTE1, EVENT_ID0);
    }
    set_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    wait_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(cGlobal, acc);
    TSTORE<decltype(acc), Sums, AtomicType::AtomicNone, ReluPreMode::NormalRelu>(positive, acc);
    const uint64_t an_eighth = 0x3E000000; // the bits of 0.125f
    TSTORE(dGlobal, acc, an_eighth);
    pipe_barrier(PIPE_ALL);
}
