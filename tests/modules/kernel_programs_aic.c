/* kernel_programs_aic.c - programs of a cube core in the manner of operator libraries. See programs.h. */
#include "program_sites.h"

static struct tg_tile cube(uint32_t kind, uint32_t rows, uint32_t cols, uint32_t offset)
{
    struct tg_tile t = tg_tile_cube(kind, TG_FP32, rows, cols);
    TASSIGN(t, offset);
    return t;
}

static struct tg_global nd(uint64_t at, uint32_t rows, uint32_t cols, uint32_t ld)
{
    return tg_global_nd(at, TG_FP32, rows, cols, ld);
}

/* c[32][32] = a[32][128] x b[128][32], k in steps of 32: two sets of buffers in L1 and in L0, an accumulator. */
static void matmul_in_turn(const struct program *k)
{
    enum { M = 32, N = 32, K = 128, STEP = 32, L1_SET = 16384, L0_SET = 8192 };
    const struct tg_tile c = cube(TG_ACC, M, N, 0);
    SET(PIPE_MTE1, PIPE_MTE2, EVENT_ID0);
    SET(PIPE_MTE1, PIPE_MTE2, EVENT_ID1);
    SET(PIPE_M, PIPE_MTE1, EVENT_ID0);
    SET(PIPE_M, PIPE_MTE1, EVENT_ID1);
    for (uint32_t at = 0; at < K; at += STEP) {
        const uint32_t set = at / STEP & 1u;
        const struct tg_global a_gm = nd(part(k, PART_X, at * 4), M, STEP, K);
        const struct tg_global b_gm = nd(part(k, PART_Y, at * N * 4), STEP, N, N);
        const struct tg_tile a_l1 = cube(TG_MAT, M, STEP, PICK(set, 0) * L1_SET);
        const struct tg_tile b_l1 = cube(TG_MAT, STEP, N, set * L1_SET + PICK(8192, 2048));
        const struct tg_tile a = cube(TG_LEFT, M, STEP, PICK(set, 1) * L0_SET);
        const struct tg_tile b = cube(TG_RIGHT, STEP, N, PICK(set, 0) * L0_SET);
        WAIT(PIPE_MTE1, PIPE_MTE2, set);
        TLOAD(a_l1, a_gm);
        DO(TLOAD(b_l1, b_gm));
        SET(PIPE_MTE2, PIPE_MTE1, set);
        WAIT(PIPE_MTE2, PIPE_MTE1, PICK(set, !set));
        WAIT(PIPE_M, PIPE_MTE1, set);
        TMOV(a, a_l1);
        DO(TMOV(b, b_l1));
        SET(PIPE_MTE1, PIPE_MTE2, set);
        SET(PIPE_MTE1, PIPE_M, set);
        WAIT(PIPE_MTE1, PIPE_M, set);
        if (at == PICK(0, STEP)) {
            TMATMUL(c, a, b);
        } else {
            BARRIER(PIPE_M);
            TMATMUL_ACC(c, a, b);
        }
        SET(PIPE_M, PIPE_MTE1, set);
    }
    WAIT(PIPE_MTE1, PIPE_MTE2, EVENT_ID0);
    WAIT(PIPE_MTE1, PIPE_MTE2, EVENT_ID1);
    WAIT(PIPE_M, PIPE_MTE1, EVENT_ID0);
    WAIT(PIPE_M, PIPE_MTE1, EVENT_ID1);
    const struct tg_global c_gm = nd(part(k, PART_OUT, 0), M, N, N);
    HAND_OVER(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(c_gm, c);
    BARRIER(PIPE_ALL);
}

/* a stays in L1 and is cut into windows; the transposed b comes by columns; sizes that are no multiples of 16. */
static void windows(const struct program *k)
{
    enum { M = 20, N = 24, K = 64, STEP = 16 };
    const struct tg_global a_gm = nd(part(k, PART_X, 0), M, PICK(K, K - 16), K);
    const struct tg_global b_gm = tg_global_dn(part(k, PART_Y, 0), TG_FP32, K, N, K),
                           c_gm = nd(part(k, PART_OUT, 0), M, N, N);
    struct tg_tile a_l1 = cube(TG_MAT, M, K, 0), b_l1 = tg_tile_mat_zn(TG_FP32, K, N),
                   loaded = cube(TG_MAT, M, a_gm.shape[4], 0);
    const struct tg_tile c = cube(TG_ACC, M, N, 0);
    TASSIGN(b_l1, PICK(32768, 4096));
    TLOAD(loaded, a_gm);
    TLOAD(b_l1, b_gm);
    HAND_OVER(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    for (uint32_t at = 0; at < K; at += STEP) {
        const uint32_t set = at / STEP & 1u;
        const struct tg_tile a = cube(TG_LEFT, M, STEP, set * 4096), b = cube(TG_RIGHT, STEP, N, set * 4096);
        if (at >= 2 * STEP) {
            WAIT(PIPE_M, PIPE_MTE1, set);
        }
        TEXTRACT(a, a_l1, 0, at);
        TEXTRACT(b, b_l1, at, 0);
        HAND_OVER(PIPE_MTE1, PIPE_M, set);
        if (at == 0) {
            TMATMUL(c, a, b);
        } else {
            BARRIER(PIPE_M);
            TMATMUL_ACC(c, a, b);
        }
        if (at + 2 * STEP < K) {
            SET(PIPE_M, PIPE_MTE1, set);
        }
    }
    HAND_OVER(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(c_gm, c);
    HAND_OVER(PIPE_FIX, PIPE_S, EVENT_ID0);
}

/* Many small tiles of the output: two accumulators, stored while the next one is computed; b is loaded once. */
static void two_accumulators(const struct program *k)
{
    enum { M = 16, N = 32, K = 32, TILES = 5 };
    const struct tg_global b_gm = nd(part(k, PART_Y, 0), K, N, N);
    const struct tg_tile b_l1 = cube(TG_MAT, K, N, 65536), b = cube(TG_RIGHT, K, N, 0);
    TLOAD(b_l1, b_gm);
    HAND_OVER(PIPE_MTE2, PIPE_MTE1, EVENT_ID2);
    TMOV(b, b_l1);
    for (uint32_t i = 0; i < TILES; i++) {
        const uint32_t set = i & 1u;
        const struct tg_global a_gm = nd(part(k, PART_X, i * M * K * 4), M, K, K);
        const struct tg_global c_gm = nd(part(k, PART_OUT, i * M * N * 4), M, N, N);
        const struct tg_tile a_l1 = cube(TG_MAT, M, K, set * 2048), a = cube(TG_LEFT, M, K, set * 2048);
        const struct tg_tile c = cube(TG_ACC, M, N, PICK(set, 0) * 2048);
        if (i >= 2) {
            WAIT(PIPE_MTE1, PIPE_MTE2, set);
        }
        TLOAD(a_l1, a_gm);
        HAND_OVER(PIPE_MTE2, PIPE_MTE1, set);
        if (i >= 2) {
            WAIT(PIPE_M, PIPE_MTE1, set);
        }
        TMOV(a, a_l1);
        if (i + 2 < TILES) {
            SET(PIPE_MTE1, PIPE_MTE2, set);
        }
        HAND_OVER(PIPE_MTE1, PIPE_M, set);
        if (i >= 2) {
            WAIT(PIPE_FIX, PIPE_M, set);
        }
        TMATMUL(c, a, b);
        if (i + 2 < TILES) {
            SET(PIPE_M, PIPE_MTE1, set);
        }
        HAND_OVER(PIPE_M, PIPE_FIX, set);
        TSTORE(c_gm, c);
        if (i + 2 < TILES) {
            SET(PIPE_FIX, PIPE_M, set);
        }
    }
    DO(TDRAIN());
}

/* (a x b) x c: the first product goes from L0C back to L1. */
static void chained(const struct program *k)
{
    enum { N = 32, BYTES = N * N * 4 };
    const struct tg_global a_gm = nd(part(k, PART_X, 0), N, N, N), b_gm = nd(part(k, PART_Y, 0), N, N, N);
    const struct tg_global c_gm = nd(part(k, PART_Y, BYTES), N, N, N), out_gm = nd(part(k, PART_OUT, 0), N, N, N);
    const struct tg_tile a_l1 = cube(TG_MAT, N, N, 0), b_l1 = cube(TG_MAT, N, N, BYTES),
                         c_l1 = cube(TG_MAT, N, N, 2 * BYTES);
    const struct tg_tile ab_l1 = cube(TG_MAT, N, N, PICK(3 * BYTES, 2 * BYTES)), left = cube(TG_LEFT, N, N, 0);
    const struct tg_tile right = cube(TG_RIGHT, N, N, 0), acc = cube(TG_ACC, N, N, 0);
    TLOAD(a_l1, a_gm);
    TLOAD(b_l1, b_gm);
    SET(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    TLOAD(c_l1, c_gm);
    SET(PIPE_MTE2, PIPE_MTE1, EVENT_ID1);
    WAIT(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    TMOV(left, a_l1);
    TMOV(right, b_l1);
    HAND_OVER(PIPE_MTE1, PIPE_M, EVENT_ID0);
    TMATMUL(acc, left, right);
    HAND_OVER(PIPE_M, PIPE_FIX, EVENT_ID0);
    TMOV(ab_l1, acc);
    HAND_OVER(PIPE_FIX, PIPE_MTE1, EVENT_ID0);
    WAIT(PIPE_MTE2, PIPE_MTE1, EVENT_ID1);
    TMOV(left, ab_l1);
    TMOV(right, c_l1);
    HAND_OVER(PIPE_MTE1, PIPE_M, EVENT_ID1);
    TMATMUL(acc, left, right);
    HAND_OVER(PIPE_M, PIPE_FIX, EVENT_ID1);
    TSTORE(out_gm, acc);
    DO(TDRAIN());
}

/* Parts of k are added in device memory, in whatever order. */
static void split_k(const struct program *k)
{
    enum { N = 16, K = 48 };
    const struct tg_global out_gm = nd(part(k, PART_OUT, 0), N, N, N);
    for (uint32_t i = 0; i < 3; i++) {
        const struct tg_global a_gm = nd(part(k, PART_X, i * N * 4), N, N, K),
                               b_gm = nd(part(k, PART_Y, i * N * N * 4), N, N, N);
        const struct tg_tile a_l1 = cube(TG_MAT, N, N, i * 2048), b_l1 = cube(TG_MAT, N, N, i * 2048 + PICK(1024, 0));
        const struct tg_tile a = cube(TG_LEFT, N, N, i * 1024), b = cube(TG_RIGHT, N, N, i * 1024);
        const struct tg_tile c = cube(TG_ACC, N, N, i * PICK(1024, 0));
        TLOAD(a_l1, a_gm);
        TLOAD(b_l1, b_gm);
        HAND_OVER(PIPE_MTE2, PIPE_MTE1, i);
        TMOV(a, a_l1);
        TMOV(b, b_l1);
        HAND_OVER(PIPE_MTE1, PIPE_M, i);
        TMATMUL(c, a, b);
        HAND_OVER(PIPE_M, PIPE_FIX, i);
        TSTORE_ADD(out_gm, c);
    }
    DO(TDRAIN());
}

/* One large load into L1, moved by blocks of columns: each block is a tile of the same rows. */
static void blocks_of_columns(const struct program *k)
{
    enum { M = 32, K = 64, N = 16, STEP = 16, BLOCK = M * STEP * 4 };
    const struct tg_global a_gm = nd(part(k, PART_X, 0), M, K, K), b_gm = nd(part(k, PART_Y, 0), K, N, N);
    const struct tg_global c_gm = nd(part(k, PART_OUT, 0), M, N, N);
    const struct tg_tile a_l1 = cube(TG_MAT, M, K, 0), b_l1 = cube(TG_MAT, K, N, 32768), b = cube(TG_RIGHT, K, N, 0);
    const struct tg_tile c = cube(TG_ACC, M, N, 0);
    TLOAD(a_l1, a_gm);
    TLOAD(b_l1, b_gm);
    HAND_OVER(PIPE_MTE2, PIPE_MTE1, EVENT_ID0);
    TMOV(b, b_l1);
    for (uint32_t i = 0; i < K / STEP; i++) {
        const struct tg_tile block = cube(TG_MAT, M, STEP, i * PICK(BLOCK, BLOCK / 4)),
                             a = cube(TG_LEFT, M, STEP, i * BLOCK);
        struct tg_tile rows = cube(TG_RIGHT, STEP, N, i * STEP * N * 4);
        TMOV(a, block);
        HAND_OVER(PIPE_MTE1, PIPE_M, i);
        if (i > 0) {
            BARRIER(PIPE_M);
            TMATMUL_ACC(c, a, rows);
        } else {
            TMATMUL(c, a, rows);
        }
    }
    HAND_OVER(PIPE_M, PIPE_FIX, EVENT_ID0);
    TSTORE(c_gm, c);
    DO(TDRAIN());
}

#define PROGRAMS(X)                                                                                                    \
    X(matmul_in_turn)                                                                                                  \
    X(windows)                                                                                                         \
    X(two_accumulators)                                                                                                \
    X(chained)                                                                                                         \
    X(split_k)                                                                                                         \
    X(blocks_of_columns)

#include "program_list.h"
