/*
 * tilegraph/access.h - let the checks see plain loads and stores of device memory.
 *
 * A transfer (TLOAD, TSTORE) is announced; `block_table[i]` in a plugin or `*(float *)tg_arg_addr(args[0])` in a kernel is
 * not. A kernel or plugin that is compiled with
 *
 *     -fsanitize=thread -DTG_CHECKED            and linked without -fsanitize=thread
 *
 * calls a function before each load and store, and the functions are those below instead of a sanitizer's: they tell the
 * run, if it is checked, and otherwise cost a load and a branch. gcc and clang have the option; nothing else of the
 * thread sanitizer is used or linked. Atomic operations are done and not seen. memcpy, memmove and memset of C sources are
 * seen, too; what other functions of libraries do to device memory is not.
 *
 * orchestration.h and tile.h include this file. Without TG_CHECKED it is empty, and a checked run says that plain
 * accesses of this object are not seen.
 */
#ifndef TILEGRAPH_ACCESS_H
#define TILEGRAPH_ACCESS_H

#ifdef TG_CHECKED

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Not instrumented itself. */
#if defined(__clang__)
#define TG_UNSEEN __attribute__((disable_sanitizer_instrumentation)) /* no_sanitize would keep atomic operations seen */
#else
#define TG_UNSEEN __attribute__((no_sanitize("thread")))
#endif

/* One access of `bytes` bytes at `address` by the code at `pc`. */
typedef void tg_access_fn(uint64_t address, uint64_t bytes, int is_write, const void *pc);

/* What the library gives to an object that it loads; NULL: nobody wants to know. Weak and protected for the reasons that
 * tg_tile_isa of tile.h has. */
extern __attribute__((weak, visibility("protected"))) tg_access_fn *tg_access_hook;
tg_access_fn *tg_access_hook = NULL;

/* Functions of this object alone, even if the process has others of the same name. */
#define TG_SEEN_FUNCTION __attribute__((weak, visibility("hidden"))) TG_UNSEEN

static inline TG_UNSEEN void tg_access(const void *address, uint64_t bytes, int is_write, const void *pc)
{
    if (tg_access_hook && bytes > 0) tg_access_hook((uint64_t)(uintptr_t)address, bytes, is_write, pc);
}

#define TG_SEEN_ACCESS(name, bytes, is_write)                                                                          \
    TG_SEEN_FUNCTION void name(void *address);                                                                         \
    TG_SEEN_FUNCTION void name(void *address) { tg_access(address, bytes, is_write, __builtin_return_address(0)); }
#define TG_SEEN_ACCESSES(bytes)                                                                                        \
    TG_SEEN_ACCESS(__tsan_read##bytes, bytes, 0)                                                                       \
    TG_SEEN_ACCESS(__tsan_write##bytes, bytes, 1)                                                                      \
    TG_SEEN_ACCESS(__tsan_volatile_read##bytes, bytes, 0)                                                              \
    TG_SEEN_ACCESS(__tsan_volatile_write##bytes, bytes, 1)
TG_SEEN_ACCESSES(1)
TG_SEEN_ACCESSES(2)
TG_SEEN_ACCESSES(4)
TG_SEEN_ACCESSES(8)
TG_SEEN_ACCESSES(16)
#define TG_SEEN_UNALIGNED(bytes)                                                                                       \
    TG_SEEN_ACCESS(__tsan_unaligned_read##bytes, bytes, 0)                                                             \
    TG_SEEN_ACCESS(__tsan_unaligned_write##bytes, bytes, 1)
TG_SEEN_UNALIGNED(2)
TG_SEEN_UNALIGNED(4)
TG_SEEN_UNALIGNED(8)
TG_SEEN_UNALIGNED(16)

#define TG_SEEN_RANGE(name, is_write)                                                                                  \
    TG_SEEN_FUNCTION void name(void *address, size_t bytes);                                                           \
    TG_SEEN_FUNCTION void name(void *address, size_t bytes)                                                            \
    {                                                                                                                  \
        tg_access(address, bytes, is_write, __builtin_return_address(0));                                              \
    }
TG_SEEN_RANGE(__tsan_read_range, 0)
TG_SEEN_RANGE(__tsan_write_range, 1)

/* What the compiler calls besides. */
#define TG_SEEN_NOTHING(name, parameters)                                                                              \
    TG_SEEN_FUNCTION void name parameters;                                                                             \
    TG_SEEN_FUNCTION void name parameters {}
TG_SEEN_NOTHING(__tsan_init, (void))
TG_SEEN_NOTHING(__tsan_func_entry, (__attribute__((unused)) void *caller))
TG_SEEN_NOTHING(__tsan_func_exit, (void))
TG_SEEN_NOTHING(__tsan_vptr_read, (__attribute__((unused)) void **table))
TG_SEEN_NOTHING(__tsan_vptr_update, (__attribute__((unused)) void **table, __attribute__((unused)) void *value))

/* Atomic operations: done in the strongest order, whatever was asked for. */
#define TG_ATOMIC_RESULT(name, type, parameters, value)                                                                \
    TG_SEEN_FUNCTION type name parameters;                                                                             \
    TG_SEEN_FUNCTION type name parameters { return value; }
#define TG_ATOMIC_FETCH(bits, type, operation)                                                                         \
    TG_ATOMIC_RESULT(__tsan_atomic##bits##_fetch_##operation, type,                                                    \
                     (volatile void *at, type value, __attribute__((unused)) int order),                               \
                     __atomic_fetch_##operation((volatile type *)at, value, __ATOMIC_SEQ_CST))
/* gcc asks for the value that was found, clang whether it was the expected one. */
#if defined(__clang__)
#define TG_ATOMIC_COMPARE(bits, type)                                                                                  \
    TG_ATOMIC_RESULT(                                                                                                  \
        __tsan_atomic##bits##_compare_exchange_val, type,                                                              \
        (volatile void *at, type expected, type value, __attribute__((unused)) int order,                              \
         __attribute__((unused)) int otherwise),                                                                       \
        (__atomic_compare_exchange_n((volatile type *)at, &expected, value, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST),    \
         expected))
#else
#define TG_ATOMIC_COMPARE_KIND(bits, type, kind, weak)                                                                 \
    TG_ATOMIC_RESULT(__tsan_atomic##bits##_compare_exchange_##kind, bool,                                              \
                     (volatile void *at, void *expected, type value, __attribute__((unused)) int order,                \
                      __attribute__((unused)) int otherwise),                                                          \
                     __atomic_compare_exchange_n((volatile type *)at, (type *)expected, value, weak, __ATOMIC_SEQ_CST, \
                                                 __ATOMIC_SEQ_CST))
#define TG_ATOMIC_COMPARE(bits, type)                                                                                  \
    TG_ATOMIC_COMPARE_KIND(bits, type, strong, 0)                                                                      \
    TG_ATOMIC_COMPARE_KIND(bits, type, weak, 1)
#endif
#define TG_ATOMICS(bits, type)                                                                                         \
    TG_ATOMIC_RESULT(__tsan_atomic##bits##_load, type, (const volatile void *at, __attribute__((unused)) int order),   \
                     __atomic_load_n((const volatile type *)at, __ATOMIC_SEQ_CST))                                     \
    TG_SEEN_FUNCTION void __tsan_atomic##bits##_store(volatile void *at, type value, int order);                       \
    TG_SEEN_FUNCTION void __tsan_atomic##bits##_store(volatile void *at, type value,                                   \
                                                      __attribute__((unused)) int order)                               \
    {                                                                                                                  \
        __atomic_store_n((volatile type *)at, value, __ATOMIC_SEQ_CST);                                                \
    }                                                                                                                  \
    TG_ATOMIC_RESULT(__tsan_atomic##bits##_exchange, type,                                                             \
                     (volatile void *at, type value, __attribute__((unused)) int order),                               \
                     __atomic_exchange_n((volatile type *)at, value, __ATOMIC_SEQ_CST))                                \
    TG_ATOMIC_FETCH(bits, type, add)                                                                                   \
    TG_ATOMIC_FETCH(bits, type, sub)                                                                                   \
    TG_ATOMIC_FETCH(bits, type, and)                                                                                   \
    TG_ATOMIC_FETCH(bits, type, or)                                                                                    \
    TG_ATOMIC_FETCH(bits, type, xor)                                                                                   \
    TG_ATOMIC_COMPARE(bits, type)
TG_ATOMICS(8, unsigned char)
TG_ATOMICS(16, unsigned short)
TG_ATOMICS(32, unsigned int)
TG_ATOMICS(64, unsigned long)
TG_SEEN_FUNCTION void __tsan_atomic_thread_fence(int order);
TG_SEEN_FUNCTION void __tsan_atomic_thread_fence(__attribute__((unused)) int order)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
TG_SEEN_NOTHING(__tsan_atomic_signal_fence, (__attribute__((unused)) int order))

#ifndef __cplusplus
/* Not inlined: the return address is that of the code that copies. */
#define TG_OWN_CALL __attribute__((noinline, unused)) TG_UNSEEN
static TG_OWN_CALL void *tg_seen_memcpy(void *to, const void *from, size_t bytes)
{
    tg_access(from, bytes, 0, __builtin_return_address(0));
    tg_access(to, bytes, 1, __builtin_return_address(0));
    return memcpy(to, from, bytes);
}
static TG_OWN_CALL void *tg_seen_memmove(void *to, const void *from, size_t bytes)
{
    tg_access(from, bytes, 0, __builtin_return_address(0));
    tg_access(to, bytes, 1, __builtin_return_address(0));
    return memmove(to, from, bytes);
}
static TG_OWN_CALL void *tg_seen_memset(void *to, int value, size_t bytes)
{
    tg_access(to, bytes, 1, __builtin_return_address(0));
    return memset(to, value, bytes);
}
#define memcpy(to, from, bytes) tg_seen_memcpy(to, from, bytes)
#define memmove(to, from, bytes) tg_seen_memmove(to, from, bytes)
#define memset(to, value, bytes) tg_seen_memset(to, value, bytes)
#endif

#ifdef __cplusplus
}
#endif
#else
#define TG_UNSEEN
#endif
#endif
