// The tiles of the cube core, with all parameters written out and by their short names.
//
// args   0 a [16][32] half, 1 bt [16][32] half: b transposed, 2 c [16][16] half, written: a x b
#include "pipe_sync.h"
#include <cstdint>
#include <pto/pto-inst.hpp>

using namespace pto;

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    constexpr int M = 16, K = 32, N = 16;
    GlobalTensor<half, Shape<1, 1, 1, M, K>, Stride<1, 1, 1, K, 1>> a(reinterpret_cast<__gm__ half *>(args[0]));
    GlobalTensor<half, Shape<1, 1, 1, K, N>, Stride<1, 1, 1, 1, K>, Layout::DN> b(
        reinterpret_cast<__gm__ half *>(args[1]));
    GlobalTensor<half, Shape<1, 1, 1, M, N>, Stride<1, 1, 1, N, 1>> c(reinterpret_cast<__gm__ half *>(args[2]));

    Tile<TileType::Mat, half, M, K, BLayout::ColMajor, M, K, SLayout::RowMajor> aMat;
    Tile<TileType::Mat, half, K, N, BLayout::RowMajor, K, N, SLayout::ColMajor> bMat; // ZN: the transposed operand
    Tile<TileType::Left, half, M, K, BLayout::RowMajor, M, K, SLayout::RowMajor, 512, PadValue::Null,
         CompactMode::Normal>
        left;
    TileRightCompact<half, K, N> right;
    TileAccCompact<float, M, N> acc;
    static_assert(std::is_same_v<decltype(left), TileLeftCompact<half, M, K>>);
    // Left as A5 has it is accepted, too.
    Tile<TileType::Left, half, M, K, BLayout::ColMajor, M, K, SLayout::RowMajor> other_left;
    TASSIGN(aMat, 0);
    TASSIGN(bMat, 0x8000);
    TASSIGN(left, 0);
    TASSIGN(other_left, 0x2000);
    TASSIGN(right, 0);
    TASSIGN(acc, 0);

    TLOAD(aMat, a);
    TLOAD(bMat, b);
    set_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    TMOV(left, aMat);
    TMOV(other_left, aMat);
    TMOV(right, bMat);
    set_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    wait_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    TMATMUL(acc, left, right);
    set_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    wait_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(c, acc);
    pipe_sync();
}
