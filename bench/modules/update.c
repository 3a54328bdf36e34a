/* A kernel that adds 1 to the 16 floats at its first argument. */
#include <tilegraph/tile.h>

enum { N = 16 };

void kernel_entry(int64_t *args)
{
    struct tg_global global = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, 1, N, N);
    struct tg_tile tile = tg_tile_vec(TG_FP32, 1, N);
    TASSIGN(tile, 0);
    TLOAD(tile, global);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TADDS(tile, tile, 1.0f);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(global, tile);
    TDRAIN();
}
