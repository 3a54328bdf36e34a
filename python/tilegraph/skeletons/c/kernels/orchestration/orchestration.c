/* orchestration.c - out = exp(a) + b, piece by piece.
 *
 * Tensors: a[n], b[n], out[n], fp32. Each piece is two tasks with an edge between them; pieces do not wait for each
 * other. The first tasks run while the last ones are not yet built.
 *
 *     exp[0] -> add[0]     exp[1] -> add[1]     ... */
#include <tilegraph/orchestration.h>

enum { A, B, OUT, N_TENSORS };
enum { FUNC_EXP = 0, FUNC_ADD = 1 }; /* the func_id of each kernel in kernel_config.py */

#define PIECE_ELEMENTS 4096u

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);

int orchestration(struct tg_runtime *rt)
{
    /* The device addresses of the tensors, their sizes in bytes, and the number of elements of the first one. */
    const uint64_t *addr = rt->orch_args, *bytes = addr + N_TENSORS;
    if (rt->orch_argc != 2 * N_TENSORS + 1 || bytes[B] != bytes[A] || bytes[OUT] != bytes[A]) {
        rt->aicpu_build_api.fail(rt, "expected 3 tensors of one size: a, b, out");
        return -1;
    }
    const uint64_t n = addr[2 * N_TENSORS], exp = tg_device_malloc_addr(rt, bytes[A]);
    if (!exp) return -1;

    for (uint64_t first = 0; first < n; first += PIECE_ELEMENTS) {
        const uint64_t left = n - first, piece = left < PIECE_ELEMENTS ? left : PIECE_ELEMENTS;
        const uint64_t at = first * sizeof(float);
        const uint64_t exp_args[] = {addr[A] + at, exp + at, piece};
        const uint64_t add_args[] = {exp + at, addr[B] + at, addr[OUT] + at, piece};

        const int exp_task = tg_add_task(rt, exp_args, 3, FUNC_EXP, TG_AIV);
        if (exp_task < 0) return -1; /* the run has failed with a reason */
        tg_publish(rt, exp_task);    /* it may run from here on */

        const int add_task = tg_add_task(rt, add_args, 4, FUNC_ADD, TG_AIV);
        if (add_task < 0) return -1;
        tg_add_edge(rt, exp_task, add_task); /* add reads what exp writes */
        tg_publish(rt, add_task);
    }
    return 0;
}
