/*
 * orchestration.c - f = e^(b x w1 + b x w2) with b = sqrt(ln a): a diamond of four tasks.
 *
 *                 +--> matmul w1 --+
 *     log_sqrt ---+                +--> add_exp
 *                 +--> matmul w2 --+
 *
 * Tensors: a, w1, w2 [128][128] fp16; f [128][128] fp32. The two products do not wait for each other: they run on two
 * cube cores at the same time.
 */
#include <inttypes.h>
#include <tilegraph/orchestration.h>

enum { TENSOR_A, TENSOR_W1, TENSOR_W2, TENSOR_F, N_TENSORS };
enum { FUNC_LOG_SQRT = 0, FUNC_MATMUL = 1, FUNC_ADD_EXP = 2 };

#define SIZE 128u
#define FP16_BYTES (SIZE * SIZE * 2u)
#define FP32_BYTES (SIZE * SIZE * 4u)

static const char *const names[N_TENSORS] = {"a", "w1", "w2", "f"};
static const uint64_t sizes[N_TENSORS] = {FP16_BYTES, FP16_BYTES, FP16_BYTES, FP32_BYTES};

/* 0, or the run has failed with a reason. */
static int check_tensors(struct tg_runtime *rt, const uint64_t *args, int n_args)
{
    if (n_args != 2 * N_TENSORS + 1) {
        rt->aicpu_build_api.fail(rt, "matmul takes 4 tensors (a, w1, w2, f), not %d", (n_args - 1) / 2);
        return -1;
    }
    for (int i = 0; i < N_TENSORS; i++) {
        if (args[N_TENSORS + i] == sizes[i]) continue;
        rt->aicpu_build_api.fail(rt, "%s has %" PRIu64 " bytes, expected [128][128], %" PRIu64 " bytes", names[i],
                                 args[N_TENSORS + i], sizes[i]);
        return -1;
    }
    return 0;
}

/* Add a task that waits for `first` and `second`, either may be -1 for none, and publish it. The task, or -1. */
static int add(struct tg_runtime *rt, const uint64_t *args, int n_args, int func, enum tg_core_type core, int first,
               int second)
{
    const int task = tg_add_task(rt, args, n_args, func, core);
    if (task < 0) return -1;
    if (first >= 0) tg_add_edge(rt, first, task);
    if (second >= 0) tg_add_edge(rt, second, task);
    tg_publish(rt, task);
    return task;
}

static int build(struct tg_runtime *rt, const uint64_t *addr)
{
    /* What tasks hand to each other. It is freed when the run ends. */
    const uint64_t b = tg_device_malloc_addr(rt, FP16_BYTES);
    const uint64_t c = tg_device_malloc_addr(rt, FP32_BYTES), d = tg_device_malloc_addr(rt, FP32_BYTES);
    if (!b || !c || !d) return -1;

    const uint64_t log_sqrt_args[] = {addr[TENSOR_A], b, SIZE, SIZE};
    const uint64_t w1_args[] = {b, addr[TENSOR_W1], c, SIZE, SIZE, SIZE};
    const uint64_t w2_args[] = {b, addr[TENSOR_W2], d, SIZE, SIZE, SIZE};
    const uint64_t add_exp_args[] = {c, d, addr[TENSOR_F], SIZE, SIZE};

    const int log_sqrt = add(rt, log_sqrt_args, 4, FUNC_LOG_SQRT, TG_AIV, -1, -1);
    const int by_w1 = add(rt, w1_args, 6, FUNC_MATMUL, TG_AIC, log_sqrt, -1);
    const int by_w2 = add(rt, w2_args, 6, FUNC_MATMUL, TG_AIC, log_sqrt, -1);
    const int add_exp = add(rt, add_exp_args, 5, FUNC_ADD_EXP, TG_AIV, by_w1, by_w2);
    return log_sqrt < 0 || by_w1 < 0 || by_w2 < 0 || add_exp < 0 ? -1 : 0;
}

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);
TG_PLUGIN_EXPORT int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args);

int orchestration(struct tg_runtime *rt)
{
    return check_tensors(rt, rt->orch_args, rt->orch_argc) ? -1 : build(rt, rt->orch_args);
}

int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    uint64_t addr[N_TENSORS];
    if (check_tensors(rt, args, n_args) || tg_host_place(rt, args, N_TENSORS, 1u << TENSOR_F, addr)) return -1;
    return build(rt, addr);
}
