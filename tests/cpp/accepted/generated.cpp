// A kernel as generators write it: temporaries for everything, and for a simulator its own scalar calls.
#include <cstdint>
#if !defined(__CPU_SIM)
#ifndef __aicore__
#define __aicore__ [aicore]
#endif
#endif
#ifndef __gm__
#define __gm__
#endif
#include "tensor.h"
#include <pto/pto-inst.hpp>
#if defined(__CPU_SIM)
#include <atomic>
#undef ENTIRE_DATA_CACHE
#undef SINGLE_CACHE_LINE
#undef DSB_DDR
#undef dcci
#undef dsb
#undef CACHELINE_OUT
namespace cache_line_t
{
enum { SINGLE_CACHE_LINE = 0, ENTIRE_DATA_CACHE = 1, CACHELINE_OUT = 2 };
}
using mem_dsb_t = int;
#define DSB_DDR 0
static inline void dcci(...) {}
static inline void dsb(mem_dsb_t) { std::atomic_thread_fence(std::memory_order_seq_cst); }
#endif
using namespace pto;
static __aicore__ void body(__gm__ float *v1, int64_t v2)
{
    const half v3 = 0.0f;
    const bfloat16_t v4 = 0.0f;
    Tile<TileType::Vec, half, 16, 16, BLayout::RowMajor, -1, -1, SLayout::NoneBox, 512, PadValue::Null,
         CompactMode::Null>
        v5 = Tile<TileType::Vec, half, 16, 16, BLayout::RowMajor, -1, -1, SLayout::NoneBox, 512, PadValue::Null,
                  CompactMode::Null>(v2, 16);
    TASSIGN(v5, (uint64_t)0);
    TEXPANDS(v5, v3);
    Tile<TileType::Vec, bfloat16_t, 16, 16, BLayout::RowMajor, 16, 16, SLayout::NoneBox, 512, PadValue::Zero,
         CompactMode::Null>
        v6;
    TASSIGN(v6, (size_t)4096);
    TEXPANDS(v6, v4);
    Tile<TileType::Vec, float, 16, 16, BLayout::RowMajor, -1, -1, SLayout::NoneBox, 512, PadValue::Null,
         CompactMode::Null>
        v7 = Tile<TileType::Vec, float, 16, 16, BLayout::RowMajor, -1, -1, SLayout::NoneBox, 512, PadValue::Null,
                  CompactMode::Null>(v2, v2);
    v7.SetValidShape(v2, 8);
    TASSIGN(v7, 8192);
    pto::Shape<1, 1, 1, -1, -1> v8 = pto::Shape<1, 1, 1, -1, -1>(1, 1, 1, v2, 8);
    pto::Stride<-1, -1, -1, -1, -1> v9 = pto::Stride<-1, -1, -1, -1, -1>(8, 8, 8, 8, 1);
    GlobalTensor<float, pto::Shape<1, 1, 1, -1, -1>, pto::Stride<-1, -1, -1, -1, -1>, pto::Layout::ND> v10 =
        GlobalTensor<float, pto::Shape<1, 1, 1, -1, -1>, pto::Stride<-1, -1, -1, -1, -1>, pto::Layout::ND>(v1, v8, v9);
    TLOAD(v7, v10);
    TSTORE<decltype(v7), decltype(v10), AtomicType::AtomicAdd>(v10, v7);
    RoundMode mode = RoundMode::CAST_RINT;
    SaturationMode sat = SaturationMode::OFF;
    TCVT(v6, v7, mode, sat);
    dcci((__gm__ void *)0, cache_line_t::ENTIRE_DATA_CACHE);
    dsb(DSB_DDR);
    dsb((mem_dsb_t)0);
    pipe_barrier(PIPE_ALL);
}
extern "C" __aicore__ __attribute__((always_inline)) void kernel_entry(__gm__ int64_t *args)
{
#if defined(__DAV_VEC__)
    __gm__ ChipTensor *t = reinterpret_cast<__gm__ ChipTensor *>(args[0]);
    body(reinterpret_cast<__gm__ float *>(t->buffer.addr) + t->start_offset, t->shapes[0]);
#endif
}
