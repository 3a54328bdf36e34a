#include "os/stack.h"

#include <string.h>
#include <sys/mman.h>
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

enum tg_status tg_stack_map(struct tg_stack *stack, size_t own_bytes, size_t foreign_bytes)
{
    const size_t own = whole_pages(own_bytes), foreign = whole_pages(foreign_bytes);
    const size_t bytes = TG_STACK_GUARD_BYTES + foreign + TG_STACK_FENCE_BYTES + own;
    memset(stack, 0, sizeof *stack);
    char *low = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1,
                     0);
    if (low == MAP_FAILED) return tg_error(TG_ERR_MEMORY, "no memory for a stack of %zu bytes", own_bytes);
    char *fence = low + TG_STACK_GUARD_BYTES + foreign;
    if (mprotect(low, TG_STACK_GUARD_BYTES, PROT_NONE) != 0 || mprotect(fence, TG_STACK_FENCE_BYTES, PROT_NONE) != 0) {
        munmap(low, bytes);
        return tg_error(TG_ERR_MEMORY, "no guard region for a stack of %zu bytes", own_bytes);
    }
    stack->low = low;
    stack->bytes = bytes;
    stack->fence = fence;
    stack->own_bytes = own;
    stack->valgrind[0] = VALGRIND_STACK_REGISTER(low + TG_STACK_GUARD_BYTES, fence);
    stack->valgrind[1] = VALGRIND_STACK_REGISTER(fence + TG_STACK_FENCE_BYTES, low + bytes);
    return TG_OK;
}

void tg_stack_unmap(struct tg_stack *stack)
{
    if (!stack->low) return;
    for (int i = 0; i < 2; i++) VALGRIND_STACK_DEREGISTER(stack->valgrind[i]);
    munmap(stack->low, stack->bytes);
    memset(stack, 0, sizeof *stack);
}
