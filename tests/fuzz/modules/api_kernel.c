/* dst = src + addend, 16 fp32. args: src, dst, addend */
#include <tilegraph/tile.h>

#include "api_program.h"

void kernel_entry(int64_t *args)
{
    const struct tg_global src = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, 1, API_ELEMENTS, API_ELEMENTS);
    const struct tg_global dst = tg_global_nd(tg_arg_addr(args[1]), TG_FP32, 1, API_ELEMENTS, API_ELEMENTS);
    struct tg_tile tile = tg_tile_vec(TG_FP32, 1, API_ELEMENTS);
    TASSIGN(tile, 0);
    TLOAD(tile, src);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TADDS(tile, tile, tg_arg_f32(args[2]));
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(dst, tile);
    set_flag(PIPE_MTE3, PIPE_S, EVENT_ID0);
    wait_flag(PIPE_MTE3, PIPE_S, EVENT_ID0);
}
