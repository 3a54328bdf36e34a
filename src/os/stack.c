#include "os/stack.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"

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

static size_t whole_pages(size_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page - 1) / page * page;
}

/*
 * The guard region and the fence take addresses, not memory. They are so large that most damaged offsets of 32 bits
 * hit one, if not that of their own stack. Where addresses are limited (ulimit -v) they are a mebibyte: no frame of
 * many kilobytes steps over one. Sanitizers keep book of all addresses of a stack.
 */
enum { REGION_BYTES = 256 << 20, SMALL_REGION_BYTES = 1 << 20 };

static size_t region_bytes(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(TG_TSAN)
    return SMALL_REGION_BYTES;
#else
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY ? REGION_BYTES : SMALL_REGION_BYTES;
#endif
}

static char *reserve(size_t bytes)
{
    char *low = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    return low == MAP_FAILED ? NULL : low;
}

static bool open_part(char *low, size_t bytes) { return mprotect(low, bytes, PROT_READ | PROT_WRITE) == 0; }

enum tg_status tg_stack_map(struct tg_stack *stack, size_t own_bytes, size_t foreign_bytes)
{
    const size_t own = whole_pages(own_bytes), foreign = whole_pages(foreign_bytes);
    size_t region = region_bytes();
    memset(stack, 0, sizeof *stack);
    char *low = reserve(2 * region + own + foreign);
    if (!low) low = reserve(2 * (region = SMALL_REGION_BYTES) + own + foreign);
    if (!low) return tg_error(TG_ERR_MEMORY, "no memory for a stack of %zu bytes", own_bytes);
    *stack = (struct tg_stack){.low = low,
                               .bytes = 2 * region + own + foreign,
                               .region_bytes = region,
                               .fence = low + region + foreign,
                               .own_bytes = own};
    if (!open_part(tg_stack_foreign(stack), foreign) || !open_part(tg_stack_own(stack), own)) {
        munmap(stack->low, stack->bytes);
        memset(stack, 0, sizeof *stack);
        return tg_error(TG_ERR_MEMORY, "no memory for a stack of %zu bytes", own_bytes);
    }
    stack->valgrind[0] = VALGRIND_STACK_REGISTER(tg_stack_foreign(stack), stack->fence);
    stack->valgrind[1] = VALGRIND_STACK_REGISTER(tg_stack_own(stack), stack->low + stack->bytes);
    return TG_OK;
}

void tg_stack_unmap(struct tg_stack *stack)
{
    if (!stack->low) return;
    for (int i = 0; i < 2; i++) VALGRIND_STACK_DEREGISTER(stack->valgrind[i]);
    munmap(stack->low, stack->bytes);
    memset(stack, 0, sizeof *stack);
}
