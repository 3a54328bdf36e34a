// kernel_programs_cxx.cpp - programs of a vector core in C++ as the family writes them. See programs.h.
#include <pto/pto-inst.hpp>

#include "program_sites.h"

using namespace pto;

template <int Rows, int Cols, int Ld = Cols>
using Rectangle = GlobalTensor<float, Shape<1, 1, 1, Rows, Cols>, Stride<1, 1, 1, Ld, 1>>;
using AnySize = GlobalTensor<float, Shape<1, 1, 1, -1, -1>, Stride<1, 1, 1, -1, 1>>;
template <int Rows, int Cols, int ValidRows = Rows, int ValidCols = Cols>
using Rows2D = Tile<TileType::Vec, float, Rows, Cols, BLayout::RowMajor, ValidRows, ValidCols>;
template <int Rows> using Column = Tile<TileType::Vec, float, Rows, 1, BLayout::ColMajor, Rows, 1>;

static float *floats(const struct program *k, int number, uint32_t byte = 0)
{
    return reinterpret_cast<float *>(part(k, number, byte));
}

template <typename T> static T at(uint32_t offset)
{
    T tile;
    TASSIGN(tile, offset);
    return tile;
}

// Rotary embedding: the halves of a row are tiles of their own, with the row length of the whole.
static void rope(const struct program *k)
{
    constexpr int R = 8, C = 64, H = C / 2;
    Rectangle<R, C> x_gm(floats(k, PART_X)), cos_gm(floats(k, PART_Y)), sin_gm(floats(k, PART_Y, 4096)),
        out_gm(floats(k, PART_OUT));
    using Half = Rows2D<R, C, R, H>;
    auto x = at<Rows2D<R, C>>(0), cosine = at<Rows2D<R, C>>(2048), sine = at<Rows2D<R, C>>(4096),
         turned = at<Rows2D<R, C>>(6144);
    auto x_left = at<Half>(0), x_right = at<Half>(H * 4), left = at<Half>(6144),
         right = at<Half>(6144 + PICK(H * 4, 32));
    TLOAD(x, x_gm);
    TLOAD(cosine, cos_gm);
    TLOAD(sine, sin_gm);
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TMULS(left, x_right, -1.0f);
    DO(TMULS(right, x_left, 1.0f));
    BARRIER(PIPE_V);
    TMUL(turned, turned, sine);
    TMUL(x, x, cosine);
    BARRIER(PIPE_V);
    TADD(x, x, turned);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, x);
    BARRIER(PIPE_ALL);
}

// Softmax of rows whose length is known at run time; the tile is padded to its static columns in place.
static void padded_softmax(const struct program *k)
{
    constexpr int R = 16, C = 64;
    const int keys = 52;
    using Global = AnySize;
    Global x_gm(floats(k, PART_X), Shape<1, 1, 1, -1, -1>(R, keys), Stride<1, 1, 1, -1, 1>(keys));
    Rectangle<R, C> out_gm(floats(k, PART_OUT));
    using Loaded = Rows2D<R, C, R, -1>;
    using Padded = Tile<TileType::Vec, float, R, C, BLayout::RowMajor, R, C, SLayout::NoneBox, 512, PadValue::Min>;
    Loaded loaded(keys);
    TASSIGN(loaded, 0);
    auto x = at<Padded>(0);
    auto scratch = at<Rows2D<R, C>>(4096);
    auto top = at<Column<R>>(8192), total = at<Column<R>>(PICK(8256, 4096));
    TLOAD(loaded, x_gm);
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    DO(TFILLPAD_INPLACE(x, loaded));
    BARRIER(PIPE_V);
    TROWMAX(top, x, scratch);
    BARRIER(PIPE_V);
    TROWEXPANDSUB(x, x, top);
    BARRIER(PIPE_V);
    TEXP(x, x);
    BARRIER(PIPE_V);
    TROWSUM(total, x, scratch);
    BARRIER(PIPE_V);
    TROWEXPANDDIV(x, x, total);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, x);
    HAND_OVER(PIPE_MTE3, PIPE_S, EVENT_ID0);
}

// Buffers in turn, with events for free and full.
static void ping_pong(const struct program *k)
{
    constexpr int R = 8, C = 32, CHUNKS = 6, BYTES = R * C * 4;
    SET(PIPE_V, PIPE_MTE2, EVENT_ID0);
    SET(PIPE_V, PIPE_MTE2, EVENT_ID1);
    SET(PIPE_MTE3, PIPE_V, EVENT_ID0);
    SET(PIPE_MTE3, PIPE_V, EVENT_ID1);
    for (int i = 0; i < CHUNKS; i++) {
        const int set = i & 1;
        Rectangle<R, C> x_gm(floats(k, PART_X, i * BYTES)), out_gm(floats(k, PART_OUT, i * BYTES));
        auto in = at<Rows2D<R, C>>(PICK(set, 0) * BYTES), out = at<Rows2D<R, C>>(8192 + PICK(set, 1) * BYTES);
        WAIT(PIPE_V, PIPE_MTE2, set);
        TLOAD(in, x_gm);
        SET(PIPE_MTE2, PIPE_V, set);
        WAIT(PIPE_MTE2, PIPE_V, PICK(set, !set));
        WAIT(PIPE_MTE3, PIPE_V, set);
        TEXP(out, in);
        SET(PIPE_V, PIPE_MTE2, set);
        SET(PIPE_V, PIPE_MTE3, set);
        WAIT(PIPE_V, PIPE_MTE3, set);
        TSTORE(out_gm, out);
        SET(PIPE_MTE3, PIPE_V, set);
    }
    WAIT(PIPE_V, PIPE_MTE2, EVENT_ID0);
    WAIT(PIPE_V, PIPE_MTE2, EVENT_ID1);
    WAIT(PIPE_MTE3, PIPE_V, EVENT_ID0);
    WAIT(PIPE_MTE3, PIPE_V, EVENT_ID1);
    BARRIER(PIPE_ALL);
}

// The statistics of rows are a column, and a row of the same bytes for arithmetic.
static void root_mean_square(const struct program *k)
{
    constexpr int R = 16, C = 64;
    Rectangle<R, C> x_gm(floats(k, PART_X)), out_gm(floats(k, PART_OUT));
    Rectangle<1, C> weight_gm(floats(k, PART_Y));
    auto x = at<Rows2D<R, C>>(0), square = at<Rows2D<R, C>>(4096), scratch = at<Rows2D<R, C>>(PICK(8192, 4096));
    auto weight = at<Rows2D<1, C>>(12288);
    auto sum = at<Column<R>>(16384);
    Rows2D<1, R> sums;
    TRESHAPE(sums, sum);
    TLOAD(x, x_gm);
    SET(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TLOAD(weight, weight_gm);
    SET(PIPE_MTE2, PIPE_V, EVENT_ID1);
    WAIT(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TMUL(square, x, x);
    BARRIER(PIPE_V);
    TROWSUM(sum, square, scratch);
    BARRIER(PIPE_V);
    TMULS(sums, sums, 1.0f / C);
    BARRIER(PIPE_V);
    TADDS(sums, sums, 1e-6f);
    BARRIER(PIPE_V);
    TRSQRT(sums, sums);
    BARRIER(PIPE_V);
    TROWEXPANDMUL(x, x, sum);
    BARRIER(PIPE_V);
    WAIT(PIPE_MTE2, PIPE_V, EVENT_ID1);
    TCOLEXPANDMUL(x, x, weight);
    HAND_OVER(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, x);
    BARRIER(PIPE_ALL);
}

// The ids of rows are read by the scalar unit; each row is loaded to its place, and the largest element is written by
// it.
static void rows_by_id(const struct program *k)
{
    constexpr int N = 8, C = 32;
    GlobalTensor<int32_t, Shape<1, 1, 1, 1, N>, Stride<1, 1, 1, N, 1>> ids_gm(
        reinterpret_cast<int32_t *>(part(k, PART_INDEX, 0)));
    Rectangle<N, C> out_gm(floats(k, PART_OUT));
    auto ids = at<Tile<TileType::Vec, int32_t, 1, N>>(0);
    auto rows = at<Rows2D<N, C>>(1024), scratch = at<Rows2D<N, C>>(4096);
    auto top = at<Column<N>>(8192);
    TLOAD(ids, ids_gm);
    HAND_OVER(PIPE_MTE2, PIPE_S, EVENT_ID0);
    for (int i = 0; i < PICK(N, N - 1); i++) {
        Rectangle<1, C> row_gm(floats(k, PART_X, static_cast<uint32_t>(ids.GetValue(i)) * C * 4));
        auto row = at<Rows2D<1, C>>(1024 + i * C * 4);
        TLOAD(row, row_gm);
    }
    HAND_OVER(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TROWMAX(top, rows, scratch);
    HAND_OVER(PIPE_V, PIPE_S, EVENT_ID0);
    rows.SetValue(0, top.GetValue(0));
    HAND_OVER(PIPE_S, PIPE_MTE3, EVENT_ID0);
    TSTORE(out_gm, rows);
    BARRIER(PIPE_ALL);
}

#define PROGRAMS(X) X(rope) X(padded_softmax) X(ping_pong) X(root_mean_square) X(rows_by_id)

#include "program_list.h"
