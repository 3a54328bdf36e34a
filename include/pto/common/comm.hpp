// pto/common/comm.hpp - calls between cards, for programs that run on one card: a card's own memory is also the memory
// of every other one.
//
// Edges order tasks, so a TWAIT never waits. An edge has ordered the task that notifies before it, or the kernel ends
// with a message.
#ifndef TILEGRAPH_PTO_COMMON_COMM_HPP
#define TILEGRAPH_PTO_COMMON_COMM_HPP

#include <cstdint>
#include <cstdio>
#include <type_traits>

#include <pto/common/instructions.hpp>
#include <pto/common/order.hpp>

namespace pto
{
namespace comm
{

enum class NotifyOp { AtomicAdd, Set };
enum class WaitCmp { EQ, NE, GT, GE, LT, LE };

} // namespace comm

namespace detail
{

template <typename G> constexpr bool is_signal()
{
    static_assert(is_global_data_v<G>, "a signal is a GlobalTensor");
    static_assert(std::is_same_v<typename G::DType, int32_t>, "a signal is a GlobalTensor of int32_t");
    return true;
}

constexpr bool holds(int32_t value, int32_t other, comm::WaitCmp how)
{
    switch (how) {
    case comm::WaitCmp::EQ: return value == other;
    case comm::WaitCmp::NE: return value != other;
    case comm::WaitCmp::GT: return value > other;
    case comm::WaitCmp::GE: return value >= other;
    case comm::WaitCmp::LT: return value < other;
    case comm::WaitCmp::LE: return value <= other;
    }
    return false;
}

[[noreturn]] inline void never_notified(int32_t value, int32_t other, comm::WaitCmp how, const char *file, int line)
{
    constexpr const char *const signs[] = {"==", "!=", ">", ">=", "<", "<="};
    std::fprintf(stderr,
                 "%s:%d: TWAIT waits for a number %s %d and finds %d: add an edge from the task that notifies\n", file,
                 line, signs[static_cast<int>(how)], other, value);
    __builtin_trap();
}

// Copy rows x cols elements, which the tile can hold.
inline void put_part(const tg_global &to, const tg_global &from, const tg_tile &tile, const char *file, int line)
{
    tg_issue_transfer(TG_OP_TLOAD, &tile, nullptr, &from, file, line);
    set_flag(PIPE_MTE2, PIPE_MTE3, EVENT_ID0, file, line);
    wait_flag(PIPE_MTE2, PIPE_MTE3, EVENT_ID0, file, line);
    tg_issue_store(&to, &tile, 0, 0, file, line);
    set_flag(PIPE_MTE3, PIPE_MTE2, EVENT_ID0, file, line);
    wait_flag(PIPE_MTE3, PIPE_MTE2, EVENT_ID0, file, line);
}

// The part of a view that begins at `index` and has rows x cols elements.
inline tg_global part_of(tg_global view, const uint32_t index[5], uint32_t rows, uint32_t cols)
{
    int64_t at = 0;
    for (int dim = 0; dim < 5; dim++) {
        at += static_cast<int64_t>(index[dim]) * view.stride[dim];
        view.shape[dim] = dim == 3 ? rows : dim == 4 ? cols : 1;
    }
    view.addr += static_cast<uint64_t>(at * static_cast<int64_t>(tg_dtype_bytes(view.dtype)));
    return view;
}

// In parts as large as the tile.
inline void put(const tg_global &to, const tg_global &from, tg_tile tile, const char *file, int line)
{
    const uint32_t *shape = from.shape;
    uint32_t at[5] = {};
    for (at[0] = 0; at[0] < shape[0]; at[0]++)
        for (at[1] = 0; at[1] < shape[1]; at[1]++)
            for (at[2] = 0; at[2] < shape[2]; at[2]++)
                for (at[3] = 0; at[3] < shape[3]; at[3] += tile.rows)
                    for (at[4] = 0; at[4] < shape[4]; at[4] += tile.cols) {
                        const uint32_t rows = shape[3] - at[3], cols = shape[4] - at[4];
                        tile.valid_rows = rows < tile.rows ? rows : tile.rows;
                        tile.valid_cols = cols < tile.cols ? cols : tile.cols;
                        put_part(part_of(to, at, tile.valid_rows, tile.valid_cols),
                                 part_of(from, at, tile.valid_rows, tile.valid_cols), tile, file, line);
                    }
}

} // namespace detail

namespace comm
{

// Add `value` to a signal, or store it there. Later tasks and other cores see it at once.
template <typename G>
void TNOTIFY(G &signal, int32_t value, NotifyOp op, const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    static_assert(detail::is_signal<G>());
    int32_t *word = const_cast<int32_t *>(signal.data());
    if (op == NotifyOp::AtomicAdd) __atomic_fetch_add(word, value, __ATOMIC_SEQ_CST);
    else __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
    tg_issue_cache(reinterpret_cast<uintptr_t>(word), TG_CACHE_LINE, file, line);
    tg_issue_tiles(TG_OP_DSB, nullptr, nullptr, nullptr, nullptr, 0, file, line);
}

// Every element of `signal` compares with `value`, or the kernel ends.
template <typename G>
void TWAIT(G &signal, int32_t value, WaitCmp how, const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    static_assert(detail::is_signal<G>());
    const tg_global view = signal.view();
    for (uint32_t row = 0; row < view.shape[0] * view.shape[1] * view.shape[2] * view.shape[3]; row++)
        for (uint32_t col = 0; col < view.shape[4]; col++) {
            const uint32_t at[4] = {row / view.shape[3] / view.shape[2] / view.shape[1],
                                    row / view.shape[3] / view.shape[2] % view.shape[1],
                                    row / view.shape[3] % view.shape[2], row % view.shape[3]};
            int64_t element = static_cast<int64_t>(col) * view.stride[4];
            for (int dim = 0; dim < 4; dim++) element += static_cast<int64_t>(at[dim]) * view.stride[dim];
            const int32_t *word = signal.data() + element;
            tg_issue_cache(reinterpret_cast<uintptr_t>(word), TG_CACHE_LINE, file, line);
            const int32_t found = __atomic_load_n(word, __ATOMIC_SEQ_CST);
            if (!detail::holds(found, value, how)) detail::never_notified(found, value, how, file, line);
        }
}

// Copy src to dst, both in device memory, through `staging`, a Vec tile; larger tensors in several parts.
template <typename D, typename S, typename T>
void TPUT(D &dst, S &src, T &staging, const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    static_assert(is_global_data_v<D> && is_global_data_v<S>, "TPUT(GlobalTensor, GlobalTensor, tile)");
    static_assert(D::layout == Layout::ND && S::layout == Layout::ND,
                  "TPUT copies between GlobalTensors in Layout::ND");
    static_assert(std::is_same_v<std::remove_const_t<typename S::DType>, typename D::DType> &&
                      std::is_same_v<typename T::DType, typename D::DType>,
                  "TPUT copies: source, destination and tile have one element type");
    static_assert(detail::vectors<detail::ANY, T>() && detail::row_major<T>());
    const tg_global to = dst.view(), from = src.view();
    for (int dim = 0; dim < 5; dim++)
        if (to.shape[dim] != from.shape[dim])
            detail::is_false("TPUT: source and destination have one shape", file, line);
    detail::put(to, from, staging.tile(), file, line);
}

// Memory that is asked for ahead of its use: no result depends on it, so nothing is done.
struct AsyncEvent {
    template <typename... X> bool Wait(X &&...) const { return true; }
};

} // namespace comm

template <typename G, typename... X> comm::AsyncEvent TPREFETCH_ASYNC(G &, X &&...)
{
    static_assert(is_global_data_v<G>, "TPREFETCH_ASYNC(GlobalTensor, context)");
    return {};
}

// All blocks of a task meet. A task here is one block.
inline void SYNCALL(const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    pipe_barrier(PIPE_ALL, file, line);
}

} // namespace pto

#endif
