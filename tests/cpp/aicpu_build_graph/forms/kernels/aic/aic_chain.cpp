// (a x b) x c without leaving the core: the fixpipe rounds the first product into L1. b comes in the blocked layout.
//
// args   0 a [16][64] half, 1 b [64][32] half in NZ, 2 c [32][16] half; written: 3 the chain [16][16] float, 4 the part
//        of it that columns 16 to 31 of the first product give
#include <pto/pto-inst.hpp>

#include <pto/common/constants.hpp>

using namespace pto;

static constexpr int M = 16, K = 64, N = 32, P = 16;

template <int R, int C>
using Mat = Tile<TileType::Mat, half, R, C, BLayout::ColMajor, R, C, SLayout::RowMajor, CUBE_BLOCK_SIZE>;
template <typename T, int R, int C> using Flat = GlobalTensor<T, TileShape2D<T, R, C>, BaseShape2D<T, R, C>>;

extern "C" __global__ AICORE void kernel_entry(__gm__ int64_t *args)
{
    Flat<half, M, K> a(reinterpret_cast<__gm__ half *>(args[0]));
    GlobalTensor<half, Shape<1, N / 16, K / 16, 16, 16>, Stride<K * N, K * 16, 16 * 16, 16, 1>, Layout::NZ> b(
        reinterpret_cast<__gm__ half *>(args[1]));
    using Blocked = TileShape2D<half, K, N, Layout::NZ>;
    static_assert(std::is_same_v<decltype(b)::Shape, Blocked> &&
                  std::is_same_v<decltype(b)::Stride, BaseShape2D<half, K, N, Layout::NZ>>);
    Flat<half, N, P> c(reinterpret_cast<__gm__ half *>(args[2]));
    Flat<float, M, P> chain(reinterpret_cast<__gm__ float *>(args[3])), part(reinterpret_cast<__gm__ float *>(args[4]));

    Mat<M, K> aMat;
    Mat<K, N> bMat;
    Mat<N, P> cMat;
    Mat<M, N> product;
    Mat<M, 16> half_of_it;
    TileLeft<half, M, K> left;
    TileRight<half, K, N> right;
    TileAcc<float, M, N> acc;
    TileLeft<half, M, N> left2;
    TileRight<half, N, P> right2;
    TileAcc<float, M, P> acc2;
    TileLeft<half, M, 16> left3;
    TileRight<half, 16, P> right3;
    TileAcc<float, M, P> acc3;
    TASSIGN(aMat, 0x0);
    TASSIGN(bMat, 0x8000);
    TASSIGN(cMat, 0x10000);
    TASSIGN(product, 0x18000);
    TASSIGN(half_of_it, 0x20000);
    TASSIGN(left, 0x0);
    TASSIGN(left2, 0x2000);
    TASSIGN(left3, 0x4000);
    TASSIGN(right, 0x0);
    TASSIGN(right2, 0x2000);
    TASSIGN(right3, 0x4000);
    TASSIGN(acc, 0x0);
    TASSIGN(acc2, 0x4000);
    TASSIGN(acc3, 0x8000);

    TLOAD(aMat, a);
    TLOAD(bMat, b);
    TLOAD(cMat, c);
    set_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    TMOV(left, aMat);
    TMOV(right, bMat);
    TMOV(right2, cMat);
    TEXTRACT(right3, cMat, 0, 0);
    set_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    wait_flag(PIPE_MTE1, PIPE_M, EVENT_ID0);
    Event<Op::TMATMUL, Op::TMOV_A2M, false, EVENT_ID1> multiplied = TMATMUL(acc, left, right);
    TMOV(product, acc, multiplied);
    TEXTRACT(half_of_it, acc, 0, 16);
    set_flag(PIPE_FIX, PIPE_MTE1, EVENT_ID0);
    wait_flag(PIPE_FIX, PIPE_MTE1, EVENT_ID0);
    TMOV(left2, product);
    TMOV(left3, half_of_it);
    set_flag(PIPE_MTE1, PIPE_M, EVENT_ID2);
    wait_flag(PIPE_MTE1, PIPE_M, EVENT_ID2);
    TMATMUL(acc2, left2, right2);
    TMATMUL<AccPhase::Unspecified>(acc3, left3, right3);
    set_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    wait_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(chain, acc2);
    TSTORE<STPhase::Unspecified>(part, acc3);
    pipe_barrier(PIPE_ALL);
}
