/* writes_behind_in_destructor.c - a destructor that writes to the page behind its object, where the next library may
 * lie. */
#include <stdint.h>

#include <tilegraph/orchestration.h>

extern char _end[]; /* the linker's: the end of the object's variables */

TG_PLUGIN_EXPORT void kernel_entry(int64_t *args);

void kernel_entry(int64_t *args) { (void)args; }

static __attribute__((destructor)) void write_behind(void)
{
    const uintptr_t page = 4096, behind = ((uintptr_t)_end + page - 1) / page * page;
    *(volatile char *)(behind + 8) = 1;
}
