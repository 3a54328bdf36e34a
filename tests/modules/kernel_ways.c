/*
 * kernel_ways.c - a kernel that uses device memory in one of many ways (ways.h): C11, and C++17 as well.
 *
 * args  0: a device address; 1: enum way; 2, 3: as the way says
 */
#include <tilegraph/tile.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "ways.h"

#ifdef __cplusplus
#define THREAD_LOCAL thread_local
#else
#define THREAD_LOCAL _Thread_local
extern void *mempcpy(void *to, const void *from, size_t bytes);
#endif

struct large {
    float of[16];
};
struct small {
    int of[3];
};
#ifdef __clang__ /* which tells of no access that is wider */
typedef float vector __attribute__((vector_size(16), aligned(4)));
#else
typedef float vector __attribute__((vector_size(32), aligned(4)));
#endif
__extension__ typedef unsigned __int128 wide;
typedef void *copy_fn(void *to, const void *from, size_t bytes);

static copy_fn *const copies[] = {memcpy, memmove};
static const int constants[4] = {1, 2, 3, 4};

static int compare(const void *a, const void *b)
{
    const int *x = (const int *)a, *y = (const int *)b;
    return (*x > *y) - (*x < *y);
}

static void atomics(int *at, enum way way)
{
    volatile int sink = 0;
    int expected = 0;
    switch (way) {
    case WAY_ATOMIC_LOAD: sink = __atomic_load_n(at, __ATOMIC_RELAXED); break;
    case WAY_ATOMIC_STORE: __atomic_store_n(at, 1, __ATOMIC_RELEASE); break;
    case WAY_ATOMIC_ADD: sink = __atomic_fetch_add(at, 1, __ATOMIC_SEQ_CST); break;
    case WAY_ATOMIC_NAND: sink = __atomic_fetch_nand(at, 1, __ATOMIC_SEQ_CST); break;
    case WAY_ATOMIC_EXCHANGE: sink = __atomic_exchange_n(at, 1, __ATOMIC_SEQ_CST); break;
    case WAY_ATOMIC_COMPARE:
        sink = __atomic_compare_exchange_n(at, &expected, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
        break;
    case WAY_SYNC_ADD: sink = __sync_fetch_and_add(at, 1); break;
    case WAY_SYNC_COMPARE: sink = __sync_bool_compare_and_swap(at, 0, 1); break;
    default: break;
    }
}

static void functions(char *at, enum way way)
{
    volatile int sink = 0;
    static const char text[64] = "these are more characters than a compiler copies one by one";
    char own[64];
    volatile size_t n = 64;
    memcpy(own, text, sizeof own);
    switch (way) {
    case WAY_MEMCPY_FROM: memcpy(own, at, n); break;
    case WAY_MEMCPY_TO: memcpy(at, own, 64); break;
    case WAY_BUILTIN_MEMCPY: __builtin_memcpy(own, at, 64); break;
    case WAY_MEMPCPY: mempcpy(at, own, 48); break;
    case WAY_MEMMOVE: memmove(at + 4, at, 40); break;
    case WAY_BUILTIN_MEMMOVE: __builtin_memmove(own, at, 48); break;
    case WAY_MEMSET: memset(at, 1, 64); break;
    case WAY_BUILTIN_MEMSET: __builtin_memset(at, 0, 56); break;
    case WAY_BCOPY: bcopy(own, at, 40); break;
    case WAY_BZERO: bzero(at, 64); break;
    case WAY_MEMCMP: sink = memcmp(at, own, 24) == 0; break;
    case WAY_MEMCHR: sink = memchr(at, 'x', n) != NULL; break;
    case WAY_STRCPY: strcpy(at, "a string of thirty characters."); break;
    case WAY_STRLEN: sink = (int)strlen(at); break;
    case WAY_SNPRINTF: snprintf(at, 32, "%d", sink); break;
    case WAY_POINTER_TO_MEMCPY: {
        copy_fn *volatile copy = memcpy;
        copy(own, at, n);
        break;
    }
    case WAY_TABLE_OF_FUNCTIONS: copies[sink & 1](own, at, n); break;
    case WAY_QSORT: qsort(at, 16, 4, compare); break;
    default: break;
    }
    sink = own[sink & 63];
}

static void objects(void *at, enum way way)
{
    volatile int sink = 0;
    struct large own;
    struct small few = {{1, 2, 3}};
    memset(&own, 0, sizeof own);
    switch (way) {
    case WAY_ATOMIC_16_BYTES: sink = (int)__atomic_load_n((wide *)at, __ATOMIC_SEQ_CST); break;
    case WAY_STRUCT_FROM: own = *(struct large *)at; break;
    case WAY_STRUCT_TO: *(struct large *)at = own; break;
    case WAY_SMALL_STRUCT: *(struct small *)at = few; break;
    case WAY_INCREMENT: ++*(int *)at; break;
    case WAY_VECTOR: *(vector *)at += 1; break;
    case WAY_WORD_BY_WORD:
        for (int i = 0; i < 16; i++) ((volatile float *)at)[i] = 1;
        break;
    default: break;
    }
    sink = (int)own.of[sink & 15];
}

static void own_memory(void)
{
    volatile int sink = 0;
    int *block = (int *)malloc(256), stack[64];
    for (int i = 0; i < 64; i++) stack[i] = constants[i & 3];
    memcpy(block, stack, 256);
    sink = block[sink & 63];
    free(block);
}

static void variables(enum way way)
{
    volatile int sink = 0;
    static int count;
    static THREAD_LOCAL int count_in_thread;
    static volatile int scratch[4];
    if (way == WAY_COUNT) sink = count++;
    if (way == WAY_COUNT_IN_THREAD) sink = count_in_thread++;
    if (way != WAY_SCRATCH) return;
    for (int i = 0; i < 4; i++) scratch[i] = constants[i];
    (void)scratch[3];
}

/* 8 words of device memory by a transfer and by the scalar unit. */
static void both(uint64_t at, enum way way)
{
    struct tg_global global = tg_global_nd(at, TG_FP32, 1, 8, 8);
    struct tg_tile tile = tg_tile_vec(TG_FP32, 1, 8);
    volatile float *words = (volatile float *)(uintptr_t)at;
    TASSIGN(tile, 0);
    if (way == WAY_PLAIN_AND_TLOAD || way == WAY_PLAIN_WAIT_TLOAD) {
        for (int i = 0; i < 8; i++) words[i] = 1;
        if (way == WAY_PLAIN_WAIT_TLOAD) {
            dcci(0, TG_CACHE_ALL);
            dsb();
            set_flag(PIPE_S, PIPE_MTE2, EVENT_ID0);
            wait_flag(PIPE_S, PIPE_MTE2, EVENT_ID0);
        }
        TLOAD(tile, global);
    } else {
        TEXPANDS(tile, 1.0f);
        set_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
        wait_flag(PIPE_V, PIPE_MTE3, EVENT_ID0);
        TSTORE(global, tile);
        if (way == WAY_STORE_WAIT_LOAD) {
            set_flag(PIPE_MTE3, PIPE_S, EVENT_ID0);
            wait_flag(PIPE_MTE3, PIPE_S, EVENT_ID0);
        }
        (void)words[0];
    }
}

static void load(uint64_t at, uint32_t words, const struct tg_global *given)
{
    struct tg_global global = tg_global_nd(at, TG_FP32, 1, words, words);
    struct tg_tile tile = tg_tile_vec(TG_FP32, 1, words);
    TASSIGN(tile, 0);
    if (given) TLOAD(tile, *given);
    else TLOAD(tile, global);
}

/* The counts of two lists of 32 pairs each. */
static void merge(struct tg_merge_counts *counts)
{
    struct tg_tile x = tg_tile_vec(TG_FP32, 1, 64), y = x, merged = tg_tile_vec(TG_FP32, 1, 128), scratch = merged;
    TASSIGN(x, 0);
    TASSIGN(y, 256);
    TASSIGN(merged, 1024);
    TASSIGN(scratch, 2048);
    TEXPANDS(x, 1.0);
    TEXPANDS(y, 1.0);
    pipe_barrier(PIPE_V);
    TMRGSORT2(merged, *counts, scratch, x, y, false);
}

void kernel_entry(int64_t *args)
{
    const uint64_t at = tg_arg_addr(args[0]);
    const enum way way = (enum way)args[1];
    volatile int sink = 0;
    atomics((int *)(uintptr_t)at, way);
    functions((char *)(uintptr_t)at, way);
    objects((void *)(uintptr_t)at, way);
    variables(way);
    if (way == WAY_PUT_DESCRIPTOR) *(struct tg_global *)(uintptr_t)at = tg_global_nd(args[2], TG_FP32, 1, 8, 8);
    if (way == WAY_USE_DESCRIPTOR) load(0, 8, (const struct tg_global *)(uintptr_t)at);
    if (way == WAY_MERGE) merge((struct tg_merge_counts *)(uintptr_t)at);
    if (way == WAY_ARGUMENT) sink = (int)args[args[2]];
    if (way == WAY_HOST_LOAD) sink = *(volatile int *)(uintptr_t)args[2];
    if (way == WAY_HOST_STORE) *(volatile int *)(uintptr_t)args[2] = 1;
    if (way == WAY_OWN_MEMORY) own_memory();
    if (way >= WAY_STORE_AND_LOAD && way <= WAY_PLAIN_WAIT_TLOAD) both(at, way);
    if (way == WAY_ACROSS) load(at + 4 * (uint64_t)args[2], (uint32_t)args[3], NULL);
    dcci(0, TG_CACHE_ALL);
    dsb();
    TDRAIN();
}
