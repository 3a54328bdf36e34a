// Scores of one KV block: sij [16][16] = qi [16][16] x kj [16][16], fp32. kj is stored as K^T: no transposition.
//
// args   0 qi, 1 kj, 2 sij
#include <cstdint>
#include <pto/common/constants.hpp>
#include <pto/pto-inst.hpp>

using namespace pto;

#ifndef __gm__
#define __gm__
#endif

#ifndef __aicore__
#define __aicore__ [aicore]
#endif

template <int M, int K, int N> static __aicore__ void qk_matmul(__gm__ float *qi, __gm__ float *kj, __gm__ float *sij)
{
    using GlobalA = GlobalTensor<float, Shape<1, 1, 1, M, K>, Stride<M * K, M * K, M * K, K, 1>>;
    using GlobalB = GlobalTensor<float, Shape<1, 1, 1, K, N>, Stride<K * N, K * N, K * N, N, 1>>;
    using GlobalOut = GlobalTensor<float, Shape<1, 1, 1, M, N>, Stride<M * N, M * N, M * N, N, 1>>;
    GlobalA aGlobal(qi);
    GlobalB bGlobal(kj);
    GlobalOut outGlobal(sij);

    using TileMatA = Tile<TileType::Mat, float, M, K, BLayout::ColMajor, M, K, SLayout::RowMajor, 512>;
    using TileMatB = Tile<TileType::Mat, float, K, N, BLayout::ColMajor, K, N, SLayout::RowMajor, 512>;
    using LeftTile = TileLeft<float, M, K, M, K>;
    using RightTile = TileRight<float, K, N, K, N>;
    using AccTile = TileAcc<float, M, N, M, N>;

    TileMatA aMat;
    TileMatB bMat;
    TASSIGN(aMat, 0x0);
    TASSIGN(bMat, 0x20000);
    LeftTile left;
    RightTile right;
    AccTile acc;
    TASSIGN(left, 0x0);
    TASSIGN(right, 0x0);
    TASSIGN(acc, 0x0);

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

    TSTORE(outGlobal, acc);
    set_flag(PIPE_FIX, PIPE_S, EVENT_ID7);
    wait_flag(PIPE_FIX, PIPE_S, EVENT_ID7);
}

extern "C" __aicore__ __attribute__((always_inline)) void kernel_entry(__gm__ int64_t *args)
{
    __gm__ float *qi = reinterpret_cast<__gm__ float *>(args[0]);
    __gm__ float *kj = reinterpret_cast<__gm__ float *>(args[1]);
    __gm__ float *sij = reinterpret_cast<__gm__ float *>(args[2]);
    qk_matmul<16, 16, 16>(qi, kj, sij);
}
