/* other_abi.c - kernel and plugin in one, built against other versions of tile.h and orchestration.h. */
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT void kernel_entry(int64_t *args);
EXPORT int orchestration(void *rt);

extern EXPORT const uint32_t tg_tile_abi, tg_orchestration_abi;
const uint32_t tg_tile_abi = 4711, tg_orchestration_abi = 4712;

void kernel_entry(int64_t *args) { (void)args; }

int orchestration(void *rt)
{
    (void)rt;
    return 0;
}
