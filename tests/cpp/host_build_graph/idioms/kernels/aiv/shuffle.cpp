// Helper templates that place tiles and ask types for their sizes; elements that change places.
//
// args   0 x [32][64] half; 1 y [64][32] half, written: x transposed, plus 1; 2 z [32][64] half, written: the even
//        columns of x, then the odd ones
#include <cstdint>
#include <pto/pto-inst.hpp>
#include <type_traits>

using namespace pto;

namespace
{
constexpr uint32_t kRows = 32, kCols = 64;

struct Placer {
    uint32_t next = 0;
    template <typename TileT> __aicore__ void operator()(TileT &tile)
    {
        TASSIGN(tile, next);
        next += TileT::Numel * sizeof(typename TileT::DType);
    }
};
} // namespace

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    using TileX = Tile<TileType::Vec, half, kRows, kCols>;
    using TileY = Tile<TileType::Vec, half, kCols, kRows>;
    static_assert(TileX::GetValidRow() == kRows && TileX::RowStride == kCols && std::is_same_v<TileX::DType, half>);
    constexpr half one = 1.0f;
    TileX x, both;
    TileY y, tmp;
    Tile<TileType::Vec, half, kRows, kCols / 2> even, odd;
    Placer place;
    place(x);
    place(both);
    place(y);
    place(tmp);
    place(even);
    place(odd);
    using Wide = GlobalTensor<half, TileShape2D<half, kRows, kCols>, BaseShape2D<half, kRows, kCols>>;
    Wide xGlobal((__gm__ half *)args[0]), zGlobal((__gm__ half *)args[2]);
    GlobalTensor<half, TileShape2D<half, kCols, kRows>, BaseShape2D<half, kCols, kRows>> yGlobal(
        (__gm__ half *)args[1]);

    TLOAD(x, xGlobal);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TTRANS(y, x, tmp);
    pipe_barrier(PIPE_V);
    TADDS(y, y, one);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(yGlobal, y);
    TGATHER<decltype(even), TileX, MaskPattern::P0101>(even, x);
    TGATHER<decltype(odd), TileX, MaskPattern::P1010>(odd, x);
    pipe_barrier(PIPE_V);
    TCONCAT(both, even, odd);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID1);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID1);
    TSTORE(zGlobal, both);
    pipe_barrier(PIPE_ALL);
}
