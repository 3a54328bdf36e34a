// (a + b + 1) (a + b + 2), Rows rows at a time in two sets of tiles; the block size chooses the instance.
//
// args   0 a, 1 b, 2 f: [rows][cols], written; 3 rows, 4 cols, 5 block: 16, 32 or 64 rows, 6 enum Kind
#include "style_common.hpp"

#include <algorithm>
#include <cstdio>

using namespace pto;
using namespace style;

template <typename T, int Rows, int Cols> class Polynomial
{
  public:
    using Element = T;
    static constexpr int kBytes = Rows * Cols * sizeof(T);
    static_assert(6 * kBytes <= TMP_UB_OFFSET, "two sets of three tiles");

    __aicore__ Polynomial(__gm__ T *a, __gm__ T *b, __gm__ T *f, int rows, int cols) : a_(a), b_(b), f_(f), cols_(cols)
    {
        for (int first = 0; first < rows; first += Rows) step(first, std::min(Rows, rows - first));
        drain();
    }

  private:
    using DynamicShape = Shape<1, 1, 1, DYNAMIC, DYNAMIC>;
    using DynamicStride = Stride<DYNAMIC, DYNAMIC, DYNAMIC, DYNAMIC, 1>;
    using Global = GlobalTensor<T, DynamicShape, DynamicStride, Layout::ND>;
    using TileData = Tile<TileType::Vec, T, Rows, Cols, BLayout::RowMajor, DYNAMIC, DYNAMIC>;

    __aicore__ Global view(__gm__ T *at, int first, int n) const
    {
        const int all = n * cols_;
        return Global(at + first * cols_, DynamicShape(n, cols_), DynamicStride(all, all, all, cols_));
    }

    __aicore__ void step(int first, int n)
    {
        const auto set = turn_++ & 1;
        const auto id = static_cast<event_t>(set);
        TileData x(n, cols_), y(n, cols_), z(n, cols_);
        int place = set * 3 * kBytes;
        for (TileData *tile : {&x, &y, &z}) {
            TASSIGN(*tile, place);
            place += kBytes;
        }
        auto from_a = view(a_, first, n), from_b = view(b_, first, n), to = view(f_, first, n);
        if (turn_ > 2) wait_flag(PIPE_MTE3, PIPE_MTE2, id);
        TLOAD(x, from_a);
        TLOAD(y, from_b);
        const Flag<PIPE_MTE2, PIPE_V> loaded{id};
        loaded();
        TADD(x, x, y);
        pipe_barrier(PIPE_V);
        TADDS(x, x, 1);
        pipe_barrier(PIPE_V);
        TMUL(z, x, x);
        pipe_barrier(PIPE_V);
        TADD(z, z, x);
        Flag<PIPE_V, PIPE_MTE3>{id}();
        TSTORE(to, z);
        set_flag(PIPE_MTE3, PIPE_MTE2, id);
    }

    // Wait for the stores of the last turns.
    __aicore__ void drain()
    {
        for (int i = std::max(0, turn_ - 2); i < turn_; i++)
            wait_flag(PIPE_MTE3, PIPE_MTE2, i & 1 ? EVENT_ID1 : EVENT_ID0);
        pipe_barrier(PIPE_ALL);
    }

    __gm__ T *a_, *b_, *f_;
    int cols_, turn_ = 0;
};

template class Polynomial<float, 16, 96>;
template class Polynomial<half, 32, 96>;

template <typename T, int Rows> static __aicore__ void launch(__gm__ int64_t *args)
{
    auto pointer = [args](int i) { return reinterpret_cast<__gm__ T *>(args[i]); };
    [[maybe_unused]] Polynomial<T, Rows, Traits<T>::round_up(96)> all(
        pointer(0), pointer(1), pointer(2), static_cast<int>(args[3]), static_cast<int>(args[4]));
}

template <typename T> static __aicore__ void choose(__gm__ int64_t *args)
{
    switch (args[5]) {
    case 16: return launch<T, 16>(args);
    case 32: return launch<T, 32>(args);
    case 64: return launch<T, 64>(args);
    default: printf("no kernel for blocks of %lld rows\n", static_cast<long long>(args[5])); trap();
    }
}

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    const auto kind = static_cast<Kind>(args[6]);
    std::fprintf(stderr, "polynomial of %d x %d\n", int(args[3]), int(args[4])); // as one looks for a mistake
    if (kind == Kind::Float) choose<float>(args);
    else if (kind == Kind::Half) choose<half>(args);
    else choose<int32_t>(args);
}
