// pto/common/order.hpp - what orders instructions: flags between pipes, barriers, Event and TSYNC.
#ifndef TILEGRAPH_PTO_COMMON_ORDER_HPP
#define TILEGRAPH_PTO_COMMON_ORDER_HPP

#include <cstdint>

#include <pto/common/config.hpp>
#include <pto/common/tile_header.hpp>

using pipe_t = tg_pipe;
using event_t = tg_event;

// What `from` did before set_flag has happened when `to` passes the wait_flag of the same event.
inline void set_flag(pipe_t from, pipe_t to, int event, const char *file = __builtin_FILE(),
                     int line = __builtin_LINE())
{
    tg_tile_isa->order(TG_OP_SET_FLAG, from, to, static_cast<uint32_t>(event), file, line);
}
inline void wait_flag(pipe_t from, pipe_t to, int event, const char *file = __builtin_FILE(),
                      int line = __builtin_LINE())
{
    tg_tile_isa->order(TG_OP_WAIT_FLAG, from, to, static_cast<uint32_t>(event), file, line);
}

// What follows on the pipe starts after what precedes has ended. PIPE_ALL: on every pipe of the core.
inline void pipe_barrier(pipe_t pipe, const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
    tg_tile_isa->order(TG_OP_PIPE_BARRIER, pipe, pipe, 0, file, line);
}

namespace pto
{

// What an instruction returns; an Event takes it.
struct RecordEvent {
};

namespace detail
{

// An event that an instruction waits for before it starts; the default is none.
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
} // namespace pto

#endif
