/*
 * hostile_kernel.c - a kernel that does what it should not.
 *
 * args  0 device address of the data tensor; 1 what to do: enum hostile_act or enum hostile_kernel_act; 2 a word for it
 */
#define _GNU_SOURCE 1 /* signals, anonymous memory */

#include <tilegraph/orchestration.h>
#include <tilegraph/tile.h>

#include "hostile_do.h"
#include "hostile_kernel.h"

static struct tg_tile vec(uint32_t rows, uint32_t cols)
{
    struct tg_tile tile = tg_tile_vec(TG_FP32, rows, cols);
    TASSIGN(tile, 0);
    return tile;
}

static void spin_heavy(void)
{
    struct tg_tile tile = vec(128, 256);
    for (;;) TEXP(tile, tile);
}

static void store_to(uint64_t address)
{
    struct tg_tile tile = vec(1, 8);
    const struct tg_global there = tg_global_nd(address, TG_FP32, 1, 8, 8);
    TEXPANDS(tile, 1.0f);
    set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
    TSTORE(there, tile);
    TDRAIN();
}

/* A function of the library may change these registers, and must leave zeros there. */
static void find_registers(void)
{
#if defined(__x86_64__) && defined(__has_attribute) && __has_attribute(zero_call_used_regs)
    uint64_t a = (uint64_t)(uintptr_t)tg_tile_isa->order, d = 0, c = 0, si = PIPE_ALL, di = TG_OP_PIPE_BARRIER;
    register uint64_t r8 __asm__("r8") = (uint64_t)(uintptr_t)__FILE__;
    register uint64_t r9 __asm__("r9") = __LINE__;
    __asm__ volatile("movq %%rsp, %%rbx\n\tsubq $128, %%rsp\n\tandq $-16, %%rsp\n\tcall *%%rax\n\tmovq %%rbx, %%rsp"
                     : "+a"(a), "+d"(d), "+c"(c), "+S"(si), "+D"(di), "+r"(r8), "+r"(r9)
                     :
                     : "rbx", "r10", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    hostile_demand((a | d | c | si | di | r8 | r9) == 0);
#endif
}

static void use_tiles(int64_t act)
{
    struct tg_tile tile = tg_tile_vec(TG_FP32, 16, 16);
    switch ((enum hostile_kernel_act)act) {
    case KERNEL_UNASSIGNED: TADDS(tile, tile, 1.0f); break;
    case KERNEL_PAST_END:
        TASSIGN(tile, 192 * 1024 - 32);
        TADDS(tile, tile, 1.0f);
        break;
    case KERNEL_WILD_TILE: TADDS(*(struct tg_tile *)16, *(struct tg_tile *)16, 1.0f); break;
    case KERNEL_NO_EVENT: wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID3); break;
    case KERNEL_REGISTERS: find_registers(); break;
    case KERNEL_NO_INSTRUCTION: tg_tile_isa->order(4711, 0, 0, 0, __FILE__, __LINE__); break;
    default: break;
    }
}

/* Build from inside a task: the plugin's handle was handed over as an argument. */
static void build(uint64_t handle)
{
    struct tg_runtime *rt = (struct tg_runtime *)(uintptr_t)handle;
    rt->aicpu_build_api.add_task(rt, NULL, 0, 0, TG_AIV, 0);
}

void kernel_entry(int64_t *args)
{
    const int64_t act = args[1];
    hostile_memory = (void *)(uintptr_t)tg_arg_addr(args[0]);
    switch ((enum hostile_kernel_act)act) {
    case KERNEL_SPIN_LIGHT:
        for (;;) pipe_barrier(PIPE_ALL);
    case KERNEL_SPIN_HEAVY: spin_heavy(); break;
    case KERNEL_STORE: store_to(tg_arg_addr(args[2])); break;
    case KERNEL_STORE_PAST_DATA: store_to(tg_arg_addr(args[0]) + tg_arg_addr(args[2])); break;
    case KERNEL_BUILD: build(tg_arg_addr(args[2])); break;
    default: use_tiles(act); hostile_do(act);
    }
}
