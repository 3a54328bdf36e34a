/* build_fault: break a rule, with a tile that was never placed. */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    (void)args;
    struct tg_tile tile = tg_tile_vec(TG_FP32, 1, 8);
    TEXPANDS(tile, 0.0f);
}
