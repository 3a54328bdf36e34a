// Every way to make a shape, a view and a tile; events; the scalar unit's calls. The kernel stores x, piece by piece.
//
// args   0 x [24][40] float, 1 y [24][40] float, written: x times 2; 2 z [16] bfloat16_t, written: 1.5 by TEXPANDS;
//        3 w [16] float, written: z by TCVT; 4 rows that are done with dynamic sizes: 8, as an int64_t
#define __aicore__ [aicore]
#include "intrinsic.h"
#include "pipe_sync.h"
#include "tensor.h"
#include <cstdint>
#include <pto/common/constants.hpp>
#include <pto/common/fifo.hpp>
#include <pto/common/pto_tile.hpp>
#include <pto/pto-inst.hpp>

using namespace pto;

constexpr int C = 40;

// x to y, `rows` rows from `row` on, through views and tiles of the given types.
template <typename Global, typename TileT>
static AICORE void twice(Global &from, Global &to, TileT &tile, __gm__ float *x, __gm__ float *y, int row)
{
    Event<Op::TLOAD, Op::TMULS> loaded;
    Event<Op::TMULS, Op::TSTORE_VEC, false, EVENT_ID6> doubled;
    TASSIGN(from, x + row * C);
    TASSIGN(to, y + row * C);
    loaded = TLOAD(tile, from);
    doubled = TMULS(tile, tile, 2, loaded);
    Event<Op::TSTORE_VEC, Op::TLOAD, false, EVENT_ID3> stored = TSTORE(to, tile, doubled);
    TSYNC(stored);
}

extern "C" __aicore__ __attribute__((always_inline)) void kernel_entry(__gm__ int64_t *args)
{
    __gm__ float *x = reinterpret_cast<__gm__ float *>(args[0]);
    __gm__ float *y = reinterpret_cast<__gm__ float *>(args[1]);
    const int64_t rows = args[4];
    set_mask_norm();
    set_vector_mask(-1, -1);
    if (get_sys_cnt() <= 0) return;
    // A task is one block on one core.
    if (get_block_idx(args) != get_block_idx() || get_block_num(args) != 1 || get_sub_block_id(args) != 0) trap();
    PTO_CPU_ASSERT(get_subblockid() == 0, "the only one");
    PTO_ASSERT(false, "checked by a device in debug builds");

    // Static everything.
    using StaticGlobal = GlobalTensor<float, Shape<1, 1, 1, 4, C>, Stride<4 * C, 4 * C, 4 * C, C, 1>>;
    using StaticTile = Tile<TileType::Vec, float, 4, C, BLayout::RowMajor, 4, C, SLayout::NoneBox, 512, PadValue::Null,
                            CompactMode::Null>;
    static_assert(StaticTile::RowStride == C && StaticTile::ColStride == 1 && StaticTile::Numel == 4 * C);
    static_assert(StaticGlobal::GetShape<3>() == 4 && StaticGlobal::GetStride<3>() == C);
    static_assert(StaticTile::GetValidRow() == 4 && StaticTile::GetValidCol() == C);
    static_assert(std::is_same_v<Shape<1, 1, 1, 4, C>, TileShape2D<float, 4, C>> &&
                  std::is_same_v<StaticGlobal::Stride, BaseShape2D<float, 4, C>>);
    StaticGlobal a0, b0;
    StaticTile t0;
    TASSIGN<0>(t0);
    twice(a0, b0, t0, x, y, 0);

    // Dynamic sizes, five values; a tile of which both valid sizes are dynamic, made as a copy.
    using DynamicGlobal = GlobalTensor<float, Shape<>, Stride<>, Layout::ND>;
    using DynamicTile = Tile<TileType::Vec, float, 8, C, BLayout::RowMajor, -1, -1>;
    const Shape<> shape(1, 1, 1, rows - 4, C);
    const Stride<> stride(1, 1, 1, C, 1);
    DynamicGlobal a1(x, shape, stride), b1(y, shape, stride);
    DynamicTile t1 = DynamicTile(rows - 4, static_cast<size_t>(C));
    TASSIGN(t1, 0x1000u);
    DynamicTile t1_copy = t1;
    twice(a1, b1, t1_copy, x, y, 4);

    // Only the dynamic dimensions, in order; one dynamic valid size; another valid part than at first.
    using PartGlobal = GlobalTensor<float, Shape<1, 1, 1, DYNAMIC, C>, pto::Stride<1, 1, 1, DYNAMIC, 1>>;
    PartGlobal a2(x, pto::Shape<1, 1, 1, DYNAMIC, C>(3), pto::Stride<1, 1, 1, DYNAMIC, 1>(C)), b2 = a2;
    Tile<TileType::Vec, float, 8, C, BLayout::RowMajor, -1, C> t2(3);
    TASSIGN(t2, 0x2000);
    twice(a2, b2, t2, x, y, 8);
    a2.SetShape<3>(5);
    b2.SetShape<3>(a2.GetShape(PartGlobal::staticShape[3] == DYNAMIC ? 3 : 9));
    b2.SetStride<3>(a2.GetStride(3));
    t2.SetValidRow(5);
    twice(a2, b2, t2, x, y, 11);

    // Four dimensions stacked; both valid sizes set after the tile was made.
    using Stacked = GlobalTensor<float, Shape<1, 2, 2, 2, C>, Stride<8 * C, 4 * C, 2 * C, C, 1>>;
    Stacked a3, b3;
    Tile<TileType::Vec, float, 8, C, BLayout::RowMajor, -1, -1> t3;
    t3.SetValidShape(8, C);
    if (t3.GetValidRow() != 8 || t3.GetValidCol() != C || a3.GetShape(7) != -1) return;
    TASSIGN(t3, 0x3000);
    twice(a3, b3, t3, x, y, 16);

    // The other element types. Scalars are converted to them once; arithmetic is that of float.
    constexpr half one = 1.0f;
    bfloat16_t one_and_a_half = one / 2;
    one_and_a_half += float8_e4m3_t(one);
    Tile<TileType::Vec, bfloat16_t, 1, 16> z;
    Tile<TileType::Vec, float, 1, 16> w;
    TASSIGN(z, 0x4000);
    TASSIGN(w, 0x5000);
    GlobalTensor<bfloat16_t, Shape<1, 1, 1, 1, 16>, Stride<1, 1, 1, 16, 1>> zGlobal(
        reinterpret_cast<__gm__ bfloat16_t *>(args[2]));
    // A line of elements is the same in ND and DN.
    GlobalTensor<float, Shape<1, 1, 1, 16, 1>, Stride<1, 1, 1, 1, 16>, Layout::DN> wGlobal(
        reinterpret_cast<__gm__ float *>(args[3]));
    TEXPANDS(z, one_and_a_half);
    pipe_barrier(PIPE_V);
    TCVT(w, z, RoundMode::CAST_RINT);
    const event_t events[] = {EVENT_ID0, EVENT_ID1};
    for (event_t event : events) set_flag(PIPE_V, PIPE_MTE3, event);
    for (int event = 0; event < 2; event++) wait_flag(PIPE_V, PIPE_MTE3, static_cast<::event_t>(event));
    TSTORE(zGlobal, z);
    TSTORE(wGlobal, w);
    // A scalar past the cache, there and back.
    pipe_barrier(PIPE_ALL);
    __gm__ float *first = reinterpret_cast<__gm__ float *>(args[3]);
    st_dev(1.5, first, 8);
    if (ld_dev(first, 8) != 1.5f) trap();
    dcci(reinterpret_cast<__gm__ void *>(0), cache_line_t::ENTIRE_DATA_CACHE);
    dcci(x, SINGLE_CACHE_LINE, CACHELINE_OUT);
    dsb(DSB_DDR);
    dsb((mem_dsb_t)0);
    pipe_sync();
}
