#include "os/coro.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "os/state.h"

#if defined(__SANITIZE_ADDRESS__)
#define TG_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TG_ASAN 1
#endif
#endif
/* TG_TSAN comes from the build: this file is not instrumented itself. */

/* valgrind must know the stacks. Its header only emits instructions that have no effect without it. */
#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(start, end) 0
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#ifdef TG_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef TG_TSAN
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void __tsan_acquire(void *token);
void __tsan_release(void *token);
enum { TSAN_NO_ORDER = 1 };
#endif

static _Thread_local struct tg_coro thread_coro; /* the operating-system thread's own stack */
_Thread_local struct tg_coro *tg_coro_running;
static _Thread_local struct tg_coro *previous; /* the coroutine that switched to the running one */
#ifdef TG_TSAN
static _Thread_local bool keeps_order;
#endif

struct tg_coro *tg_coro_first(void)
{
    if (!tg_coro_running) tg_coro_running = &thread_coro;
    return tg_coro_running;
}

static size_t page_bytes(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* Large, so that a frame of many kilobytes cannot step over it; it costs addresses, not memory. */
enum { GUARD_BYTES = 1 << 20 };

enum tg_status tg_coro_init(struct tg_coro *coro, size_t stack_bytes)
{
    memset(coro, 0, sizeof *coro);
    size_t page = page_bytes();
    size_t all = (stack_bytes + page - 1) / page * page + GUARD_BYTES;
    char *stack = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1,
                       0);
    if (stack == MAP_FAILED) return tg_error(TG_ERR_MEMORY, "no memory for a stack of %zu bytes", stack_bytes);
    if (mprotect(stack, GUARD_BYTES, PROT_NONE) != 0) {
        munmap(stack, all);
        return tg_error(TG_ERR_MEMORY, "no guard region for a stack of %zu bytes", stack_bytes);
    }
    coro->stack = stack;
    coro->stack_bytes = all;
    coro->valgrind_stack = VALGRIND_STACK_REGISTER(stack + GUARD_BYTES, stack + all);
    return TG_OK;
}

void tg_coro_fini(struct tg_coro *coro)
{
#ifdef TG_TSAN
    if (coro->sanitizer_fiber) __tsan_destroy_fiber(coro->sanitizer_fiber);
#endif
    if (coro->stack) {
        VALGRIND_STACK_DEREGISTER(coro->valgrind_stack);
        munmap(coro->stack, coro->stack_bytes);
    }
    memset(coro, 0, sizeof *coro);
}

bool tg_coro_overflowed(const struct tg_coro *coro, const void *address)
{
    uintptr_t low = (uintptr_t)coro->stack;
    return coro->stack && (uintptr_t)address >= low && (uintptr_t)address < low + GUARD_BYTES;
}

/* The new side of a switch has the processor: tell the sanitizers. */
static void arrived(void)
{
#ifdef TG_ASAN
    __sanitizer_finish_switch_fiber(tg_coro_running->fake_stack, &previous->asan_bottom, &previous->asan_bytes);
#endif
}

/* The start of every coroutine. */
static void enter(void)
{
    arrived();
    tg_state_settle();
    tg_coro_running->entry(tg_coro_running->arg);
    __builtin_trap(); /* an entry never returns */
}

#ifdef TG_CORO_UCONTEXT

static void prepare(struct tg_coro *coro)
{
    getcontext(&coro->context);
    coro->context.uc_stack.ss_sp = coro->stack + GUARD_BYTES;
    coro->context.uc_stack.ss_size = coro->stack_bytes - GUARD_BYTES;
    coro->context.uc_link = NULL;
    makecontext(&coro->context, enter, 0);
}

static void swap(struct tg_coro *from, struct tg_coro *to) { swapcontext(&from->context, &to->context); }

#else

/* coro_<processor>.S: save the callee-saved registers, store the stack pointer to *save, go on at `load`. */
void tg_coro_swap(void **save, void *load);
/* The return address of the first switch: calls the function that the frame below names. */
void tg_coro_trampoline(void);
/* Size in words of the frame that tg_coro_swap pops; the places of the function and of the return address in it. */
extern const unsigned tg_coro_frame_words, tg_coro_function_word, tg_coro_return_word;

static void prepare(struct tg_coro *coro)
{
    void **top = (void **)(void *)(coro->stack + coro->stack_bytes) - 2; /* 16-byte aligned, ends backtraces */
    void **frame = top - tg_coro_frame_words;
    memset(frame, 0, (size_t)((char *)(top + 2) - (char *)frame));
    frame[tg_coro_function_word] = (void *)(uintptr_t)enter;
    frame[tg_coro_return_word] = (void *)(uintptr_t)tg_coro_trampoline;
    coro->sp = frame;
}

static void swap(struct tg_coro *from, struct tg_coro *to) { tg_coro_swap(&from->sp, to->sp); }

#endif

void tg_coro_start(struct tg_coro *coro, tg_coro_fn *entry, void *arg)
{
    coro->entry = entry;
    coro->arg = arg;
    coro->guard = NULL;
#ifdef TG_ASAN
    __asan_unpoison_memory_region(coro->stack + GUARD_BYTES, coro->stack_bytes - GUARD_BYTES);
    coro->fake_stack = NULL;
    coro->asan_bottom = coro->stack + GUARD_BYTES;
    coro->asan_bytes = coro->stack_bytes - GUARD_BYTES;
#endif
#ifdef TG_TSAN
    if (coro->sanitizer_fiber) __tsan_destroy_fiber(coro->sanitizer_fiber);
    coro->sanitizer_fiber = __tsan_create_fiber(0);
#endif
    prepare(coro);
}

void tg_coro_switch(struct tg_coro *to)
{
    struct tg_coro *from = tg_coro_current();
    previous = from;
    tg_coro_running = to;
#ifdef TG_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->asan_bottom, to->asan_bytes);
#endif
#ifdef TG_TSAN
    if (!from->stack) from->sanitizer_fiber = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(to->sanitizer_fiber, keeps_order ? 0 : TSAN_NO_ORDER);
#endif
    swap(from, to);
    arrived();
}

void tg_coro_publish(void *token)
{
    (void)token;
#ifdef TG_TSAN
    __tsan_release(token);
#endif
}

void tg_coro_observe(void *token)
{
    (void)token;
#ifdef TG_TSAN
    __tsan_acquire(token);
#endif
}

void tg_coro_keep_order(bool keep)
{
    (void)keep;
#ifdef TG_TSAN
    keeps_order = keep;
#endif
}
