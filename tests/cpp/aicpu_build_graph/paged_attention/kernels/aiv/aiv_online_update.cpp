// Merge a block into the running softmax of a query: m, l and o, all fp32; after the last block dst = o / l.
//
// args   0 mij [16], 1 lij [16], 2 oiNew [16][16]: of the block
//        3 mi [16], 4 li [16], 5 oi [16][16]: of the blocks before it, written
//        6 isFirst, 7 isLast, 8 dst [16][16]
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

template <int M, int N>
static __aicore__ void online_update(__gm__ float *mij, __gm__ float *lij, __gm__ float *oiNew, __gm__ float *mi,
                                     __gm__ float *li, __gm__ float *oi, uint64_t isFirst, uint64_t isLast,
                                     __gm__ float *dst)
{
    constexpr int scalarCols = 32 / sizeof(float);
    constexpr int scalarRows = M / scalarCols;
    constexpr int alignedRows = (M * sizeof(float) + 31) / 32 * 32 / sizeof(float);

    using GlobalMN = GlobalTensor<float, Shape<1, 1, 1, M, N>, Stride<1, 1, 1, N, 1>>;
    using GlobalScalarND = GlobalTensor<float, Shape<1, 1, 1, scalarRows, scalarCols>, Stride<1, 1, 1, scalarCols, 1>>;
    GlobalMN oiNewGlobal(oiNew);
    GlobalMN oiGlobal(oi);
    GlobalMN dstGlobal(dst);
    GlobalScalarND mijGlobal(mij);
    GlobalScalarND lijGlobal(lij);
    GlobalScalarND miGlobal(mi);
    GlobalScalarND liGlobal(li);

    using TileMN = Tile<TileType::Vec, float, M, N, BLayout::RowMajor, M, N>;
    using TileScalarND = Tile<TileType::Vec, float, scalarRows, scalarCols, BLayout::RowMajor, scalarRows, scalarCols>;
    using TileScalarDN = Tile<TileType::Vec, float, alignedRows, 1, BLayout::ColMajor, M, 1>;

    constexpr int matrix = M * N * sizeof(float);
    constexpr int scalars = alignedRows * sizeof(float);
    TileMN oiNewTile;
    TileMN oiTile;
    TileScalarND mijND, lijND, miND, liND, newMaxND, alphaND, betaND;
    TileScalarDN alphaDN, betaDN, liDN;
    TASSIGN(oiNewTile, 0);
    TASSIGN(oiTile, matrix);
    TASSIGN(mijND, 2 * matrix);
    TASSIGN(lijND, 2 * matrix + scalars);
    TASSIGN(miND, 2 * matrix + 2 * scalars);
    TASSIGN(liND, 2 * matrix + 3 * scalars);
    TASSIGN(newMaxND, 2 * matrix + 4 * scalars);
    TASSIGN(alphaND, 2 * matrix + 5 * scalars);
    TASSIGN(betaND, 2 * matrix + 6 * scalars);

    TLOAD(oiNewTile, oiNewGlobal);
    TLOAD(mijND, mijGlobal);
    TLOAD(lijND, lijGlobal);
    if (!isFirst) {
        TLOAD(oiTile, oiGlobal);
        TLOAD(miND, miGlobal);
        TLOAD(liND, liGlobal);
    }
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);

    if (!isFirst) {
        TMAX(newMaxND, miND, mijND);
        pipe_barrier(PIPE_V);
        TSUB(alphaND, miND, newMaxND);
        TSUB(betaND, mijND, newMaxND);
        pipe_barrier(PIPE_V);
        TEXP(alphaND, alphaND);
        TEXP(betaND, betaND);
        pipe_barrier(PIPE_V);
        TMUL(liND, alphaND, liND);
        TMUL(lijND, betaND, lijND);
        pipe_barrier(PIPE_V);
        TADD(liND, liND, lijND);
        TRESHAPE(alphaDN, alphaND);
        TRESHAPE(betaDN, betaND);
        TROWEXPANDMUL(oiTile, oiTile, alphaDN);
        TROWEXPANDMUL(oiNewTile, oiNewTile, betaDN);
        pipe_barrier(PIPE_V);
        TADD(oiTile, oiTile, oiNewTile);
        pipe_barrier(PIPE_V);
    }
    if (isLast) {
        if (isFirst) {
            TRESHAPE(liDN, lijND);
            TROWEXPANDDIV(oiNewTile, oiNewTile, liDN);
        } else {
            TRESHAPE(liDN, liND);
            TROWEXPANDDIV(oiTile, oiTile, liDN);
        }
    }

    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    if (isLast) {
        if (isFirst) TSTORE(dstGlobal, oiNewTile);
        else TSTORE(dstGlobal, oiTile);
    } else if (isFirst) {
        TSTORE(miGlobal, mijND);
        TSTORE(liGlobal, lijND);
        TSTORE(oiGlobal, oiNewTile);
    } else {
        TSTORE(miGlobal, newMaxND);
        TSTORE(liGlobal, liND);
        TSTORE(oiGlobal, oiTile);
    }
    set_flag(PIPE_MTE3, PIPE_S, EVENT_ID7);
    wait_flag(PIPE_MTE3, PIPE_S, EVENT_ID7);
}

extern "C" __aicore__ __attribute__((always_inline)) void kernel_entry(__gm__ int64_t *args)
{
    online_update<16, 16>(reinterpret_cast<__gm__ float *>(args[0]), reinterpret_cast<__gm__ float *>(args[1]),
                          reinterpret_cast<__gm__ float *>(args[2]), reinterpret_cast<__gm__ float *>(args[3]),
                          reinterpret_cast<__gm__ float *>(args[4]), reinterpret_cast<__gm__ float *>(args[5]),
                          static_cast<uint64_t>(args[6]), static_cast<uint64_t>(args[7]),
                          reinterpret_cast<__gm__ float *>(args[8]));
}
