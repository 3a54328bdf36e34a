// Masks, gathering and scattering, windows, sorting, conversions, single elements.
//
// args   0 a, 1 b: positive [23][37] float, 2 results, 3 results of int32_t: device addresses
#include "steps.hpp"

constexpr int SORTED = 128; // elements that are sorted

static void sort(int64_t *args, Results &results, Results &integers)
{
    using Keys = Tile<TileType::Vec, float, 1, SORTED>;
    using Pairs = Tile<TileType::Vec, float, 1, 2 * SORTED>;
    auto keys = placed<Keys>(0);
    auto numbers = placed<Tile<TileType::Vec, uint32_t, 1, SORTED>>(1);
    auto runs = placed<Pairs>(2), list = placed<Pairs>(3);
    auto merged = placed<Tile<TileType::Vec, float, 1, 4 * SORTED>>(4), scratch = placed<decltype(merged)>(5);
    load(keys, reinterpret_cast<void *>(args[0]));
    TCI<decltype(numbers), uint32_t, 0>(numbers, 0);
    pipe_barrier(PIPE_ALL);
    TSORT32(runs, keys, numbers);
    pipe_barrier(PIPE_V);
    TMRGSORT(list, runs, 64);
    pipe_barrier(PIPE_V);
    TGATHER<Keys, Pairs, MaskPattern::P0101>(keys, list), results.put(keys);
    auto order = placed<Tile<TileType::Vec, int32_t, 1, SORTED>>(6);
    TGATHER<decltype(order), Pairs, MaskPattern::P1010>(order, list), integers.put(order);

    MrgSortExecutedNumList counts;
    TMRGSORT<decltype(merged), decltype(scratch), Pairs, Pairs, false>(merged, counts, scratch, list, list);
    auto both = placed<Tile<TileType::Vec, float, 1, 2 * SORTED>>(7);
    pipe_barrier(PIPE_V);
    TGATHER<decltype(both), decltype(merged), MaskPattern::P0101>(both, merged), results.put(both);
    pipe_barrier(PIPE_ALL);
    order.SetValue(0, counts.mrgSortList0);
    order.SetValue(1, counts.mrgSortList1);
    order.SetValue(2, order.GetValue(0) + order.GetValue(1));
    pipe_barrier(PIPE_ALL);
    integers.put(order);
}

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    auto a = placed<Matrix<float>>(0), b = placed<Matrix<float>>(1), y = placed<Matrix<float>>(2);
    auto mask = placed<Tile<TileType::Vec, uint8_t, TR, 32, BLayout::RowMajor, R, 5>>(3);
    auto line = placed<Line<float>>(5);
    auto index = placed<Line<int32_t>>(7), index_scratch = placed<Line<int32_t>>(8);
    Results results(args[2]), integers(args[3]);
    load(a, reinterpret_cast<void *>(args[0]));
    load(b, reinterpret_cast<void *>(args[1]));

    TCMP(mask, a, b, CmpMode::GT);
    pipe_barrier(PIPE_V);
    TSEL(y, mask, a, b), results.put(y);
    TCMPS(mask, a, 2, CmpMode::LT);
    pipe_barrier(PIPE_V);
    TSEL(y, mask, a, b), results.put_twice(y);

    TCI<decltype(index), int32_t, 1>(index, C - 1);
    pipe_barrier(PIPE_ALL);
    TGATHER(line, a, index, index_scratch), results.put(line);
    TEXPANDS(y, 0);
    TEXPANDS(index, 2);
    pipe_barrier(PIPE_V);
    TSCATTER(y, line, index), results.put(y);

    auto flipped = placed<Tile<TileType::Vec, float, 40, 24, BLayout::RowMajor, C, R>>(9);
    auto flip_scratch = placed<Tile<TileType::Vec, float, 40, 32>>(10);
    TTRANS(flipped, a, flip_scratch), results.put(flipped);
    auto wide = placed<Tile<TileType::Vec, float, TR, 80, BLayout::RowMajor, R, 2 * C>>(12);
    TCONCAT(wide, a, b);
    pipe_barrier(PIPE_ALL);
    results.put(wide);
    auto window = placed<Tile<TileType::Vec, float, 16, 16>>(11);
    TEXTRACT(window, a, 3, 8), results.put(window);

    auto whole = placed<Matrix<int32_t>>(13);
    TCVT(whole, a, RoundMode::CAST_FLOOR), integers.put(whole);
    TCVT(whole, a, RoundMode::CAST_CEIL, SaturationMode::OFF), integers.put(whole);
    auto small = placed<Matrix<half>>(14);
    TCVT(small, a, RoundMode::CAST_TRUNC);
    pipe_barrier(PIPE_V);
    TCVT(y, small, RoundMode::CAST_NONE), results.put(y);

    pipe_barrier(PIPE_ALL);
    sort(args, results, integers);
    drain();
}
