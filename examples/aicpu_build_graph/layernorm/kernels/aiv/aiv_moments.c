/*
 * aiv_moments.c - mean and deviation of rows, fp32, on a vector core.
 *
 *     mean[r] = average of x[r]       deviation[r] = sqrt(average of (x[r] - mean[r])^2 + epsilon)
 *
 * args   0 x [rows][cols], 1 mean [rows], 2 deviation [rows]: device addresses, rows contiguous
 *        3 rows, a multiple of 8; 4 cols, a multiple of 8; rows * cols is at most 15360 (three tiles of 60 KiB)
 *        5 epsilon: float
 *
 * The mean is taken off before squares are added up: x may be large beside its deviation.
 */
#include <tilegraph/tile.h>

/* Where things are in UB. The second tile is the scratch of the sums until it holds the squares. */
#define UB_X 0u
#define UB_SQUARES (60u * 1024u)
#define UB_SCRATCH (120u * 1024u)
#define UB_MEAN (180u * 1024u)
#define UB_DEVIATION (182u * 1024u)

void kernel_entry(int64_t *args)
{
    const uint32_t rows = tg_arg_u32(args[3]), cols = tg_arg_u32(args[4]);
    const struct tg_global x_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, rows, cols, cols);
    const struct tg_global mean_gm = tg_global_dn(tg_arg_addr(args[1]), TG_FP32, rows, 1, rows);
    const struct tg_global deviation_gm = tg_global_dn(tg_arg_addr(args[2]), TG_FP32, rows, 1, rows);
    const float share = 1.0f / (float)cols;

    struct tg_tile x = tg_tile_vec(TG_FP32, rows, cols), squares = x, scratch = x;
    struct tg_tile mean = tg_tile_column(TG_FP32, rows), deviation = mean;
    /* Scalars of rows, once more as a row: arithmetic takes row-major tiles. */
    struct tg_tile mean_row = tg_tile_vec(TG_FP32, 1, rows), deviation_row = mean_row;
    TASSIGN(x, UB_X);
    TASSIGN(squares, UB_SQUARES);
    TASSIGN(scratch, UB_SCRATCH);
    TASSIGN(mean, UB_MEAN);
    TASSIGN(deviation, UB_DEVIATION);

    TLOAD(x, x_gm);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);

    TROWSUM(mean, x, scratch);
    pipe_barrier(PIPE_V);
    TRESHAPE(mean_row, mean);
    TMULS(mean_row, mean_row, share);
    pipe_barrier(PIPE_V);
    TROWEXPANDSUB(x, x, mean);
    pipe_barrier(PIPE_V);
    TMUL(squares, x, x);
    pipe_barrier(PIPE_V);
    TROWSUM(deviation, squares, scratch);
    pipe_barrier(PIPE_V);
    TRESHAPE(deviation_row, deviation);
    TMULS(deviation_row, deviation_row, share);
    pipe_barrier(PIPE_V);
    TADDS(deviation_row, deviation_row, tg_arg_f32(args[5]));
    pipe_barrier(PIPE_V);
    TSQRT(deviation_row, deviation_row);

    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(mean_gm, mean);
    TSTORE(deviation_gm, deviation);
    TDRAIN();
}
