/* first = a x b + bias, and second = fp16(first) x c. b lies in device memory in blocks of 32 bytes of columns.
 *
 * args   0 a [20][40] fp16, 1 b [40][32] fp16 in NZ, 2 bias [32] fp32, 3 c [32][24] fp16; written: 4 first [20][32]
 *        fp32, 5 second [20][24] fp32 */
#include <tilegraph/tile.h>

enum { M = 20, K = 40, N = 32, P = 24 };

static void load(struct tg_tile *tile, struct tg_global global, uint32_t place)
{
    TASSIGN(*tile, place);
    TLOAD(*tile, global);
}

static void order(enum tg_pipe from, enum tg_pipe to)
{
    set_flag(from, to, EVENT_ID0);
    wait_flag(from, to, EVENT_ID0);
}

void kernel_entry(int64_t *args)
{
    struct tg_tile a_mat = tg_tile_mat(TG_FP16, M, K), b_mat = tg_tile_mat(TG_FP16, K, N);
    struct tg_tile c_mat = tg_tile_mat(TG_FP16, N, P), bias_row = tg_tile_mat_row(TG_FP32, N);
    struct tg_tile rounded = tg_tile_mat(TG_FP16, M, N);
    struct tg_tile left = tg_tile_left(TG_FP16, M, K), right = tg_tile_right(TG_FP16, K, N);
    struct tg_tile left2 = tg_tile_left(TG_FP16, M, N), right2 = tg_tile_right(TG_FP16, N, P);
    struct tg_tile bias = tg_tile_bias(TG_FP32, N), acc = tg_tile_acc(M, N), acc2 = tg_tile_acc(M, P);
    TASSIGN(rounded, 0x8000);
    TASSIGN(left, 0);
    TASSIGN(right, 0);
    TASSIGN(left2, 0x4000);
    TASSIGN(right2, 0x4000);
    TASSIGN(bias, 0);
    TASSIGN(acc, 0);
    TASSIGN(acc2, 0x4000);
    load(&a_mat, tg_global_nd(tg_arg_addr(args[0]), TG_FP16, M, K, K), 0);
    load(&b_mat, tg_global_nz(tg_arg_addr(args[1]), TG_FP16, K, N, K), 0x2000);
    load(&bias_row, tg_global_nd(tg_arg_addr(args[2]), TG_FP32, 1, N, N), 0x4000);
    load(&c_mat, tg_global_nd(tg_arg_addr(args[3]), TG_FP16, N, P, P), 0x6000);
    order(PIPE_MTE2, PIPE_MTE1);
    TMOV(left, a_mat);
    TMOV(right, b_mat);
    TMOV(bias, bias_row);
    TEXTRACT(right2, c_mat, 0, 0);
    order(PIPE_MTE1, PIPE_M);
    TMATMUL_BIAS(acc, left, right, bias);
    order(PIPE_M, PIPE_FIX);
    struct tg_global first = tg_global_nd(tg_arg_addr(args[4]), TG_FP32, M, N, N);
    struct tg_global second = tg_global_nd(tg_arg_addr(args[5]), TG_FP32, M, P, P);
    TSTORE(first, acc);
    TMOV(rounded, acc);
    order(PIPE_FIX, PIPE_MTE1);
    TMOV(left2, rounded);
    order(PIPE_MTE1, PIPE_M);
    TMATMUL(acc2, left2, right2);
    order(PIPE_M, PIPE_FIX);
    TSTORE(second, acc2);
    TDRAIN();
}
