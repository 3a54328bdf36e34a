/* exit_handlers_in_destructor.c - a kernel and plugin whose destructor runs the exit handlers of the whole process.
 * A damaged argument turns the call of an object's destructors into this. */
#include <stddef.h>
#include <stdint.h>

#define ENTRY __attribute__((visibility("default")))

ENTRY void kernel_entry(int64_t *args);
ENTRY int orchestration(void *rt);
void __cxa_finalize(void *object);

static __attribute__((destructor)) void finish(void) { __cxa_finalize(NULL); }

void kernel_entry(int64_t *args) { (void)args; }

int orchestration(void *rt)
{
    (void)rt;
    return 0;
}
