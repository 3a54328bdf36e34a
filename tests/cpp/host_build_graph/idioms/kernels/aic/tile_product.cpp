// One tile of a product.
//
// args   0 a [32][32] float, 1 b [32][32] float, 2 p [32][32] float, written
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

template <typename T, int TILE> static __aicore__ void product(__gm__ T *a, __gm__ T *b, __gm__ T *p)
{
    static_assert(TILE % (C0_SIZE_BYTE / sizeof(T)) == 0);
    using Global = GlobalTensor<T, Shape<1, 1, 1, TILE, TILE>, Stride<TILE * TILE, TILE * TILE, TILE * TILE, TILE, 1>>;
    using Mat = Tile<TileType::Mat, T, TILE, TILE, BLayout::ColMajor, TILE, TILE, SLayout::RowMajor, 512>;
    Global aGlobal(a), bGlobal(b), pGlobal(p);
    Mat aMat, bMat;
    TileLeft<T, TILE, TILE, TILE, TILE> left;
    TileRight<T, TILE, TILE, TILE, TILE> right;
    TileAcc<float, TILE, TILE, TILE, TILE> acc;
    TASSIGN(aMat, 0x0);
    TASSIGN(bMat, 0x20000);
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
    TSTORE(pGlobal, acc);
    set_flag(PIPE_FIX, PIPE_S, EVENT_ID7);
    wait_flag(PIPE_FIX, PIPE_S, EVENT_ID7);
}

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    product<float, 32>(reinterpret_cast<__gm__ float *>(args[0]), reinterpret_cast<__gm__ float *>(args[1]),
                       reinterpret_cast<__gm__ float *>(args[2]));
}
