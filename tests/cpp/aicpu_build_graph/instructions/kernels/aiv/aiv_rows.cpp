// Reductions and expansions of rows and columns, and padding.
//
// args   0 a, 1 b: positive [23][37] float, 2 results, 3 results of int32_t: device addresses
#include "steps.hpp"

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    auto a = placed<Matrix<float>>(0), b = placed<Matrix<float>>(1), y = placed<Matrix<float>>(2);
    auto scratch = placed<Matrix<float>>(3);
    auto column = placed<Column<float>>(4);
    auto line = placed<Line<float>>(5);
    auto index = placed<Column<int32_t>>(6);
    Results results(args[2]), indices(args[3]);
    load(a, reinterpret_cast<void *>(args[0]));
    load(b, reinterpret_cast<void *>(args[1]));

    TROWMAX(column, a, scratch), results.put(column);
    TROWMIN(column, a, scratch), results.put(column);
    TROWSUM(column, a, scratch), results.put(column);
    TROWARGMAX(index, a, scratch), indices.put(index);
    TROWEXPAND(y, column), results.put(y);
    TROWEXPANDADD(y, a, column), results.put(y);
    TROWEXPANDSUB(y, a, column), results.put(y);
    TROWEXPANDSUB(y, column, a), results.put(y);
    TROWEXPANDMUL(y, a, column), results.put(y);
    TROWEXPANDDIV(y, a, column), results.put(y);
    TROWEXPANDMAX(y, a, column), results.put(y);
    TROWEXPANDMIN(y, a, column), results.put(y);
    TROWEXPANDEXPDIF(y, a, column), results.put(y);

    TCOLMAX(line, a), results.put(line);
    TCOLMIN(line, a), results.put(line);
    TCOLSUM(line, a), results.put(line);
    TCOLEXPAND(y, line), results.put(y);
    TCOLEXPANDADD(y, a, line), results.put(y);
    TCOLEXPANDSUB(y, a, line), results.put(y);
    TCOLEXPANDSUB(y, line, a), results.put(y);
    TCOLEXPANDMUL(y, a, line), results.put(y);
    TCOLEXPANDDIV(y, a, line), results.put(y);
    TCOLEXPANDMAX(y, a, line), results.put(y);
    TCOLEXPANDMIN(y, a, line), results.put(y);
    TCOLEXPANDEXPDIF(y, a, line), results.put(y);

    // The pad reaches to the static columns, which a tile of other valid sizes at the same place shows.
    using Padded = Tile<TileType::Vec, float, TR, 48, BLayout::RowMajor, R, C, SLayout::NoneBox, 512, PadValue::Min>;
    using Whole = Tile<TileType::Vec, float, TR, 48>;
    auto padded = placed<Padded>(2);
    auto whole = placed<Whole>(2);
    using Part = Tile<TileType::Vec, float, TR, 48, BLayout::RowMajor, -1, -1>;
    Part part(20, 30);
    TASSIGN(part, at(0));
    TEXPANDS(whole, 5);
    pipe_barrier(PIPE_V);
    TFILLPAD(padded, part), results.put(whole);
    TEXPANDS(whole, 5);
    pipe_barrier(PIPE_V);
    TASSIGN(part, at(2));
    TFILLPAD_INPLACE(padded, part), results.put(whole);

    Tile<TileType::Vec, float, 1, 32, BLayout::RowMajor, 1, R> turned;
    TRESHAPE(turned, column);
    TADDS(turned, turned, 1), results.put(column);
    drain();
}
