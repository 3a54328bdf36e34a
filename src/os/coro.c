#include "os/coro.h"

#include <stdint.h>
#include <string.h>

#include "os/state.h"

#if defined(__SANITIZE_ADDRESS__)
#define TG_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TG_ASAN 1
#endif
#endif
/* TG_TSAN comes from the build: this file is not instrumented itself. */

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

enum tg_status tg_coro_init(struct tg_coro *coro, size_t stack_bytes)
{
    memset(coro, 0, sizeof *coro);
    return tg_stack_map(&coro->stack, stack_bytes, stack_bytes);
}

void tg_coro_fini(struct tg_coro *coro)
{
#ifdef TG_TSAN
    if (coro->sanitizer_fiber) __tsan_destroy_fiber(coro->sanitizer_fiber);
#endif
    tg_stack_unmap(&coro->stack);
    memset(coro, 0, sizeof *coro);
}

static void set_foreign_part(struct tg_coro *coro, const struct tg_stack *stack)
{
    coro->fence = coro->foreign_top = stack->fence;
    coro->own_sp = NULL;
}

void tg_coro_adopt(const struct tg_stack *stack) { set_foreign_part(tg_coro_current(), stack); }

static bool is_in(const void *address, const char *low, size_t bytes)
{
    return (uintptr_t)address >= (uintptr_t)low && (uintptr_t)address < (uintptr_t)low + bytes;
}

/* A fault this near to the end of a part is an overflow. */
enum { OVERFLOW_BYTES = 1 << 20 };

/* While foreign code runs, its stack ends in the guard region, and the fence is above it. */
bool tg_coro_overflowed(const struct tg_coro *coro, const void *address)
{
    const struct tg_stack *stack = &coro->stack;
    return stack->low && (is_in(address, tg_stack_foreign(stack) - OVERFLOW_BYTES, OVERFLOW_BYTES) ||
                          (coro->foreign_top && is_in(address, tg_stack_own(stack) - OVERFLOW_BYTES, OVERFLOW_BYTES)));
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
    tg_state_reset();
    tg_coro_running->entry(tg_coro_running->arg);
    __builtin_trap(); /* an entry never returns */
}

#ifdef TG_CORO_UCONTEXT

static void prepare(struct tg_coro *coro)
{
    getcontext(&coro->context);
    coro->context.uc_stack.ss_sp = tg_stack_own(&coro->stack);
    coro->context.uc_stack.ss_size = coro->stack.own_bytes;
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
    void **top = (void **)(void *)(coro->stack.low + coro->stack.bytes) - 2; /* 16-byte aligned, ends backtraces */
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
    coro->watcher = NULL;
    set_foreign_part(coro, &coro->stack);
#ifdef TG_ASAN
    coro->fake_stack = NULL;
    coro->asan_bottom = tg_stack_foreign(&coro->stack);
    coro->asan_bytes = coro->stack.bytes - coro->stack.region_bytes;
    __asan_unpoison_memory_region(coro->asan_bottom, coro->asan_bytes);
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
    if (!from->stack.low) from->sanitizer_fiber = __tsan_get_current_fiber();
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
