/*
 * tilegraph/access.h - let the checks see plain loads and stores of device memory.
 *
 * The platform sees each transfer (TLOAD, TSTORE). It does not see `block_table[i]` in a plugin or
 * `*(float *)tg_arg_addr(args[0])` in a kernel. A kernel or plugin that is compiled with
 *
 *     gcc    -fsanitize=thread -DTG_CHECKED
 *     clang  -fsanitize=thread -mllvm -tsan-instrument-read-before-write -DTG_CHECKED
 *
 * and linked without -fsanitize=thread calls a function before each load, store and atomic operation. This header
 * defines these functions in place of the sanitizer's. They report the access to a checked run. In other runs they cost
 * a load and a branch. The thread sanitizer's library is neither used nor linked. With TG_ACCESS_ELSEWHERE the header
 * leaves the functions out, which take longer to compile than a kernel: link an object that has them,
 * `gcc -x c -DTG_CHECKED -O1 -fPIC -fvisibility=hidden -c -o access.o tilegraph/access.h`.
 *
 * memcpy and related functions take another way: a checked run binds the object's calls of them to functions of its own
 * (src/check/memory/libc_calls.h). gcc would copy a constant number of bytes without any call. So this header makes gcc
 * call the function. In C++ include this header, or tile.h, before the headers of the standard library.
 *
 * orchestration.h and tile.h include this file. Without TG_CHECKED it is empty, and a checked run reports that it does
 * not see the plain accesses of this object.
 */
#ifndef TILEGRAPH_ACCESS_H
#define TILEGRAPH_ACCESS_H

#include <stdint.h>

/* The kind of an access. An update loads and stores. */
enum tg_access_kind { TG_PLAIN_LOAD, TG_PLAIN_STORE, TG_ATOMIC_LOAD, TG_ATOMIC_STORE, TG_ATOMIC_UPDATE };

/* One access of `bytes` bytes at `address` by the code at `pc`; kind: enum tg_access_kind. */
typedef void tg_access_fn(uint64_t address, uint64_t bytes, int kind, const void *pc);

#ifdef TG_CHECKED

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#ifdef __cplusplus
#include <cstring> /* it undefines macros that have the names of its functions, so it comes first */
extern "C" {
#endif

/* Switches instrumentation off for a function. */
#if defined(__clang__)
#define TG_UNSEEN __attribute__((disable_sanitizer_instrumentation)) /* no_sanitize leaves atomic operations in */
#else
#define TG_UNSEEN __attribute__((no_sanitize("thread")))
#endif

/* The library sets this in each object that it loads; NULL: the run is not checked. Weak and protected for the same
 * reasons as tg_tile_isa of tile.h. */
extern __attribute__((weak, visibility("protected"))) tg_access_fn *tg_access_hook;
tg_access_fn *tg_access_hook = NULL;

#ifndef TG_ACCESS_ELSEWHERE
/* Functions of this object alone, even if the process has others of the same name. */
#define TG_SEEN_FUNCTION __attribute__((weak, visibility("hidden"))) TG_UNSEEN

static inline TG_UNSEEN void tg_access(const volatile void *address, uint64_t bytes, int kind, const void *pc)
{
    if (tg_access_hook && bytes > 0) tg_access_hook((uint64_t)(uintptr_t)address, bytes, kind, pc);
}

#define TG_SEEN_ACCESS(name, bytes, kind)                                                                              \
    TG_SEEN_FUNCTION void name(void *address);                                                                         \
    TG_SEEN_FUNCTION void name(void *address) { tg_access(address, bytes, kind, __builtin_return_address(0)); }
#define TG_SEEN_UPDATE(name, bytes)                                                                                    \
    TG_SEEN_FUNCTION void name(void *address);                                                                         \
    TG_SEEN_FUNCTION void name(void *address)                                                                          \
    {                                                                                                                  \
        tg_access(address, bytes, TG_PLAIN_LOAD, __builtin_return_address(0));                                         \
        tg_access(address, bytes, TG_PLAIN_STORE, __builtin_return_address(0));                                        \
    }
#define TG_SEEN_ACCESSES(bytes)                                                                                        \
    TG_SEEN_ACCESS(__tsan_read##bytes, bytes, TG_PLAIN_LOAD)                                                           \
    TG_SEEN_ACCESS(__tsan_write##bytes, bytes, TG_PLAIN_STORE)                                                         \
    TG_SEEN_UPDATE(__tsan_read_write##bytes, bytes)                                                                    \
    TG_SEEN_ACCESS(__tsan_volatile_read##bytes, bytes, TG_PLAIN_LOAD)                                                  \
    TG_SEEN_ACCESS(__tsan_volatile_write##bytes, bytes, TG_PLAIN_STORE)
TG_SEEN_ACCESSES(1)
TG_SEEN_ACCESSES(2)
TG_SEEN_ACCESSES(4)
TG_SEEN_ACCESSES(8)
TG_SEEN_ACCESSES(16)
#define TG_SEEN_UNALIGNED(bytes)                                                                                       \
    TG_SEEN_ACCESS(__tsan_unaligned_read##bytes, bytes, TG_PLAIN_LOAD)                                                 \
    TG_SEEN_ACCESS(__tsan_unaligned_write##bytes, bytes, TG_PLAIN_STORE)                                               \
    TG_SEEN_UPDATE(__tsan_unaligned_read_write##bytes, bytes)                                                          \
    TG_SEEN_ACCESS(__tsan_unaligned_volatile_read##bytes, bytes, TG_PLAIN_LOAD)                                        \
    TG_SEEN_ACCESS(__tsan_unaligned_volatile_write##bytes, bytes, TG_PLAIN_STORE)
TG_SEEN_UNALIGNED(2)
TG_SEEN_UNALIGNED(4)
TG_SEEN_UNALIGNED(8)
TG_SEEN_UNALIGNED(16)

#define TG_SEEN_RANGE(name, kind)                                                                                      \
    TG_SEEN_FUNCTION void name(void *address, long bytes);                                                             \
    TG_SEEN_FUNCTION void name(void *address, long bytes)                                                              \
    {                                                                                                                  \
        tg_access(address, (uint64_t)bytes, kind, __builtin_return_address(0));                                        \
    }
TG_SEEN_RANGE(__tsan_read_range, TG_PLAIN_LOAD)
TG_SEEN_RANGE(__tsan_write_range, TG_PLAIN_STORE)
TG_SEEN_ACCESS(__tsan_vptr_read, sizeof(void *), TG_PLAIN_LOAD)

/* Other functions that the compiler calls. */
#define TG_SEEN_NOTHING(name, parameters)                                                                              \
    TG_SEEN_FUNCTION void name parameters;                                                                             \
    TG_SEEN_FUNCTION void name parameters {}
TG_SEEN_NOTHING(__tsan_init, (void))
TG_SEEN_NOTHING(__tsan_func_entry, (__attribute__((unused)) void *caller))
TG_SEEN_NOTHING(__tsan_func_exit, (__attribute__((unused)) void *caller))
TG_SEEN_NOTHING(__tsan_ignore_thread_begin, (void))
TG_SEEN_NOTHING(__tsan_ignore_thread_end, (void))
TG_SEEN_FUNCTION void __tsan_vptr_update(void *table, void *value);
TG_SEEN_FUNCTION void __tsan_vptr_update(void *table, __attribute__((unused)) void *value)
{
    tg_access(table, sizeof(void *), TG_PLAIN_STORE, __builtin_return_address(0));
}

/* ---- atomic operations --------------------------------------------------------------------------------------------
 * Each is reported, then done sequentially consistent, for every memory order of the source. On x86-64 one instruction
 * compares and exchanges 16 bytes (cx16); some processors lack it. */
#if defined(__x86_64__)
#define TG_WIDE TG_SEEN_FUNCTION __attribute__((target("cx16")))
#else
#define TG_WIDE TG_SEEN_FUNCTION
#endif
#define TG_TELL(bits, kind) tg_access(at, bits / 8, kind, __builtin_return_address(0))
#define TG_ATOMIC_RESULT(attributes, name, type, parameters, tell, value)                                              \
    attributes type name parameters;                                                                                   \
    attributes type name parameters                                                                                    \
    {                                                                                                                  \
        tell;                                                                                                          \
        return value;                                                                                                  \
    }
#define TG_ATOMIC_FETCH(bits, type, operation)                                                                         \
    TG_ATOMIC_RESULT(TG_SEEN_FUNCTION, __tsan_atomic##bits##_fetch_##operation, type,                                  \
                     (volatile void *at, type value, __attribute__((unused)) int order),                               \
                     TG_TELL(bits, TG_ATOMIC_UPDATE),                                                                  \
                     __atomic_fetch_##operation((volatile type *)at, value, __ATOMIC_SEQ_CST))
#define TG_ATOMICS(bits, type)                                                                                         \
    TG_ATOMIC_RESULT(TG_SEEN_FUNCTION, __tsan_atomic##bits##_load, type,                                               \
                     (const volatile void *at, __attribute__((unused)) int order), TG_TELL(bits, TG_ATOMIC_LOAD),      \
                     __atomic_load_n((const volatile type *)at, __ATOMIC_SEQ_CST))                                     \
    TG_SEEN_FUNCTION void __tsan_atomic##bits##_store(volatile void *at, type value, int order);                       \
    TG_SEEN_FUNCTION void __tsan_atomic##bits##_store(volatile void *at, type value,                                   \
                                                      __attribute__((unused)) int order)                               \
    {                                                                                                                  \
        TG_TELL(bits, TG_ATOMIC_STORE);                                                                                \
        __atomic_store_n((volatile type *)at, value, __ATOMIC_SEQ_CST);                                                \
    }                                                                                                                  \
    TG_ATOMIC_RESULT(TG_SEEN_FUNCTION, __tsan_atomic##bits##_exchange, type,                                           \
                     (volatile void *at, type value, __attribute__((unused)) int order),                               \
                     TG_TELL(bits, TG_ATOMIC_UPDATE),                                                                  \
                     __atomic_exchange_n((volatile type *)at, value, __ATOMIC_SEQ_CST))                                \
    TG_ATOMIC_FETCH(bits, type, add)                                                                                   \
    TG_ATOMIC_FETCH(bits, type, sub)                                                                                   \
    TG_ATOMIC_FETCH(bits, type, and)                                                                                   \
    TG_ATOMIC_FETCH(bits, type, or)                                                                                    \
    TG_ATOMIC_FETCH(bits, type, xor)                                                                                   \
    TG_ATOMIC_FETCH(bits, type, nand)                                                                                  \
    TG_ATOMIC_COMPARE(TG_SEEN_FUNCTION, bits, type)
/* The value before the exchange; `value` replaces `expected`. */
#define TG_SWAP(type, expected, value) __sync_val_compare_and_swap((volatile type *)at, expected, value)
/* gcc's function returns whether the exchange took place, clang's returns the value before it. */
#if defined(__clang__)
#define TG_ATOMIC_COMPARE(attributes, bits, type)                                                                      \
    TG_ATOMIC_RESULT(attributes, __tsan_atomic##bits##_compare_exchange_val, type,                                     \
                     (volatile void *at, type expected, type value, __attribute__((unused)) int order,                 \
                      __attribute__((unused)) int otherwise),                                                          \
                     TG_TELL(bits, TG_ATOMIC_UPDATE), TG_SWAP(type, expected, value))
#else
#define TG_ATOMIC_COMPARE_KIND(attributes, bits, type, kind)                                                           \
    attributes bool __tsan_atomic##bits##_compare_exchange_##kind(volatile void *at, void *expected, type value,       \
                                                                  int order, int otherwise);                           \
    attributes bool __tsan_atomic##bits##_compare_exchange_##kind(volatile void *at, void *expected, type value,       \
                                                                  __attribute__((unused)) int order,                   \
                                                                  __attribute__((unused)) int otherwise)               \
    {                                                                                                                  \
        type wanted, found;                                                                                            \
        TG_TELL(bits, TG_ATOMIC_UPDATE);                                                                               \
        __builtin_memcpy(&wanted, expected, sizeof wanted);                                                            \
        found = TG_SWAP(type, wanted, value);                                                                          \
        __builtin_memcpy(expected, &found, sizeof found);                                                              \
        return found == wanted;                                                                                        \
    }
#define TG_ATOMIC_COMPARE(attributes, bits, type)                                                                      \
    TG_ATOMIC_COMPARE_KIND(attributes, bits, type, strong)                                                             \
    TG_ATOMIC_COMPARE_KIND(attributes, bits, type, weak)
#endif
TG_ATOMICS(8, unsigned char)
TG_ATOMICS(16, unsigned short)
TG_ATOMICS(32, unsigned int)
TG_ATOMICS(64, unsigned long)

__extension__ typedef unsigned __int128 tg_wide;
#define TG_WIDE_UPDATE(name, next)                                                                                     \
    TG_WIDE tg_wide name(volatile void *at, tg_wide value, int order);                                                 \
    TG_WIDE tg_wide name(volatile void *at, tg_wide value, __attribute__((unused)) int order)                          \
    {                                                                                                                  \
        TG_TELL(128, TG_ATOMIC_UPDATE);                                                                                \
        tg_wide found = 0, wanted;                                                                                     \
        do {                                                                                                           \
            wanted = found;                                                                                            \
            found = TG_SWAP(tg_wide, wanted, next);                                                                    \
        } while (found != wanted);                                                                                     \
        return found;                                                                                                  \
    }
TG_WIDE_UPDATE(__tsan_atomic128_exchange, value)
TG_WIDE_UPDATE(__tsan_atomic128_fetch_add, wanted + value)
TG_WIDE_UPDATE(__tsan_atomic128_fetch_sub, wanted - value)
TG_WIDE_UPDATE(__tsan_atomic128_fetch_and, wanted &value)
TG_WIDE_UPDATE(__tsan_atomic128_fetch_or, wanted | value)
TG_WIDE_UPDATE(__tsan_atomic128_fetch_xor, wanted ^ value)
TG_WIDE_UPDATE(__tsan_atomic128_fetch_nand, ~(wanted &value))
TG_ATOMIC_COMPARE(TG_WIDE, 128, tg_wide)
TG_ATOMIC_RESULT(TG_WIDE, __tsan_atomic128_load, tg_wide, (const volatile void *at, __attribute__((unused)) int order),
                 TG_TELL(128, TG_ATOMIC_LOAD), TG_SWAP(tg_wide, 0, 0))
TG_WIDE void __tsan_atomic128_store(volatile void *at, tg_wide value, int order);
TG_WIDE void __tsan_atomic128_store(volatile void *at, tg_wide value, __attribute__((unused)) int order)
{
    TG_TELL(128, TG_ATOMIC_STORE);
    tg_wide found = 0, wanted;
    do {
        wanted = found;
        found = TG_SWAP(tg_wide, wanted, value);
    } while (found != wanted);
}

TG_SEEN_FUNCTION void __tsan_atomic_thread_fence(int order);
TG_SEEN_FUNCTION void __tsan_atomic_thread_fence(__attribute__((unused)) int order)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
TG_SEEN_NOTHING(__tsan_atomic_signal_fence, (__attribute__((unused)) int order))
#endif

/* ---- memcpy and its kin: always a call of the C library's function, which a checked run binds to its own ---- */

#ifdef __cplusplus
#define TG_LIBC(result, name, parameters) extern result tg_libc_##name parameters noexcept __asm__(#name);
#else
#define TG_LIBC(result, name, parameters) extern result tg_libc_##name parameters __asm__(#name);
#endif
TG_LIBC(void *, memcpy, (void *to, const void *from, size_t bytes))
TG_LIBC(void *, mempcpy, (void *to, const void *from, size_t bytes))
TG_LIBC(void *, memmove, (void *to, const void *from, size_t bytes))
TG_LIBC(void *, memset, (void *to, int value, size_t bytes))
TG_LIBC(void, bcopy, (const void *from, void *to, size_t bytes))
TG_LIBC(void, bzero, (void *to, size_t bytes))
TG_LIBC(int, memcmp, (const void *one, const void *other, size_t bytes))
TG_LIBC(int, bcmp, (const void *one, const void *other, size_t bytes))
TG_LIBC(char *, strcpy, (char *to, const char *from))
TG_LIBC(char *, stpcpy, (char *to, const char *from))
TG_LIBC(char *, strncpy, (char *to, const char *from, size_t bytes))
TG_LIBC(char *, strcat, (char *to, const char *from))

#if defined(__clang__)
#ifndef TG_ACCESS_ELSEWHERE
/* clang calls these from version 15 on, and the functions of the C library before that. The tail call keeps the
 * caller's address. */
#define TG_COPIES(name, ...)                                                                                           \
    TG_SEEN_FUNCTION void *__tsan_##name(__VA_ARGS__);                                                                 \
    TG_SEEN_FUNCTION void *__tsan_##name(__VA_ARGS__)
TG_COPIES(memcpy, void *to, const void *from, size_t n)
{
    __attribute__((musttail)) return tg_libc_memcpy(to, from, n);
}
TG_COPIES(memmove, void *to, const void *from, size_t n)
{
    __attribute__((musttail)) return tg_libc_memmove(to, from, n);
}
TG_COPIES(memset, void *to, int value, size_t n) { __attribute__((musttail)) return tg_libc_memset(to, value, n); }
#endif
#else
#define memcpy(...) tg_libc_memcpy(__VA_ARGS__)
#define mempcpy(...) tg_libc_mempcpy(__VA_ARGS__)
#define memmove(...) tg_libc_memmove(__VA_ARGS__)
#define memset(...) tg_libc_memset(__VA_ARGS__)
#define bcopy(...) tg_libc_bcopy(__VA_ARGS__)
#define bzero(...) tg_libc_bzero(__VA_ARGS__)
#define memcmp(...) tg_libc_memcmp(__VA_ARGS__)
#define bcmp(...) tg_libc_bcmp(__VA_ARGS__)
#define strcpy(...) tg_libc_strcpy(__VA_ARGS__)
#define stpcpy(...) tg_libc_stpcpy(__VA_ARGS__)
#define strncpy(...) tg_libc_strncpy(__VA_ARGS__)
#define strcat(...) tg_libc_strcat(__VA_ARGS__)
/* A constant expression of C++ cannot call a function of a library. */
#ifdef __cplusplus
#define TG_CALLED(builtin, ours) (__builtin_is_constant_evaluated() ? builtin : ours)
#else
#define TG_CALLED(builtin, ours) ours
#endif
#define __builtin_memcpy(...) TG_CALLED(__builtin_memcpy(__VA_ARGS__), tg_libc_memcpy(__VA_ARGS__))
#define __builtin_mempcpy(...) TG_CALLED(__builtin_mempcpy(__VA_ARGS__), tg_libc_mempcpy(__VA_ARGS__))
#define __builtin_memmove(...) TG_CALLED(__builtin_memmove(__VA_ARGS__), tg_libc_memmove(__VA_ARGS__))
#define __builtin_memset(...) TG_CALLED(__builtin_memset(__VA_ARGS__), tg_libc_memset(__VA_ARGS__))
#define __builtin_bcopy(...) TG_CALLED(__builtin_bcopy(__VA_ARGS__), tg_libc_bcopy(__VA_ARGS__))
#define __builtin_bzero(...) TG_CALLED(__builtin_bzero(__VA_ARGS__), tg_libc_bzero(__VA_ARGS__))
#define __builtin_memcmp(...) TG_CALLED(__builtin_memcmp(__VA_ARGS__), tg_libc_memcmp(__VA_ARGS__))
#define __builtin_bcmp(...) TG_CALLED(__builtin_bcmp(__VA_ARGS__), tg_libc_bcmp(__VA_ARGS__))
#define __builtin_strcpy(...) TG_CALLED(__builtin_strcpy(__VA_ARGS__), tg_libc_strcpy(__VA_ARGS__))
#define __builtin_stpcpy(...) TG_CALLED(__builtin_stpcpy(__VA_ARGS__), tg_libc_stpcpy(__VA_ARGS__))
#define __builtin_strncpy(...) TG_CALLED(__builtin_strncpy(__VA_ARGS__), tg_libc_strncpy(__VA_ARGS__))
#define __builtin_strcat(...) TG_CALLED(__builtin_strcat(__VA_ARGS__), tg_libc_strcat(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#if !defined(__clang__)
namespace std
{ /* std::memcpy(...) is std::tg_libc_memcpy(...) by the macros above */
using ::tg_libc_bcmp;
using ::tg_libc_memcmp;
using ::tg_libc_memcpy;
using ::tg_libc_memmove;
using ::tg_libc_memset;
using ::tg_libc_strcat;
using ::tg_libc_strcpy;
using ::tg_libc_strncpy;
} // namespace std
#endif
#endif
#else
#define TG_UNSEEN
#endif
#endif
