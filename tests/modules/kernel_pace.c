/*
 * kernel_pace.c - a kernel that takes as long as it is told, and touches no memory.
 *
 * args  0 not used; 1 n: instructions to issue one after the other; 2 cube: 1 on a cube core (a product of 64 x 64 x 64
 *       fp32), 0 on a vector core (e^x of 64 x 64 fp32)
 */
#include <tilegraph/tile.h>

#define SIZE 64u

static void multiply(uint32_t n)
{
    struct tg_tile left = tg_tile_left(TG_FP32, SIZE, SIZE), right = tg_tile_right(TG_FP32, SIZE, SIZE);
    struct tg_tile acc = tg_tile_acc(SIZE, SIZE);
    TASSIGN(left, 0);
    TASSIGN(right, 0);
    TASSIGN(acc, 0);
    for (uint32_t i = 0; i < n; i++) {
        TMATMUL(acc, left, right);
        pipe_barrier(PIPE_M);
    }
}

static void exponentiate(uint32_t n)
{
    struct tg_tile tile = tg_tile_vec(TG_FP32, SIZE, SIZE);
    TASSIGN(tile, 0);
    for (uint32_t i = 0; i < n; i++) {
        TEXP(tile, tile);
        pipe_barrier(PIPE_V);
    }
}

void kernel_entry(int64_t *args)
{
    const uint32_t n = tg_arg_u32(args[1]);
    if (tg_arg_u32(args[2])) multiply(n);
    else exponentiate(n);
}
