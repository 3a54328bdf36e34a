/*
 * aiv_normalize.c - y[r][c] = (x[r][c] - mean[r]) / deviation[r] * gamma[c] + beta[c], fp32, on a vector core.
 *
 * args   0 x [rows][cols], 1 mean [rows], 2 deviation [rows], 3 gamma [cols], 4 beta [cols], 5 y [rows][cols]:
 *        device addresses, rows contiguous
 *        6 rows, a multiple of 8; 7 cols, a multiple of 8; rows * cols is at most 32768 (a tile of 128 KiB)
 */
#include <tilegraph/tile.h>

#define UB_X 0u
#define UB_GAMMA (128u * 1024u)
#define UB_BETA (146u * 1024u)
#define UB_MEAN (164u * 1024u)
#define UB_DEVIATION (174u * 1024u)

void kernel_entry(int64_t *args)
{
    const uint32_t rows = tg_arg_u32(args[6]), cols = tg_arg_u32(args[7]);
    const struct tg_global x_gm = tg_global_nd(tg_arg_addr(args[0]), TG_FP32, rows, cols, cols);
    const struct tg_global mean_gm = tg_global_dn(tg_arg_addr(args[1]), TG_FP32, rows, 1, rows);
    const struct tg_global deviation_gm = tg_global_dn(tg_arg_addr(args[2]), TG_FP32, rows, 1, rows);
    const struct tg_global gamma_gm = tg_global_nd(tg_arg_addr(args[3]), TG_FP32, 1, cols, cols);
    const struct tg_global beta_gm = tg_global_nd(tg_arg_addr(args[4]), TG_FP32, 1, cols, cols);
    const struct tg_global y_gm = tg_global_nd(tg_arg_addr(args[5]), TG_FP32, rows, cols, cols);

    struct tg_tile x = tg_tile_vec(TG_FP32, rows, cols), gamma = tg_tile_vec(TG_FP32, 1, cols), beta = gamma;
    struct tg_tile mean = tg_tile_column(TG_FP32, rows), deviation = mean;
    TASSIGN(x, UB_X);
    TASSIGN(gamma, UB_GAMMA);
    TASSIGN(beta, UB_BETA);
    TASSIGN(mean, UB_MEAN);
    TASSIGN(deviation, UB_DEVIATION);

    TLOAD(x, x_gm);
    TLOAD(mean, mean_gm);
    TLOAD(deviation, deviation_gm);
    TLOAD(gamma, gamma_gm);
    TLOAD(beta, beta_gm);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);

    TROWEXPANDSUB(x, x, mean);
    pipe_barrier(PIPE_V);
    TROWEXPANDDIV(x, x, deviation);
    pipe_barrier(PIPE_V);
    TCOLEXPANDMUL(x, x, gamma);
    pipe_barrier(PIPE_V);
    TCOLEXPANDADD(x, x, beta);

    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(y_gm, x);
    TDRAIN();
}
