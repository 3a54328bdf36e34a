/*
 * kernel_defects_aic.c - out = in x in for two matrices through one place in each buffer, and what a cube core can get
 * wrong about it. args as those of kernel_defects_aiv.c.
 */
#include <stdbool.h>
#include <tilegraph/tile.h>

#include "defects.h"

static void hand_over(bool does, uint32_t from, uint32_t to, uint32_t event)
{
    if (!does) return;
    set_flag(from, to, event);
    wait_flag(from, to, event);
}

void kernel_entry(int64_t *args)
{
    const uint64_t matrices = tg_arg_addr(args[0]);
    const uint32_t defect = tg_arg_u32(args[1]), in = tg_arg_u32(args[2]), out = tg_arg_u32(args[3]);
    struct tg_tile l1 = tg_tile_mat(TG_FP32, DEFECT_DIM, DEFECT_DIM);
    struct tg_tile l0a = tg_tile_left(TG_FP32, DEFECT_DIM, DEFECT_DIM);
    struct tg_tile l0b = tg_tile_right(TG_FP32, DEFECT_DIM, DEFECT_DIM);
    TASSIGN(l1, 0);
    TASSIGN(l0a, 0);
    TASSIGN(l0b, 0);
    for (uint32_t i = 0; i < 2; i++) {
        const uint64_t from = matrices + (in + i) * DEFECT_MATRIX_BYTES,
                       to = matrices + (out + i) * DEFECT_MATRIX_BYTES;
        const struct tg_global in_gm = tg_global_nd(from, TG_FP32, DEFECT_DIM, DEFECT_DIM, DEFECT_DIM);
        const struct tg_global out_gm = tg_global_nd(to, TG_FP32, DEFECT_DIM, DEFECT_DIM, DEFECT_DIM);
        struct tg_tile l0c = tg_tile_acc(DEFECT_DIM, DEFECT_DIM);
        TASSIGN(l0c, i * tg_tile_bytes(&l0c));
        hand_over(i > 0 && defect != DEFECT_WAR_L1, PIPE_MTE1, PIPE_MTE2, 0);
        TLOAD(l1, in_gm);
        hand_over(defect != DEFECT_RAW_L1, PIPE_MTE2, PIPE_MTE1, i);
        hand_over(i > 0 && defect != DEFECT_WAR_L0, PIPE_M, PIPE_MTE1, 0);
        TMOV(l0a, l1);
        TMOV(l0b, l1);
        hand_over(defect != DEFECT_RAW_L0, PIPE_MTE1, PIPE_M, i);
        TMATMUL(l0c, l0a, l0b);
        hand_over(true, PIPE_M, PIPE_FIX, i);
        TSTORE(out_gm, l0c);
    }
    TDRAIN();
}
