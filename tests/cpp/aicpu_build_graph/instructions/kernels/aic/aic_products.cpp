// Products of each type, from tiles that are larger than what they mean.
//
// args   0 a [19][21], 1 b [21][27], 2 c [19][27] float, written twice: a x b, and twice that; 3 which type
#include <cstdint>
#include <pto/pto-inst.hpp>

using namespace pto;

template <typename T> static __aicore__ void multiply(__gm__ T *a, __gm__ T *b, __gm__ float *c)
{
    constexpr int m = 19, k = 21, n = 27, M = 32, K = 32, N = 32;
    GlobalTensor<T, Shape<1, 1, 1, m, k>, Stride<1, 1, 1, k, 1>> aGlobal(a);
    GlobalTensor<T, Shape<1, 1, 1, k, n>, Stride<1, 1, 1, n, 1>> bGlobal(b);
    GlobalTensor<float, Shape<1, 1, 1, m, n>, Stride<1, 1, 1, n, 1>> cGlobal(c);
    Tile<TileType::Mat, T, M, K, BLayout::ColMajor, m, k, SLayout::RowMajor, 512> aMat;
    Tile<TileType::Mat, T, K, N, BLayout::ColMajor, k, n, SLayout::RowMajor, 512> bMat;
    TileLeft<T, M, K, m, k> left;
    TileRight<T, K, N, k, n> right;
    TileAcc<float, M, N, m, n> acc;
    TASSIGN(aMat, 0);
    TASSIGN(bMat, 0x10000);
    TASSIGN(left, 0);
    TASSIGN(right, 0);
    TASSIGN(acc, 0);

    TLOAD(aMat, aGlobal);
    TLOAD(bMat, bGlobal);
    set_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    TMOV(left, aMat);
    TMOV(right, bMat);
    set_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    wait_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    TMATMUL(acc, left, right);
    set_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    wait_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(cGlobal, acc);
    set_flag(PIPE_FIX, PIPE_M, EVENT_ID0);
    wait_flag(PIPE_FIX, PIPE_M, EVENT_ID0);
    TMATMUL_ACC(acc, acc, left, right);
    set_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    wait_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    TASSIGN(cGlobal, c + m * n);
    TSTORE(cGlobal, acc);
    pipe_barrier(PIPE_ALL);
}

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    __gm__ float *c = reinterpret_cast<__gm__ float *>(args[2]);
    switch (args[3]) {
    case 0: return multiply(reinterpret_cast<float *>(args[0]), reinterpret_cast<float *>(args[1]), c);
    default: return multiply(reinterpret_cast<half *>(args[0]), reinterpret_cast<half *>(args[1]), c);
    }
}
