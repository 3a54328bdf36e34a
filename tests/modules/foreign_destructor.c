/* foreign_destructor.c - a kernel and plugin at whose end the loader calls a function of another object. */
#include <stdlib.h>

#include <tilegraph/orchestration.h>

#define ENTRY __attribute__((visibility("default")))

ENTRY void kernel_entry(int64_t *args);
ENTRY int orchestration(struct tg_runtime *rt);

static void (*const at_end)(void) __attribute__((section(".fini_array"), used)) = abort;

void kernel_entry(int64_t *args) { (void)args; }

int orchestration(struct tg_runtime *rt)
{
    (void)rt;
    return 0;
}
