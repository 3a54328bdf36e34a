/* bits = ~((u & v) ^ (u | 255)), shifted = ((u << 5) >> 3) - (v >> 31).
 *
 * args   0 u, 1 v [9][24] int32; written: 2 bits, 3 shifted [9][24] int32 */
#include <tilegraph/tile.h>

enum { ROWS = 9, COLS = 24, BYTES = 1024 };

void kernel_entry(int64_t *args)
{
    struct tg_tile u = tg_tile_vec(TG_INT32, ROWS, COLS), v = u, x = u, y = u, counts = u;
    struct tg_global from_u = tg_global_nd(tg_arg_addr(args[0]), TG_INT32, ROWS, COLS, COLS), from_v = from_u;
    struct tg_global bits = from_u, shifted = from_u;
    from_v.addr = tg_arg_addr(args[1]);
    bits.addr = tg_arg_addr(args[2]);
    shifted.addr = tg_arg_addr(args[3]);
    TASSIGN(u, 0);
    TASSIGN(v, BYTES);
    TASSIGN(x, 2 * BYTES);
    TASSIGN(y, 3 * BYTES);
    TASSIGN(counts, 4 * BYTES);
    TLOAD(u, from_u);
    TLOAD(v, from_v);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TAND(x, u, v);
    TORS(y, u, 255);
    TEXPANDS(counts, 5);
    pipe_barrier(PIPE_V);
    TXOR(x, x, y);
    pipe_barrier(PIPE_V);
    TNOT(x, x);
    TSHL(u, u, counts);
    TSHRS(v, v, 31);
    pipe_barrier(PIPE_V);
    TSHRS(u, u, 3);
    pipe_barrier(PIPE_V);
    TSUB(u, u, v);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(bits, x);
    TSTORE(shifted, u);
    TDRAIN();
}
