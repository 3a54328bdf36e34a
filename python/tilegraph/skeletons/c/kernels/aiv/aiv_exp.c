/* aiv_exp.c - y[n] = exp(x[n]), fp32, on a vector core.
 *
 * args   0 x, 1 y: device addresses of n elements each
 *        2 n: elements, 1 to 49152 (one tile of 192 KiB fills UB) */
#include <tilegraph/tile.h>

void kernel_entry(int64_t *args)
{
    const uint32_t n = tg_arg_u32(args[2]);
    const struct tg_global x_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, 1, n, n);
    const struct tg_global y_gm = tg_global_nd(tg_arg_addr(args[1]), TG_FP32, 1, n, n);

    struct tg_tile x = tg_tile_vec(TG_FP32, 1, n);
    TASSIGN(x, 0); /* the tile begins at byte 0 of UB */

    TLOAD(x, x_gm);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);  /* the load has landed ... */
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0); /* ... before V computes */
    TEXP(x, x);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);  /* the result is there ... */
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0); /* ... before MTE3 stores it */
    TSTORE(y_gm, x);
    TDRAIN(); /* the store has landed before the task counts as complete */
}
