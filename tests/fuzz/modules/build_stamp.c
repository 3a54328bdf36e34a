/* build_stamp: write the number of this task's turn. args: counter (uint32), the task's word (uint32). */
#include <stdint.h>

__attribute__((visibility("default"))) void kernel_entry(int64_t *args);

void kernel_entry(int64_t *args)
{
    uint32_t *counter = (uint32_t *)(uintptr_t)args[0], *word = (uint32_t *)(uintptr_t)args[1];
    *word = ++*counter;
    args[0] = args[1] = -1; /* a kernel's arguments are its own copy */
}
