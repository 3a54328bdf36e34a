/*
 * orchestration.c - layer normalisation of rows, fp32, slice by slice:
 *
 *     y[r][c] = (x[r][c] - mean[r]) / deviation[r] * gamma[c] + beta[c]
 *
 * Tensors: x [rows][512], gamma [512], beta [512], y [rows][512]; the rows follow from the size of x. A slice of 24
 * rows is two tasks, of which the second takes what the first has found of the rows:
 *
 *     moments[0] -> normalize[0]     moments[1] -> normalize[1]     ...
 */
#include <inttypes.h>
#include <tilegraph/orchestration.h>

enum { TENSOR_X, TENSOR_GAMMA, TENSOR_BETA, TENSOR_Y, N_TENSORS };
enum { FUNC_MOMENTS = 0, FUNC_NORMALIZE = 1 };

#define COLS 512u
#define ROW_BYTES (COLS * 4u)
#define ROW_STEP 8u    /* rows are a multiple of it: a column of scalars takes whole 32-byte units */
#define SLICE_ROWS 24u /* three tiles of them fill UB */
#define EPSILON 1e-5f

static int refuse(struct tg_runtime *rt, const uint64_t *bytes)
{
    rt->aicpu_build_api.fail(rt,
                             "x, gamma, beta and y have %" PRIu64 ", %" PRIu64 ", %" PRIu64 " and %" PRIu64
                             " bytes: give [rows][512], [512], [512] and [rows][512] in fp32, rows a multiple of 8",
                             bytes[TENSOR_X], bytes[TENSOR_GAMMA], bytes[TENSOR_BETA], bytes[TENSOR_Y]);
    return -1;
}

/* 0, or the run has failed with a reason. */
static int check_tensors(struct tg_runtime *rt, const uint64_t *args, int n_args)
{
    if (n_args != 2 * N_TENSORS + 1) {
        rt->aicpu_build_api.fail(rt, "layernorm takes 4 tensors (x, gamma, beta, y), not %d", (n_args - 1) / 2);
        return -1;
    }
    const uint64_t *bytes = args + N_TENSORS;
    if (bytes[TENSOR_X] % (ROW_STEP * ROW_BYTES) || bytes[TENSOR_Y] != bytes[TENSOR_X]) return refuse(rt, bytes);
    return bytes[TENSOR_GAMMA] == ROW_BYTES && bytes[TENSOR_BETA] == ROW_BYTES ? 0 : refuse(rt, bytes);
}

/* Rows [row, row + n); moments has a mean and a deviation for each row. 0, or the run has failed with a reason. */
static int build_slice(struct tg_runtime *rt, const uint64_t *addr, uint64_t mean, uint64_t deviation, uint64_t row,
                       uint64_t n)
{
    const uint64_t x = addr[TENSOR_X] + row * ROW_BYTES, y = addr[TENSOR_Y] + row * ROW_BYTES;
    const uint64_t moments_args[] = {x, mean + row * 4u, deviation + row * 4u, n, COLS, tg_pack_f32(EPSILON)};
    const uint64_t normalize_args[] = {
        x, mean + row * 4u, deviation + row * 4u, addr[TENSOR_GAMMA], addr[TENSOR_BETA], y, n, COLS};

    const int moments = tg_add_task(rt, moments_args, 6, FUNC_MOMENTS, TG_AIV);
    if (moments < 0) return -1;
    tg_publish(rt, moments);

    const int normalize = tg_add_task(rt, normalize_args, 8, FUNC_NORMALIZE, TG_AIV);
    if (normalize < 0) return -1;
    tg_add_edge(rt, moments, normalize);
    tg_publish(rt, normalize);
    return 0;
}

/* All slices of `bytes` bytes of rows at addr[N_TENSORS]. */
static int build(struct tg_runtime *rt, const uint64_t *addr, uint64_t bytes)
{
    const uint64_t rows = bytes / ROW_BYTES;
    /* What moments leaves for normalize. It is freed when the run ends. */
    const uint64_t mean = tg_device_malloc_addr(rt, rows * 4u), deviation = tg_device_malloc_addr(rt, rows * 4u);
    if (!mean || !deviation) return -1;
    for (uint64_t row = 0; row < rows; row += SLICE_ROWS) {
        const uint64_t n = rows - row < SLICE_ROWS ? rows - row : SLICE_ROWS;
        if (build_slice(rt, addr, mean, deviation, row, n)) return -1;
    }
    return 0;
}

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);
TG_PLUGIN_EXPORT int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args);

int orchestration(struct tg_runtime *rt)
{
    if (check_tensors(rt, rt->orch_args, rt->orch_argc)) return -1;
    return build(rt, rt->orch_args, rt->orch_args[N_TENSORS + TENSOR_X]);
}

int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    uint64_t addr[N_TENSORS];
    if (check_tensors(rt, args, n_args) || tg_host_place(rt, args, N_TENSORS, 1u << TENSOR_Y, addr)) return -1;
    return build(rt, addr, args[N_TENSORS + TENSOR_X]);
}
