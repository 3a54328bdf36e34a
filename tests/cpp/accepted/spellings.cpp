// Spellings that authors choose: ways to call, to pass and to name things, scalars of every type, aliases.
#include "intrinsic.h"
#include "pipe_sync.h"
#include "tensor.h"
#include "tensor_descriptor.h"
#include <cmath>
#include <pto/common/constants.hpp>
#include <pto/common/fifo.hpp>
#include <pto/common/pto_tile.hpp>
#include <pto/pto-inst.hpp>
#include <tuple>
#include <utility>
namespace p = pto;
using namespace pto;
constexpr auto kLayout = Layout::DN;
template <typename T, int R, int C> using VecTile = Tile<TileType::Vec, T, R, C>;
template <typename A, typename B> static __aicore__ void addInto(A &dst, const B &a, const B &b)
{
    TADD(dst, a, b);
    pipe_barrier(PIPE_V);
}
PTO_INTERNAL void helper(int x) { (void)x; }
template <typename T> PTO_INST void inst(T &t) { TNEG(t, t); }
AICORE PTO_INLINE float unpack(int64_t v)
{
    union {
        uint64_t u;
        float f;
    } c;
    c.u = (uint64_t)v;
    return c.f;
}
struct Args {
    __gm__ float *in;
    __gm__ float *out;
    int64_t n;
};
template <pipe_t F, pipe_t To> struct Guard {
    event_t e;
    explicit Guard(event_t id) : e(id) { set_flag(F, To, e); }
    ~Guard() { wait_flag(F, To, e); }
};
template <int... Is> static __aicore__ void unroll(std::integer_sequence<int, Is...>) { (helper(Is), ...); }
enum { kA = 0, kB = 4096 };
enum class Place : uint32_t { A = 0, B = 8192 };
extern "C" __aicore__ __attribute__((noinline)) void kernel_entry(__gm__ int64_t *args)
{
    __gm__ volatile int32_t *flag = reinterpret_cast<__gm__ volatile int32_t *>(args[3]);
    (void)flag;
    const float scale = unpack(args[2]);
    VecTile<float, 8, 64> a, b;
    const VecTile<float, 8, 64> c;
    TASSIGN(a, kA);
    TASSIGN(b, Place::B);
    auto pair = std::tie(a, b);
    auto &[x, y] = pair;
    addInto(x, a, c);
    TMULS(y, y, scale);
    TADDS(a, a, -INFINITY);
    TMAXS(a, a, 0);
    TMINS(a, a, 6.0);
    TSUBS(a, a, 1u);
    TDIVS(a, a, 3);
    VecTile<half, 8, 64> h;
    TASSIGN(h, 16384);
    TMULS(h, h, 0.5);
    TEXPANDS(h, 1);
    TEXPANDS(h, half(2.5f));
    VecTile<int32_t, 8, 64> i32;
    TASSIGN(i32, 20480);
    TEXPANDS(i32, 0u);
    TADDS(i32, i32, 1 << 30);
    TCVT(i32, a, (RoundMode)1);
    TCVT(i32, a, RoundMode::CAST_TRUNC);
    VecTile<uint32_t, 1, 64> u32;
    TASSIGN(u32, 24576);
    TCI<decltype(u32), uint32_t, 0>(u32, 0);
    TCI<decltype(u32), int, 1>(u32, 5);
    event_t ev = EVENT_ID0;
    ev = (event_t)(ev + 1);
    for (int i = 0; i < 4; ++i) {
        set_flag(PIPE_V, PIPE_MTE3, (event_t)(i % 2));
        wait_flag(PIPE_V, PIPE_MTE3, static_cast<event_t>(i & 1));
    }
    {
        Guard<PIPE_V, PIPE_S> g(ev);
    }
    constexpr pipe_t pipe = PIPE_V;
    pipe_barrier(pipe);
    const pipe_t pipes[] = {PIPE_V, PIPE_MTE2, PIPE_MTE3, PIPE_ALL};
    for (auto q : pipes) pipe_barrier(q);
    GlobalTensor<__gm__ float, p::Shape<1, 1, 1, 64, 8>, p::Stride<1, 1, 1, 1, 64>, kLayout> dn(
        (__gm__ float *)args[0]);
    Tile<TileType::Vec, float, 64, 8, BLayout::ColMajor> col;
    TASSIGN(col, 0x8000);
    TLOAD(col, dn);
    using G = GlobalTensor<float, Shape<1, 1, 1, -1, -1>, Stride<-1, -1, -1, -1, -1>>;
    G g((float *)args[0], {1, 1, 1, 8, 64}, {512, 512, 512, 64, 1});
    G g2((float *)args[0], Shape<1, 1, 1, -1, -1>(8, 64), Stride<-1, -1, -1, -1, -1>(1, 1, 1, 64, 1));
    static_assert(std::is_same_v<G::RawDType, float>);
    TLOAD(a, g);
    TSTORE(g2, a);
    TSTORE<decltype(a), G, AtomicType::AtomicAdd>(g, a);
    TROWEXPANDMUL(a, a, a);
    dcci(nullptr, cache_line_t::ENTIRE_DATA_CACHE);
    dcci((__gm__ void *)args[0], SINGLE_CACHE_LINE);
    dcci((uint64_t *)0, ENTIRE_DATA_CACHE, CACHELINE_OUT);
    dsb(DSB_ALL);
    Tile<TileType::Vec, float, 8, 64, BLayout::RowMajor, 8, 60, SLayout::NoneBox, 512, PadValueCustom(-1.0f)> padded;
    TASSIGN(padded, 0);
    TFILLPAD(padded, a);
    unroll(std::make_integer_sequence<int, 4>{});
    if (get_block_idx(args) == 0 && get_sub_block_id(args) == 0) pipe_sync();
    TDIV<DivAlgorithm::HIGH_PRECISION>(a, a, b);
    TEXP<ExpAlgorithm::DEFAULT>(a, a);
    TRSQRT(a, b);
    TRSQRT(a, b, u32);
}
