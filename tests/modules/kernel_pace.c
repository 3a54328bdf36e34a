/*
 * kernel_pace.c - a kernel that takes as long as it is told, and touches no device memory.
 *
 * args  0 not used; 1 n: instructions to issue one after the other
 *       2 cube: 1 on a cube core (a row of 128 times 128 x 128 fp32, 16 x 8 fractals), 0 on a vector core (64 scalars
 *         into rows of 8 fp32): little work for who simulates it, much for the core
 */
#include <tilegraph/tile.h>

#define SIZE 128u
#define ROWS 64u

static void multiply(uint32_t n)
{
    struct tg_tile left = tg_tile_left(TG_FP32, 1, SIZE), right = tg_tile_right(TG_FP32, SIZE, SIZE);
    struct tg_tile acc = tg_tile_acc(1, SIZE);
    TASSIGN(left, 0);
    TASSIGN(right, 0);
    TASSIGN(acc, 0);
    for (uint32_t i = 0; i < n; i++) {
        TMATMUL(acc, left, right);
        pipe_barrier(PIPE_M);
    }
}

static void expand(uint32_t n)
{
    struct tg_tile rows = tg_tile_vec(TG_FP32, ROWS, 8), column = tg_tile_column(TG_FP32, ROWS);
    TASSIGN(rows, 0);
    TASSIGN(column, ROWS * 8 * 4);
    for (uint32_t i = 0; i < n; i++) {
        TROWEXPAND(rows, column);
        pipe_barrier(PIPE_V);
    }
}

void kernel_entry(int64_t *args)
{
    const uint32_t n = tg_arg_u32(args[1]);
    if (tg_arg_u32(args[2])) multiply(n);
    else expand(n);
    TDRAIN();
}
