/* other_abi.c - a kernel that was built against another version of tile.h. */
#include <tilegraph/orchestration.h>

TG_PLUGIN_EXPORT void kernel_entry(int64_t *args);

extern TG_PLUGIN_EXPORT const uint32_t tg_tile_abi;
const uint32_t tg_tile_abi = 4711;

void kernel_entry(int64_t *args) { (void)args; }
