/*
 * kernel_long.c - doubles 64 numbers again and again, with two tiles in turn: as many instructions as a test wants.
 *
 * args  0 data: fp32; 1 own: number of this task; 2 rounds, of LONG_ROUND instructions each
 *
 * The first LONG_NUMBERS of the data are read. Those from LONG_PLACE * (own + 1) on are written. Between the rounds the
 * kernel loads a number by plain C, and stores the sum of those behind its results.
 */
#include <tilegraph/tile.h>

#include "long.h"

enum { N = LONG_NUMBERS };

void kernel_entry(int64_t *args)
{
    const uint32_t own = tg_arg_u32(args[1]), rounds = tg_arg_u32(args[2]);
    const uint64_t in = tg_arg_addr(args[0]), out = in + LONG_PLACE * (own + 1) * sizeof(float);
    const volatile float *numbers = (const volatile float *)(uintptr_t)in;
    const struct tg_global from = tg_global_nd(in, TG_FP32, 1, N, N), to = tg_global_nd(out, TG_FP32, 1, N, N);
    struct tg_tile tiles[2];
    float sum = 0;
    for (uint32_t i = 0; i < 2; i++) {
        tiles[i] = tg_tile_vec(TG_FP32, 1, N);
        TASSIGN(tiles[i], i * 1024);
        set_flag(PIPE_MTE3, PIPE_MTE2, i);
    }
    for (uint32_t round = 0; round < rounds; round++) {
        const uint32_t i = round % 2;
        wait_flag(PIPE_MTE3, PIPE_MTE2, i);
        TLOAD(tiles[i], from);
        set_flag(PIPE_MTE2, PIPE_V, i);
        wait_flag(PIPE_MTE2, PIPE_V, i);
        TADD(tiles[i], tiles[i], tiles[i]);
        set_flag(PIPE_V, PIPE_MTE3, i);
        wait_flag(PIPE_V, PIPE_MTE3, i);
        pipe_barrier(PIPE_MTE3); /* both tiles go to one place */
        TSTORE(to, tiles[i]);
        set_flag(PIPE_MTE3, PIPE_MTE2, i);
        if (round % LONG_STRIDE == 0) sum += numbers[round / LONG_STRIDE % N];
    }
    for (uint32_t i = 0; i < 2; i++) wait_flag(PIPE_MTE3, PIPE_MTE2, i);
    volatile float *behind = (volatile float *)(uintptr_t)(out + N * sizeof *numbers);
    behind[0] = sum;
    dcci(out + N * sizeof *numbers, TG_CACHE_LINE);
    dsb();
    TDRAIN();
}
