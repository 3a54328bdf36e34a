// Softmax of one block by itself: m = max of rows of scale * s, p = exp(scale * s - m), l = sum of rows of p.
//
// args   0 sij [16][16], 1 scale, 2 pij [16][16], 3 mij [16], 4 lij [16]
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
static __aicore__ void softmax_prepare(__gm__ float *sij, float scale, __gm__ float *pij, __gm__ float *mij,
                                       __gm__ float *lij)
{
    constexpr int alignedRows = (M * sizeof(float) + 31) / 32 * 32 / sizeof(float);
    using GlobalMN = GlobalTensor<float, Shape<1, 1, 1, M, N>, Stride<1, 1, 1, N, 1>>;
    using GlobalScalarDN = GlobalTensor<float, Shape<1, 1, 1, alignedRows, 1>, Stride<1, 1, 1, 1, 1>, Layout::DN>;
    GlobalMN sijGlobal(sij);
    GlobalMN pijGlobal(pij);
    GlobalScalarDN mijGlobal(mij);
    GlobalScalarDN lijGlobal(lij);

    using TileMN = Tile<TileType::Vec, float, M, N, BLayout::RowMajor, M, N>;
    using TileScalarDN = Tile<TileType::Vec, float, alignedRows, 1, BLayout::ColMajor, M, 1>;
    TileMN sijTile;
    TileMN pijTile;
    TileMN tmpTile;
    TileScalarDN maxTile;
    TileScalarDN sumTile;
    TASSIGN(sijTile, 0x0);
    TASSIGN(pijTile, M * N * sizeof(float));
    TASSIGN(tmpTile, 2 * M * N * sizeof(float));
    TASSIGN(maxTile, 3 * M * N * sizeof(float));
    TASSIGN(sumTile, 3 * M * N * sizeof(float) + alignedRows * sizeof(float));

    TLOAD(sijTile, sijGlobal);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);

    TMULS(sijTile, sijTile, scale);
    pipe_barrier(PIPE_V);
    TROWMAX(maxTile, sijTile, tmpTile);
    pipe_barrier(PIPE_V);
    TROWEXPANDSUB(pijTile, sijTile, maxTile);
    pipe_barrier(PIPE_V);
    TEXP(pijTile, pijTile);
    pipe_barrier(PIPE_V);
    TROWSUM(sumTile, pijTile, tmpTile);

    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(pijGlobal, pijTile);
    TSTORE(mijGlobal, maxTile);
    TSTORE(lijGlobal, sumTile);
    set_flag(PIPE_MTE3, PIPE_S, EVENT_ID7);
    wait_flag(PIPE_MTE3, PIPE_S, EVENT_ID7);
}

extern "C" __aicore__ __attribute__((always_inline)) void kernel_entry(__gm__ int64_t *args)
{
    union {
        uint64_t bits;
        float value;
    } scale;
    scale.bits = static_cast<uint64_t>(args[1]);
    softmax_prepare<16, 16>(reinterpret_cast<__gm__ float *>(args[0]), scale.value,
                            reinterpret_cast<__gm__ float *>(args[2]), reinterpret_cast<__gm__ float *>(args[3]),
                            reinterpret_cast<__gm__ float *>(args[4]));
}
