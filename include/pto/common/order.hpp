// pto/common/order.hpp - order between instructions: flags between pipes, barriers, events; the scalar unit's cache and
// clock.
#ifndef TILEGRAPH_PTO_COMMON_ORDER_HPP
#define TILEGRAPH_PTO_COMMON_ORDER_HPP

#include <cstdint>
#include <ctime>
#include <initializer_list>

#include <pto/common/config.hpp>
#include <pto/common/tile_header.hpp>

using pipe_t = tg_pipe;
using event_t = tg_event;

// The work of `from` before set_flag happens before the work of `to` after wait_flag of the same event.
inline void set_flag(pipe_t from, pipe_t to, int event, const char *file = __builtin_FILE(),
                     int line = __builtin_LINE())
{
    tg_issue_order(TG_OP_SET_FLAG, from, to, static_cast<uint32_t>(event), file, line);
}
inline void wait_flag(pipe_t from, pipe_t to, int event, const char *file = __builtin_FILE(),
                      int line = __builtin_LINE())
{
    tg_issue_order(TG_OP_WAIT_FLAG, from, to, static_cast<uint32_t>(event), file, line);
}

// On the pipe, earlier instructions end before later ones start. PIPE_ALL: on every pipe of the core.
inline void pipe_barrier(pipe_t pipe, const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    tg_issue_order(TG_OP_PIPE_BARRIER, pipe, pipe, 0, file, line);
}

// ---- the scalar unit

#if defined(__CPU_SIM)
// Kernels that are compiled with this macro take these names away and declare functions of their own.
#define dcci(...) ((void)0)
#define dsb(...) ((void)0)
using mem_dsb_t = int;
#else
enum cache_line_t { SINGLE_CACHE_LINE = TG_CACHE_LINE, ENTIRE_DATA_CACHE = TG_CACHE_ALL };
enum dcci_dst_t { CACHELINE_ALL, CACHELINE_UB, CACHELINE_OUT, CACHELINE_ATOMIC };
enum mem_dsb_t { DSB_ALL, DSB_DDR, DSB_UB, DSB_SEQ };

// Write the scalar unit's cache back to device memory and empty it: the line at `address`, or all lines (`address` is
// 0).
template <typename P>
void dcci(P address, int what, int where = CACHELINE_OUT, const char *file = __builtin_FILE(),
          int line = __builtin_LINE())
{
    (void)where;
    tg_issue_cache(reinterpret_cast<uint64_t>(static_cast<const volatile void *>(address)), static_cast<uint32_t>(what),
                   file, line);
}
inline void dcci(int, int what, int where = CACHELINE_OUT, const char *file = __builtin_FILE(),
                 int line = __builtin_LINE())
{
    dcci(static_cast<const void *>(nullptr), what, where, file, line);
}

// Waits until the scalar unit's stores are in device memory.
inline void dsb(int what, const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    (void)what;
    tg_issue_tiles(TG_OP_DSB, nullptr, nullptr, nullptr, nullptr, 0, file, line);
}
#endif

// Scalars of device memory past the scalar unit's cache; `offset` in bytes.
template <typename T>
T ld_dev(T *address, int64_t offset = 0, const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    T *at = reinterpret_cast<T *>(reinterpret_cast<uintptr_t>(address) + static_cast<uintptr_t>(offset));
    tg_issue_cache(reinterpret_cast<uintptr_t>(at), TG_CACHE_LINE, file, line);
    return *static_cast<volatile T *>(at);
}
template <typename V, typename T>
void st_dev(V value, T *address, int64_t offset = 0, const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    T *at = reinterpret_cast<T *>(reinterpret_cast<uintptr_t>(address) + static_cast<uintptr_t>(offset));
    *static_cast<volatile T *>(at) = static_cast<T>(value);
    tg_issue_cache(reinterpret_cast<uintptr_t>(at), TG_CACHE_LINE, file, line);
    tg_issue_tiles(TG_OP_DSB, nullptr, nullptr, nullptr, nullptr, 0, file, line);
}

// The end of a kernel that cannot go on: the run fails with it.
[[noreturn]] inline void trap() { __builtin_trap(); }

// The hardware's numbers of a block. A task here is one block on one core; intrinsic.h has the forms with args.
inline int64_t get_block_idx() { return 0; }
inline int64_t get_block_num() { return 1; }
inline int64_t get_subblockid() { return 0; }
inline int64_t get_subblockdim() { return 1; }

// The mask of vector instructions. Tile instructions set their own.
inline void set_mask_norm() {}
template <typename High, typename Low> void set_vector_mask(High, Low) {}

// A clock of 50 MHz that counts while the kernel runs on this computer. It is not the time that a2a3sim predicts.
inline int64_t get_sys_cnt()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<int64_t>(now.tv_sec) * 50000000 + now.tv_nsec / 20;
}

// ---- events: flags that are named by the two instructions that they order

namespace pto
{

// The result of an instruction: its position. An Event takes it.
struct RecordEvent {
    const char *file;
    int line;
};

// The instructions, and names for those whose pipe depends on their operands.
enum class Op {
#define TG_PTO_OP(name, ...) name,
    TG_INSTRUCTIONS(TG_PTO_OP)
#undef TG_PTO_OP
        TSTORE_VEC,
    TSTORE_ACC,
    TMOV_M2L,
    TMOV_A2M,
    TMOV_V2V,
    SCALAR,
    VECTOR
};

namespace detail
{

constexpr pipe_t pipe_of(Op op)
{
    switch (op) {
#define TG_PTO_PIPE(name, pipe, ...)                                                                                   \
    case Op::name: return PIPE_##pipe;
        TG_INSTRUCTIONS(TG_PTO_PIPE)
#undef TG_PTO_PIPE
    case Op::TSTORE_VEC: return PIPE_MTE3;
    case Op::TSTORE_ACC:
    case Op::TMOV_A2M: return PIPE_FIX;
    case Op::TMOV_M2L: return PIPE_MTE1;
    case Op::TMOV_V2V:
    case Op::VECTOR: return PIPE_V;
    case Op::SCALAR: return PIPE_S;
    }
    return PIPE_S;
}

// An event that an instruction waits for before it starts; the default value waits for nothing.
class Wait
{
  public:
    Wait() = default;
    template <typename E, typename = decltype(&E::Wait)>
    Wait(E &event)
        : event_(&event), wait_([](void *it, const char *file, int line) { static_cast<E *>(it)->Wait(file, line); })
    {
    }
    void operator()(const char *file, int line) const
    {
        if (event_) wait_(event_, file, line);
    }

  private:
    void *event_ = nullptr;
    void (*wait_)(void *event, const char *file, int line) = nullptr;
};

} // namespace detail

// An event orders an instruction `From`, whose result is assigned to it, before an instruction `To`, which gets it as
// an argument. With AutoToken the line of the event's declaration gives the number of the flag. Two events of the same
// pipes that live at the same time must not stand 8, 16, ... lines apart, or need numbers of their own.
template <Op From, Op To, bool AutoToken = true, event_t EventID = EVENT_ID0> class Event
{
  public:
    Event(int line = __builtin_LINE()) : id_(AutoToken ? line % 8 : EventID) {}
    Event(RecordEvent recorded) : Event(recorded.line) { *this = recorded; }
    Event &operator=(RecordEvent recorded)
    {
        if constexpr (from != to) set_flag(from, to, id_, recorded.file, recorded.line);
        return *this;
    }
    void Wait(const char *file = __builtin_FILE(), int line = __builtin_LINE())
    {
        if constexpr (from != to) wait_flag(from, to, id_, file, line);
        else pipe_barrier(from, file, line);
    }

  private:
    static constexpr pipe_t from = detail::pipe_of(From), to = detail::pipe_of(To);
    int id_;
};

// A barrier of the instruction's pipe; or wait for up to three events.
template <Op op> void TSYNC(const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    pipe_barrier(detail::pipe_of(op), file, line);
}
inline void TSYNC(detail::Wait w0, detail::Wait w1 = {}, detail::Wait w2 = {}, const char *file = __builtin_FILE(),
                  int line = __builtin_LINE())
{
    w0(file, line);
    w1(file, line);
    w2(file, line);
}

} // namespace pto

#endif
