// m x m + m x m^T in one Acc tile: two operands of the right side, one of them by a DN view. K is cut in parts that
// take turns in L0.
//
// args   0 m [32][32] float, 1 sum [32][32] float, written
#include <cstdint>
#include <pto/pto-inst.hpp>

using namespace pto;

#ifndef __gm__
#define __gm__
#endif
#ifndef __aicore__
#define __aicore__ [aicore]
#endif

namespace
{

constexpr int S = 32, STEP = 16;
template <Layout L> using View = GlobalTensor<float, TileShape2D<float, S, S, L>, BaseShape2D<float, S, S, L>, L>;
using Mat = Tile<TileType::Mat, float, S, S, BLayout::ColMajor, S, S, SLayout::RowMajor, 512>;
using Turned = Tile<TileType::Mat, float, S, S, BLayout::RowMajor, S, S, SLayout::ColMajor, 512>;

} // namespace

extern "C" __aicore__ __attribute__((always_inline)) void kernel_entry(__gm__ int64_t *args)
{
    __gm__ float *m = reinterpret_cast<__gm__ float *>(args[0]);
    View<Layout::ND> rows(m), sum(reinterpret_cast<__gm__ float *>(args[1]));
    View<Layout::DN> columns(m);
    Mat mMat;
    Turned mTurned;
    TASSIGN(mMat, 0);
    TASSIGN(mTurned, sizeof(float) * Mat::Numel);
    TileLeft<float, S, STEP> left[2];
    TileRight<float, STEP, S> right[2];
    TileAcc<float, S, S> acc;
    for (uint64_t i = 0; i < 2; i++) {
        TASSIGN(left[i], i * 0x8000);
        TASSIGN(right[i], i * 0x8000);
    }
    TASSIGN(acc, 0);

    TLOAD(mMat, rows);
    TLOAD(mTurned, columns);
    set_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    for (event_t id : {EVENT_ID0, EVENT_ID1}) set_flag(PIPE_M, PIPE_MTE1, id);
    for (int part = 0; part < 2 * S / STEP; part++) {
        const event_t id = part % 2 == 0 ? EVENT_ID0 : EVENT_ID1;
        const int64_t k = part * STEP % S;
        wait_flag(PIPE_M, PIPE_MTE1, id);
        TEXTRACT(left[part % 2], mMat, 0, k);
        if (part < S / STEP) TEXTRACT(right[part % 2], mMat, k, 0);
        else TEXTRACT(right[part % 2], mTurned, k, 0);
        set_flag(PIPE_MTE1, PIPE_M, id);
        wait_flag(PIPE_MTE1, PIPE_M, id);
        if (part == 0) TMATMUL(acc, left[0], right[0]);
        else TMATMUL_ACC(acc, acc, left[part % 2], right[part % 2]);
        set_flag(PIPE_M, PIPE_MTE1, id);
        pipe_barrier(PIPE_M);
    }
    for (event_t id : {EVENT_ID0, EVENT_ID1}) wait_flag(PIPE_M, PIPE_MTE1, id);
    set_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    wait_flag(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(sum, acc);
    pipe_barrier(PIPE_ALL);
}
