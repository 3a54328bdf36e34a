// steps.hpp - what the kernels of this program share: a result is stored as soon as it is there, one behind the other.
#pragma once
#include <cstdint>
#include <pto/pto-inst.hpp>

using namespace pto;

// Rows and columns that mean something, and those of the tile around them.
constexpr int R = 23, C = 37, TR = 24, TC = 40;

template <typename T>
using Matrix = Tile<TileType::Vec, T, TR, 48, BLayout::RowMajor, R, C>; // 48 whole units of any type
template <typename T> using Line = Tile<TileType::Vec, T, 1, 48, BLayout::RowMajor, 1, C>;
template <typename T> using Column = Tile<TileType::Vec, T, 32, 1, BLayout::ColMajor, R, 1>;

// Where tiles are; each place has room for a matrix of floats.
constexpr int at(int place) { return place * 8 * 1024; }

template <typename TileT> TileT placed(int place)
{
    TileT tile;
    TASSIGN(tile, at(place));
    return tile;
}

// Load rows x cols elements that lie one behind the other.
template <typename TileT> void load(TileT &tile, const void *from)
{
    using T = typename TileT::DType;
    constexpr int rows = TileT::ValidRow, cols = TileT::ValidCol;
    constexpr Layout layout = TileT::isRowMajor ? Layout::ND : Layout::DN;
    using Global =
        GlobalTensor<T, Shape<1, 1, 1, rows, cols>,
                     std::conditional_t<TileT::isRowMajor, Stride<1, 1, 1, cols, 1>, Stride<1, 1, 1, 1, rows>>, layout>;
    Global global(static_cast<T *>(const_cast<void *>(from)));
    TLOAD(tile, global);
    pipe_barrier(PIPE_ALL);
}

// Results, one behind the other, each as large as the tile's valid part.
class Results
{
  public:
    explicit Results(int64_t address) : next_(reinterpret_cast<char *>(address)) {}

    template <typename TileT> void put(TileT &tile)
    {
        using T = typename TileT::DType;
        constexpr int rows = TileT::ValidRow, cols = TileT::ValidCol;
        constexpr Layout layout = TileT::isRowMajor ? Layout::ND : Layout::DN;
        using Global = GlobalTensor<
            T, Shape<1, 1, 1, rows, cols>,
            std::conditional_t<TileT::isRowMajor, Stride<1, 1, 1, cols, 1>, Stride<1, 1, 1, 1, rows>>, layout>;
        Global global(reinterpret_cast<T *>(next_));
        set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
        wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
        TSTORE(global, tile);
        set_flag(PIPE_MTE3, PIPE_V, EVENT_ID1); // V may write the place again
        wait_flag(PIPE_MTE3, PIPE_V, EVENT_ID1);
        next_ += rows * cols * sizeof(T);
    }

    // The same, and the tile once more added to what was stored.
    template <typename TileT> void put_twice(TileT &tile)
    {
        using T = typename TileT::DType;
        using Global =
            GlobalTensor<T, Shape<1, 1, 1, TileT::ValidRow, TileT::ValidCol>, Stride<1, 1, 1, TileT::ValidCol, 1>>;
        Global global(reinterpret_cast<T *>(next_));
        put(tile);
        pipe_barrier(PIPE_ALL);
        TSTORE<TileT, Global, AtomicType::AtomicAdd>(global, tile);
        pipe_barrier(PIPE_ALL);
    }

  private:
    char *next_;
};

inline void drain() { pipe_barrier(PIPE_ALL); }
