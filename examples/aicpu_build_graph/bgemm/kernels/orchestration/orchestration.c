/*
 * orchestration.c - c[i] = a[i] x b[i] for each matrix of a batch, fp32, tile by tile.
 *
 * Tensors: a, b, c [batch][256][256]; the batch follows from their size. A tile of c is the sum of four products of
 * tiles. The first is written to c; the others go to memory of their own and are added to c, one after the other:
 *
 *     gemm 0 -> add 1 -> add 2 -> add 3          gemm k: p = a[row][k] x b[k][col], on a cube core
 *               ^        ^        ^              add k:  c[row][col] += p,          on a vector core
 *     gemm 1 ---+        |        |
 *     gemm 2 ------------+        |
 *     gemm 3 ---------------------+
 *
 * The products wait for nothing, and neither do tiles of c for each other. The order of the sum is fixed, so that the
 * result has the same bits in every run.
 */
#include <inttypes.h>
#include <tilegraph/orchestration.h>

enum { TENSOR_A, TENSOR_B, TENSOR_C, N_TENSORS };
enum { FUNC_GEMM = 0, FUNC_ADD = 1 };

#define TILE 64u /* rows and columns of a tile */
#define TILES 4u /* along each side of a matrix */
#define SIDE (TILES * TILE)
#define TILE_BYTES (TILE * TILE * 4u)
#define MATRIX_BYTES (SIDE * SIDE * 4u)

/* 0, or the run has failed with a reason. */
static int check_tensors(struct tg_runtime *rt, const uint64_t *args, int n_args)
{
    if (n_args != 2 * N_TENSORS + 1) {
        rt->aicpu_build_api.fail(rt, "bgemm takes 3 tensors (a, b, c), not %d", (n_args - 1) / 2);
        return -1;
    }
    const uint64_t *bytes = args + N_TENSORS;
    if (bytes[TENSOR_A] % MATRIX_BYTES || bytes[TENSOR_B] != bytes[TENSOR_A] || bytes[TENSOR_C] != bytes[TENSOR_A]) {
        rt->aicpu_build_api.fail(rt,
                                 "a, b and c have %" PRIu64 ", %" PRIu64 " and %" PRIu64
                                 " bytes: give all three the same "
                                 "number of fp32 matrices of 256 x 256",
                                 bytes[TENSOR_A], bytes[TENSOR_B], bytes[TENSOR_C]);
        return -1;
    }
    return 0;
}

/* The address of tile (row, col) of a matrix. */
static uint64_t tile_at(uint64_t matrix, uint64_t row, uint64_t col) { return matrix + (row * SIDE + col) * TILE * 4u; }

/* One tile of a product: p, whose rows are ld elements apart. The task, or -1. It waits for nothing. */
static int add_gemm(struct tg_runtime *rt, uint64_t a, uint64_t b, uint64_t p, uint64_t ld)
{
    const uint64_t args[] = {a, b, p, SIDE, SIDE, ld};
    const int task = tg_add_task(rt, args, 6, FUNC_GEMM, TG_AIC);
    if (task >= 0) tg_publish(rt, task);
    return task;
}

/* Add p to the tile c when both are there: `product` has made p, `before` was the last to write c. The task, or -1. */
static int add_sum(struct tg_runtime *rt, uint64_t c, uint64_t p, int product, int before)
{
    const uint64_t args[] = {c, p, SIDE, TILE};
    const int task = tg_add_task(rt, args, 4, FUNC_ADD, TG_AIV);
    if (task < 0) return -1;
    tg_add_edge(rt, product, task);
    tg_add_edge(rt, before, task);
    tg_publish(rt, task);
    return task;
}

/* Tile (row, col) of c. 0, or the run has failed with a reason. */
static int build_tile(struct tg_runtime *rt, uint64_t a, uint64_t b, uint64_t c, uint64_t row, uint64_t col)
{
    const uint64_t sum = tile_at(c, row, col);
    /* What gemm leaves for add. It is freed when the run ends. */
    const uint64_t products = tg_device_malloc_addr(rt, (TILES - 1) * TILE_BYTES);
    if (!products) return -1;
    int last = add_gemm(rt, tile_at(a, row, 0), tile_at(b, 0, col), sum, SIDE);
    for (uint64_t k = 1; k < TILES && last >= 0; k++) {
        const uint64_t p = products + (k - 1) * TILE_BYTES;
        const int product = add_gemm(rt, tile_at(a, row, k), tile_at(b, k, col), p, TILE);
        last = product < 0 ? -1 : add_sum(rt, sum, p, product, last);
    }
    return last < 0 ? -1 : 0;
}

/* All tiles of `bytes` bytes of matrices at addr[N_TENSORS]. */
static int build(struct tg_runtime *rt, const uint64_t *addr, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes; at += MATRIX_BYTES)
        for (uint64_t row = 0; row < TILES; row++)
            for (uint64_t col = 0; col < TILES; col++)
                if (build_tile(rt, addr[TENSOR_A] + at, addr[TENSOR_B] + at, addr[TENSOR_C] + at, row, col)) return -1;
    return 0;
}

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);
TG_PLUGIN_EXPORT int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args);

int orchestration(struct tg_runtime *rt)
{
    if (check_tensors(rt, rt->orch_args, rt->orch_argc)) return -1;
    return build(rt, rt->orch_args, rt->orch_args[N_TENSORS + TENSOR_A]);
}

int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    uint64_t addr[N_TENSORS];
    if (check_tensors(rt, args, n_args) || tg_host_place(rt, args, N_TENSORS, 1u << TENSOR_C, addr)) return -1;
    return build(rt, addr, args[N_TENSORS + TENSOR_A]);
}
