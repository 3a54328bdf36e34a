// Tensors as descriptors in device memory, and rows that are divided among the blocks of a task. A scalar is counted,
// and written past the cache.
//
// args   0 x, 1 y: addresses of descriptors of [rows][64] float; y is written: 3 x; 2 count, int32_t, written: rows
#include <cstdint>
#include <pto/pto-inst.hpp>

#include "intrinsic.h"
#include "pipe_sync.h"
#include "tensor.h"

using namespace pto;

extern "C" __aicore__ __attribute__((always_inline)) void kernel_entry(__gm__ int64_t *args)
{
    __gm__ ChipTensor *xTensor = reinterpret_cast<__gm__ ChipTensor *>(args[0]);
    __gm__ ChipTensor *yTensor = reinterpret_cast<__gm__ ChipTensor *>(args[1]);
    __gm__ int32_t *count = reinterpret_cast<__gm__ int32_t *>(args[2]);
    __gm__ float *x = reinterpret_cast<__gm__ float *>(xTensor->buffer.addr) + xTensor->start_offset;
    __gm__ float *y = reinterpret_cast<__gm__ float *>(yTensor->buffer.addr) + yTensor->start_offset;
    const int rows = static_cast<int>(xTensor->shapes[0]);
    int32_t done = 0;
    for (int row = get_block_idx(args); row < rows; row += get_block_num(args), done++) {
        GlobalTensor<float, Shape<1, 1, 1, 1, 64>, Stride<1, 1, 1, 64, 1>> xGlobal(x + row * 64), yGlobal(y + row * 64);
        Tile<TileType::Vec, float, 1, 64> t;
        TASSIGN(t, 0);
        TLOAD(t, xGlobal);
        set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
        wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
        TMULS(t, t, 3.0f + get_sub_block_id(args));
        set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
        wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
        TSTORE(yGlobal, t);
        set_flag(PIPE_MTE3, PIPE_MTE2, EVENT_ID0);
        wait_flag(PIPE_MTE3, PIPE_MTE2, EVENT_ID0);
    }
    *count = done;
    dcci(count, SINGLE_CACHE_LINE, CACHELINE_OUT);
    dsb(DSB_DDR);
    pipe_sync();
}
