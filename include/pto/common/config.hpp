// pto/common/config.hpp - the words that kernels are written with: address spaces, function attributes, assertions.
//
// A device compiler gives them a meaning. Here a kernel is a shared object of this computer, and plain pointers address
// device memory. So the words of address spaces are empty.
#ifndef TILEGRAPH_PTO_COMMON_CONFIG_HPP
#define TILEGRAPH_PTO_COMMON_CONFIG_HPP

#include <cstdio>

#ifndef __gm__
#define __gm__
#endif
#define __ubuf__
#define __cbuf__
#define __ca__
#define __cb__
#define __cc__
#define __fbuf__
#define __biasbuf__
#define __global__
#define __tf__
#define __in__
#define __out__

// Generated kernels define __aicore__ as [aicore] before they include this header. Others define it afterwards without
// #ifndef; the second line, [[maybe_unused]], makes such a definition harmless on a declaration.
#undef __aicore__
#define __aicore__
#define aicore [maybe_unused]
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wcompound-token-split-by-macro"
#endif
#define AICORE

#define PTO_INLINE inline __attribute__((always_inline))
#define PTO_INTERNAL PTO_INLINE
#define PTO_INST __attribute__((visibility("default"))) PTO_INLINE

// With the text or without. A device checks PTO_ASSERT in debug builds only; a false PTO_CPU_ASSERT ends the kernel.
#define PTO_STATIC_ASSERT(...) static_assert(__VA_ARGS__)
#if defined(_DEBUG)
#define PTO_ASSERT(...) PTO_CPU_ASSERT(__VA_ARGS__)
#else
#define PTO_ASSERT(condition, ...) static_cast<void>(sizeof((condition) ? 1 : 0))
#endif
#define PTO_CPU_ASSERT(condition, ...) ((condition) ? static_cast<void>(0) : pto::detail::is_false(#condition))

namespace pto
{
namespace detail
{

[[noreturn]] inline void is_false(const char *condition, const char *file = __builtin_FILE(),
                                  int line = __builtin_LINE())
{
    std::fprintf(stderr, "%s:%d: the assertion %s is false\n", file, line, condition);
    __builtin_trap();
}

} // namespace detail
} // namespace pto

#endif
