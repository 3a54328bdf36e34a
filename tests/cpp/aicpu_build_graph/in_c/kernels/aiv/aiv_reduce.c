/* Products over the columns and over the rows of w, and w less its rows' products.
 *
 * args   0 w [20][72] fp32; written: 1 rows [20], 2 columns [72], 3 less [20][72] */
#include <tilegraph/tile.h>

enum { ROWS = 20, COLS = 72, STEP = 0x2000 };

void kernel_entry(int64_t *args)
{
    struct tg_tile w = tg_tile_vec(TG_FP32, ROWS, COLS), tmp = w, less = w, row = tg_tile_vec(TG_FP32, 1, COLS);
    struct tg_tile column = tg_tile_column(TG_FP32, ROWS), scratch = tg_tile_vec(TG_FP32, 3, 64);
    struct tg_global from = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, ROWS, COLS, COLS), to = from;
    struct tg_global rows = tg_global_dn(tg_arg_addr(args[1]), TG_FP32, ROWS, 1, ROWS);
    struct tg_global columns = tg_global_nd(tg_arg_addr(args[2]), TG_FP32, 1, COLS, COLS);
    to.addr = tg_arg_addr(args[3]);
    TASSIGN(w, 0);
    TASSIGN(tmp, STEP);
    TASSIGN(less, 2 * STEP);
    TASSIGN(row, 3 * STEP);
    TASSIGN(column, 4 * STEP);
    TASSIGN(scratch, 5 * STEP);
    TLOAD(w, from);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TROWPROD(column, w, tmp);
    TCOLPROD(row, w);
    pipe_barrier(PIPE_V);
    TROWEXPANDSUB(less, w, column, scratch);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(rows, column);
    TSTORE(columns, row);
    TSTORE(to, less);
    TDRAIN();
}
