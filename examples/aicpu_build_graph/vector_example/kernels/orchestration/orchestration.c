/*
 * orchestration.c - out = (a + b) * 2, piece by piece.
 *
 * Tensors: a[n], b[n], out[n], fp32. Each piece of the vectors is two tasks with an edge between them. Pieces
 * do not wait for each other. So the cores share them, and work on the first while the last are being built.
 *
 *     add[0] -> scale[0]     add[1] -> scale[1]     ...
 */
#include <inttypes.h>
#include <tilegraph/orchestration.h>

enum { TENSOR_A, TENSOR_B, TENSOR_OUT, N_TENSORS };
enum { FUNC_ADD = 0, FUNC_SCALE = 1 };

/* 16 KiB a piece: from this size on a transfer between GM and UB runs at nearly full speed. */
#define PIECE_ELEMENTS 4096u

/* Look at the arguments: n addresses, n byte sizes, the element count of `a`. 0, or the run has failed with a
 * reason. */
static int check_tensors(struct tg_runtime *rt, const uint64_t *args, int n_args)
{
    if (n_args != 2 * N_TENSORS + 1) {
        rt->aicpu_build_api.fail(rt, "vector_example takes 3 tensors (a, b, out), not %d", (n_args - 1) / 2);
        return -1;
    }
    const uint64_t *bytes = args + N_TENSORS;
    if (bytes[TENSOR_A] % sizeof(float) || bytes[TENSOR_B] != bytes[TENSOR_A] || bytes[TENSOR_OUT] != bytes[TENSOR_A]) {
        rt->aicpu_build_api.fail(rt,
                                 "a, b and out have %" PRIu64 ", %" PRIu64 " and %" PRIu64 " bytes: give all three the "
                                 "same number of fp32 elements",
                                 bytes[TENSOR_A], bytes[TENSOR_B], bytes[TENSOR_OUT]);
        return -1;
    }
    return 0;
}

/* The two tasks of n elements. 0, or the run has failed with a reason. */
static int build_piece(struct tg_runtime *rt, uint64_t a, uint64_t b, uint64_t sum, uint64_t out, uint64_t n)
{
    const uint64_t add_args[] = {a, b, sum, n};
    const uint64_t scale_args[] = {sum, out, n, tg_pack_f32(2.0f)};

    const int add = tg_add_task(rt, add_args, 4, FUNC_ADD, TG_AIV);
    if (add < 0) return -1;
    tg_publish(rt, add); /* it may run from here on */

    const int scale = tg_add_task(rt, scale_args, 4, FUNC_SCALE, TG_AIV);
    if (scale < 0) return -1;
    tg_add_edge(rt, add, scale);
    tg_publish(rt, scale);
    return 0;
}

/* All pieces of vectors of `bytes` bytes at addr[N_TENSORS]. */
static int build(struct tg_runtime *rt, const uint64_t *addr, uint64_t bytes)
{
    /* Where add leaves what scale takes. Not freed here: tasks still use it. It is freed when the run ends. */
    const uint64_t sum = tg_device_malloc_addr(rt, bytes), step = PIECE_ELEMENTS * sizeof(float);
    if (!sum) return -1;
    for (uint64_t at = 0; at < bytes; at += step) {
        const uint64_t n = (bytes - at < step ? bytes - at : step) / sizeof(float);
        if (build_piece(rt, addr[TENSOR_A] + at, addr[TENSOR_B] + at, sum + at, addr[TENSOR_OUT] + at, n)) return -1;
    }
    return 0;
}

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);
TG_PLUGIN_EXPORT int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args);

/* On the AICPU, while the first tasks run: the arguments are device addresses. */
int orchestration(struct tg_runtime *rt)
{
    if (check_tensors(rt, rt->orch_args, rt->orch_argc)) return -1;
    return build(rt, rt->orch_args, rt->orch_args[N_TENSORS + TENSOR_A]);
}

/* On the host, before the launch: the arguments are host addresses. */
int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    uint64_t addr[N_TENSORS];
    if (check_tensors(rt, args, n_args) || tg_host_place(rt, args, N_TENSORS, 1u << TENSOR_OUT, addr)) return -1;
    return build(rt, addr, args[N_TENSORS + TENSOR_A]);
}
