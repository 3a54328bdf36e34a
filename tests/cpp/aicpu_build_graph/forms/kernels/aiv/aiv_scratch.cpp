// Softmax of 16 rows of 40 by the forms of instructions that take a scratch tile, or put their result into column 0 of
// a row-major tile.
//
// args   0 x [16][40] float; 1 softmax [16][40] float, 2 its sums over rows [40], 3 softmax [16][48], padded with -1
#include "pto/pto-inst.hpp"

using namespace pto;

namespace softmax
{

constexpr int ROWS = 16, COLS = 40, WIDE = 48;

template <int C> using Rows = Tile<TileType::Vec, float, ROWS, C>;
template <int C> using View = GlobalTensor<float, Shape<1, 1, 1, ROWS, C>, Stride<ROWS * C, ROWS * C, ROWS * C, C, 1>>;

AICORE void run(__gm__ float *in, __gm__ float *out, __gm__ float *sums, __gm__ float *wide)
{
    View<COLS> x(in), y(out);
    View<WIDE> z(wide);
    GlobalTensor<float, Shape<1, 1, 1, 1, COLS>, Stride<COLS, COLS, COLS, COLS, 1>> s(sums);

    Rows<COLS> t, rounded;
    Tile<TileType::Vec, half, ROWS, WIDE, BLayout::RowMajor, ROWS, COLS> halves;
    Rows<8> largest, total; // the scalars lie in column 0
    Rows<8> small;          // a row of 40 is shorter than a repeat, so that a device needs no scratch
    Rows<64> scratch;
    Tile<TileType::Vec, float, ROWS, 1, BLayout::ColMajor> column;
    Rows<COLS> repeated;
    Tile<TileType::Vec, float, 1, COLS> columns;
    Tile<TileType::Vec, float, ROWS, WIDE, BLayout::RowMajor, ROWS, WIDE, SLayout::NoneBox, 512, PadValueCustom(-1.0f)>
        padded;
    const uint32_t places[] = {0x0, 0x2000, 0x4000, 0x6000, 0x8000, 0xa000, 0xc000, 0xe000, 0x10000, 0x12000, 0x14000};
    int at = 0;
    auto place = [&](auto &...tiles) { (TASSIGN(tiles, places[at++]), ...); };
    place(t, rounded, halves, largest, total, small, scratch, column, repeated, columns, padded);

    TLOAD(t, x);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TROWMAX(largest, t, small);
    pipe_barrier(PIPE_V);
    TROWEXPAND(repeated, largest);
    pipe_barrier(PIPE_V);
    TSUB(t, t, repeated);
    pipe_barrier(PIPE_V);
    TEXP(t, t);
    pipe_barrier(PIPE_V);
    TROWSUM(column, t, small);
    pipe_barrier(PIPE_V);
    TROWEXPANDDIV(t, t, column, scratch);
    pipe_barrier(PIPE_V);
    TCVT(halves, t, scratch, RoundMode::CAST_RINT);
    pipe_barrier(PIPE_V);
    TCVT(rounded, halves, RoundMode::CAST_NONE, SaturationMode::OFF);
    TCOLSUM(columns, t, scratch, true);
    TFILLPAD_EXPAND(padded, t);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(y, rounded);
    TSTORE(s, columns);
    TSTORE(z, padded);
    pipe_barrier(PIPE_ALL);
}

} // namespace softmax

static_assert(PadValueCustom(-1.0f) == PadCustom<0xBF800000u>);

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    softmax::run((__gm__ float *)args[0], (__gm__ float *)args[1], (__gm__ float *)args[2], (__gm__ float *)args[3]);
}
