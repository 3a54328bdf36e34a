/* build_empty: nothing. */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args) { (void)args; }
