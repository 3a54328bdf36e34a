// Types that vector kernels share.
#pragma once

#include <cstdint>

#include <pto/pto-inst.hpp>

#ifndef __gm__
#define __gm__
#endif

#ifndef __aicore__
#define __aicore__ [aicore]
#endif

namespace style
{

// Numbers of golden.py.
enum class Kind : int64_t { Float = 0, Half, Int };

template <pipe_t From, pipe_t To> struct Flag {
    event_t id;
    __aicore__ void set() const { set_flag(From, To, id); }
    __aicore__ void wait() const { wait_flag(From, To, id); }
    __aicore__ void operator()() const
    {
        set();
        wait();
    }
};

template <typename T> struct Traits {
    static constexpr uint32_t unit = pto::BLOCK_BYTE_SIZE / sizeof(T);
    static constexpr uint32_t round_up(uint32_t n) { return (n + unit - 1) / unit * unit; }
};

} // namespace style
