/* pto/runtime/pipe_sync.h - the last call of a kernel: it waits until everything that the core stored is in device
 * memory. */
#ifndef TILEGRAPH_PTO_RUNTIME_PIPE_SYNC_H
#define TILEGRAPH_PTO_RUNTIME_PIPE_SYNC_H

#include <pto/pto-inst.hpp>

#if defined(__DAV_CUBE__) == defined(__DAV_VEC__)
#error "define __DAV_CUBE__ for a kernel of an AIC core, or __DAV_VEC__ for one of an AIV core; run_example.py does"
#endif

inline void pipe_sync(const char *file = __builtin_FILE(), int line = __builtin_LINE())
{
#if defined(__DAV_CUBE__)
    constexpr pipe_t stores = PIPE_FIX;
#else
    constexpr pipe_t stores = PIPE_MTE3;
#endif
    set_flag(stores, PIPE_S, EVENT_ID7, file, line);
    wait_flag(stores, PIPE_S, EVENT_ID7, file, line);
}

#endif
