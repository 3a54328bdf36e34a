// Operands that are one fractal deep or high: 8 columns of float, 32 rows of int8_t in ZN.
//
// args   0 x [16][8] float, 1 y [8][16] float, 2 p [16][16] float, written: x y; 3 s [16][32] int8_t, 4 tt [16][32]
//        int8_t: t transposed, 5 q [16][16] int32_t, written: s t
#include <cstdint>
#include <pto/pto-inst.hpp>

using namespace pto;

template <typename T, int M, int K, int N, int At, event_t ID>
static AICORE void multiply(__gm__ T *a, __gm__ T *b, int64_t c, bool turned)
{
    using Sum = std::conditional_t<std::is_same_v<T, int8_t>, int32_t, float>;
    GlobalTensor<T, Shape<1, 1, 1, M, K>, Stride<M * K, M * K, M * K, K, 1>> aGlobal(a);
    GlobalTensor<T, Shape<1, 1, 1, K, N>, Stride<K * N, K * N, K * N, DYNAMIC, DYNAMIC>, Layout::DN> columns(
        b, {}, Stride<K * N, K * N, K * N, DYNAMIC, DYNAMIC>(1, K));
    GlobalTensor<T, Shape<1, 1, 1, K, N>, Stride<K * N, K * N, K * N, N, 1>> rows(b);
    GlobalTensor<Sum, Shape<1, 1, 1, M, N>, Stride<M * N, M * N, M * N, N, 1>> cGlobal(
        reinterpret_cast<__gm__ Sum *>(c));
    Tile<TileType::Mat, T, M, K, BLayout::ColMajor, M, K, SLayout::RowMajor> aMat;
    Tile<TileType::Mat, T, K, N, BLayout::RowMajor, K, N, SLayout::ColMajor> turnedMat;
    Tile<TileType::Mat, T, 16, N * sizeof(T) % 32 == 0 ? N : 32, BLayout::ColMajor, -1, N, SLayout::RowMajor> flatMat(
        turned ? 1 : K);
    TileLeft<T, M, K> left;
    TileRight<T, K, N> right;
    TileAcc<Sum, M, N> acc;
    TASSIGN(aMat, At);
    TASSIGN(turnedMat, At + 0x1000);
    TASSIGN(flatMat, At + 0x2000);
    TASSIGN(left, At);
    TASSIGN(right, At);
    TASSIGN(acc, At);
    TLOAD(aMat, aGlobal);
    if (turned) TLOAD(turnedMat, columns);
    else if constexpr (K <= 16) TLOAD(flatMat, rows);
    set_flag(PIPE_MTE2, PIPE_MTE1, ID);
    wait_flag(PIPE_MTE2, PIPE_MTE1, ID);
    TMOV(left, aMat);
    if (turned) TMOV(right, turnedMat);
    else if constexpr (K <= 16) TEXTRACT(right, flatMat);
    set_flag(PIPE_MTE1, PIPE_M, ID);
    wait_flag(PIPE_MTE1, PIPE_M, ID);
    TMATMUL(acc, left, right);
    set_flag(PIPE_M, PIPE_FIX, ID);
    wait_flag(PIPE_M, PIPE_FIX, ID);
    TSTORE(cGlobal, acc);
}

extern "C" __aicore__ void kernel_entry(__gm__ int64_t *args)
{
    multiply<float, 16, 8, 16, 0, EVENT_ID0>((__gm__ float *)args[0], (__gm__ float *)args[1], args[2], false);
    multiply<int8_t, 16, 32, 16, 0x8000, EVENT_ID1>((__gm__ int8_t *)args[3], (__gm__ int8_t *)args[4], args[5], true);
    pipe_barrier(PIPE_ALL);
}
