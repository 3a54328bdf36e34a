/*
 * leaves_state.c - a kernel and plugins that change the state of their thread, and compute what depends on it.
 *
 * The first tensor is int64 {who, enum left_state}, the second STATE_VALUES fp32, the third STATE_TASKS times
 * STATE_FLOATS fp32: what each task computes from the second, in four ways.
 *
 * Kernel args  0 values; 1 out; 2 enum left_state
 */
#define _GNU_SOURCE 1 /* feenableexcept */

#include <fenv.h>
#include <stdbool.h>
#include <string.h>
#include <tilegraph/orchestration.h>
#include <tilegraph/tile.h>

#include "leaves_state.h"

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);
TG_PLUGIN_EXPORT int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args);

static void flush_subnormals(void)
{
#if defined(__x86_64__)
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
#elif defined(__aarch64__)
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr | (1u << 24)));
#endif
}

static void leave(int64_t what)
{
    switch ((enum left_state)what) {
    case LEFT_UPWARD: fesetround(FE_UPWARD); break;
    case LEFT_FLUSH: flush_subnormals(); break;
    case LEFT_TRAPS: feenableexcept(FE_ALL_EXCEPT); break;
#if defined(__x86_64__)
    case LEFT_X87: __asm__ volatile("fninit\n\tfldcw %0" : : "m"((const unsigned short){0x0440})); break;
    case LEFT_MMX: __asm__ volatile("movq %%rsp, %%mm0" : : : "mm0"); break;
    case LEFT_DIRECTION: __asm__ volatile("std"); break;
    case LEFT_ALIGNMENT: __builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | 0x40000); break;
#else
    case LEFT_X87:
    case LEFT_MMX:
    case LEFT_DIRECTION:
    case LEFT_ALIGNMENT:
#endif
    case LEFT_NOTHING:
    case LEFT_STATES: break;
    }
}

/* By a tile instruction, in fp32, in the long double of x87, and from and to addresses that are not aligned. */
static void compute(uint64_t values, uint64_t out)
{
    const struct tg_global in = tg_global_nd(values, TG_FP32, 1, STATE_VALUES, STATE_VALUES);
    const struct tg_global to = tg_global_nd(out, TG_FP32, 1, STATE_VALUES, STATE_VALUES);
    struct tg_tile tile = tg_tile_vec(TG_FP32, 1, STATE_VALUES);
    TASSIGN(tile, 0);
    TLOAD(tile, in);
    set_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    wait_flag(PIPE_MTE2, PIPE_V, EVENT_ID0);
    TMULS(tile, tile, 1.1f);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(to, tile);

    const volatile float *value = (const volatile float *)(uintptr_t)values;
    float *floats = (float *)(uintptr_t)out;
    volatile long double third = 3.0L;
    char bytes[sizeof(float) * STATE_VALUES + 1];
    for (int i = 0; i < STATE_VALUES; i++) {
        floats[STATE_VALUES + i] = value[i] * 1.1f;
        floats[2 * STATE_VALUES + i] = (float)((long double)value[i] / third);
        float sum = value[i] + 1.0f / 3.0f;
        memcpy(bytes + 1 + sizeof sum * (size_t)i, &sum, sizeof sum);
    }
    memmove(bytes, bytes + 1, sizeof bytes - 1);
    memcpy(floats + 3 * (size_t)STATE_VALUES, bytes, sizeof bytes - 1);
}

void kernel_entry(int64_t *args)
{
    const int64_t what = args[2];
    compute(tg_arg_addr(args[0]), tg_arg_addr(args[1]));
    leave(what); /* at the end, so that only the runtime can find this state */
}

static int build(struct tg_runtime *rt, const int64_t *words, uint64_t values, uint64_t out)
{
    if (words[0] == LEFT_BY_PLUGIN) leave(words[1]);
    for (int i = 0; i < STATE_TASKS; i++) {
        const bool leaves = words[0] == LEFT_BY_KERNEL && i == 3;
        const uint64_t args[] = {values, out + (uint64_t)i * STATE_FLOATS * sizeof(float),
                                 leaves ? (uint64_t)words[1] : LEFT_NOTHING};
        const int task = tg_add_task(rt, args, 3, 0, TG_AIV);
        if (i > 0) tg_add_edge(rt, task - 1, task);
        tg_publish(rt, task);
    }
    return 0;
}

int orchestration(struct tg_runtime *rt)
{
    return build(rt, (const int64_t *)(uintptr_t)rt->orch_args[0], rt->orch_args[1], rt->orch_args[2]);
}

int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    (void)n_args;
    const size_t value_bytes = STATE_VALUES * sizeof(float), out_bytes = STATE_TASKS * STATE_FLOATS * sizeof(float);
    const uint64_t values = tg_device_malloc_addr(rt, value_bytes), out = tg_device_malloc_addr(rt, out_bytes);
    rt->host_api.copy_to_device(rt, values, (void *)(uintptr_t)args[1], value_bytes);
    rt->host_api.record_tensor_pair(rt, (void *)(uintptr_t)args[2], out, out_bytes);
    return build(rt, (const int64_t *)(uintptr_t)args[0], values, out);
}
