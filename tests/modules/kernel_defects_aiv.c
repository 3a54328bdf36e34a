/*
 * kernel_defects_aiv.c - out = 2 * in + 1 for two matrices, and what a vector core can get wrong about it.
 *
 * args  0 matrices behind each other: device address; 1 enum defect; 2 first matrix that is read; 3 first that is
 * written
 */
#include <tilegraph/tile.h>

#include "defects.h"

static struct tg_tile place(uint32_t idx)
{
    struct tg_tile tile = tg_tile_vec(TG_FP32, DEFECT_DIM, DEFECT_DIM);
    TASSIGN(tile, idx * DEFECT_MATRIX_BYTES);
    return tile;
}

void kernel_entry(int64_t *args)
{
    const uint64_t matrices = tg_arg_addr(args[0]);
    const uint32_t defect = tg_arg_u32(args[1]), in = tg_arg_u32(args[2]), out = tg_arg_u32(args[3]);
    for (uint32_t i = 0; i < 2; i++) {
        const uint64_t from = matrices + (in + i) * DEFECT_MATRIX_BYTES,
                       to = matrices + (out + i) * DEFECT_MATRIX_BYTES;
        const struct tg_global in_gm = tg_global_nd(from, TG_FP32, DEFECT_DIM, DEFECT_DIM, DEFECT_DIM);
        const struct tg_global out_gm = tg_global_nd(to, TG_FP32, DEFECT_DIM, DEFECT_DIM, DEFECT_DIM);
        const struct tg_tile a = place(2 * i), b = place(2 * i + 1);
        const uint32_t loaded = defect == DEFECT_EVENT_REUSE ? 0 : i;
        TLOAD(a, in_gm);
        set_flag(PIPE_MTE2, PIPE_V, loaded);
        wait_flag(PIPE_MTE2, PIPE_V, loaded);
        TMULS(b, a, 2);
        if (defect != DEFECT_V_BARRIER) pipe_barrier(PIPE_V);
        TADDS(b, b, 1);
        /* Once by a flag of the two pipes, once by the scalar unit, which then issues the store. */
        const uint32_t stores = i == 0 ? PIPE_MTE3 : PIPE_S;
        if (stores == PIPE_MTE3 || defect != DEFECT_V_SCALAR) {
            set_flag(PIPE_V, stores, i);
            wait_flag(PIPE_V, stores, i);
        }
        TSTORE(out_gm, b);
    }
    if (defect != DEFECT_NO_DRAIN) TDRAIN();
}
