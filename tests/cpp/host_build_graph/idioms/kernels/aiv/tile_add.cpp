// A tile of a sum that grows in an output.
//
// args   0 c [32][32] float, read and written: c + p; 1 p [32][32] float
#include <cstdint>
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    __gm__ float *c = reinterpret_cast<__gm__ float *>(args[0]);
    __gm__ float *p = reinterpret_cast<__gm__ float *>(args[1]);
    constexpr int TILE = 32;
    using Global = GlobalTensor<float, Shape<1, 1, 1, TILE, TILE>, Stride<1, 1, 1, TILE, 1>>;
    using TileData = Tile<TileType::Vec, float, TILE, TILE, BLayout::RowMajor, -1, -1>;
    TileData cTile(TILE, TILE), pTile(TILE, TILE), sum(TILE, TILE);
    TASSIGN(cTile, 0x0);
    TASSIGN(pTile, 0x10000);
    TASSIGN(sum, 0x20000);
    Global cGlobal(c), pGlobal(p), out(c);

    TLOAD(cTile, cGlobal);
    TLOAD(pTile, pGlobal);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TADD(sum, cTile, pTile);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out, sum);
    set_flag(PIPE_MTE3, PIPE_S, EVENT_ID7);
    wait_flag(PIPE_MTE3, PIPE_S, EVENT_ID7);
}
