/*
 * aiv_tile_add.c - c[64][64] += p[64][64], fp32, on a vector core: tiles of larger matrices.
 *
 * args   0 c, 1 p: device addresses of the tiles' first elements
 *        2 ld_c, 3 ld_p: elements from one row to the next
 */
#include <tilegraph/tile.h>

#define TILE 64u

void kernel_entry(int64_t *args)
{
    const struct tg_global c_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, TILE, TILE, tg_arg_u32(args[2]));
    const struct tg_global p_gm = tg_global_nd(tg_arg_addr(args[1]), TG_FP32, TILE, TILE, tg_arg_u32(args[3]));
    struct tg_tile c = tg_tile_vec(TG_FP32, TILE, TILE), p = c;
    TASSIGN(c, 0);
    TASSIGN(p, tg_tile_bytes(&c));

    TLOAD(c, c_gm);
    TLOAD(p, p_gm);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TADD(c, c, p);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(c_gm, c);
    TDRAIN();
}
