/*
 * hostile_plugin.c - an orchestration that does what it should not. The first word of the first tensor, int64, says
 * what: enum hostile_act or enum hostile_plugin_act. Kernels: 0 kernel_visit on AIV, 2 hostile_kernel on AIV.
 */
#define _GNU_SOURCE 1 /* signals, anonymous memory */

#include <sys/mman.h>
#include <tilegraph/orchestration.h>

#include "hostile_do.h"
#include "hostile_kernel.h"
#include "hostile_plugin.h"

enum { VISIT = 0, HOSTILE = 2 };

static struct tg_runtime *handle;
static int add_when_closed;

/* A task that writes word `own` of the data tensor; on the host there is no such tensor, and it must not be run. */
static int add_visit(struct tg_runtime *rt, uint64_t own)
{
    const uint64_t args[] = {rt->orch_args[1], own, 0, 0};
    return tg_add_task(rt, args, 4, VISIT, TG_AIV);
}

static int add_two(struct tg_runtime *rt)
{
    add_visit(rt, 0);
    return add_visit(rt, 1);
}

/* ---- from elsewhere ---------------------------------------------------------------------------------------------- */

static void *add_in_thread(void *arg)
{
    add_visit(arg, 0);
    return NULL;
}

static void run_thread(struct tg_runtime *rt)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, add_in_thread, rt) == 0) pthread_join(thread, NULL);
}

static void *page;

static void add_in_handler(int signal)
{
    (void)signal;
    add_visit(handle, 1);
    mprotect(page, 4096, PROT_READ | PROT_WRITE); /* the interrupted add_task goes on */
}

/* The C library's own function: the one that an object calls by name refuses a handler. */
typedef int sigaction_fn(int number, const struct sigaction *action, struct sigaction *before);

/* add_task reads its arguments from a page that cannot be read, and the handler of that adds a task too. */
static void add_nested(struct tg_runtime *rt)
{
    struct sigaction mine = {.sa_handler = add_in_handler, .sa_flags = SA_NODEFER}, previous;
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sigaction_fn *set_action = (sigaction_fn *)(uintptr_t)dlsym(RTLD_DEFAULT, "sigaction");
    set_action(SIGSEGV, &mine, &previous);
    rt->aicpu_build_api.add_task(rt, page, 4, VISIT, TG_AIV, 0);
    set_action(SIGSEGV, &previous, NULL);
    munmap(page, 4096);
}

static void add_builder_task(struct tg_runtime *rt)
{
    const uint64_t args[] = {rt->orch_args[1], KERNEL_BUILD, (uint64_t)(uintptr_t)rt};
    tg_publish(rt, tg_add_task(rt, args, 3, HOSTILE, TG_AIV));
}

static __attribute__((destructor)) void closed(void)
{
    if (add_when_closed) add_visit(handle, 0);
}

/* ---- build calls ------------------------------------------------------------------------------------------------- */

static void use_memory(struct tg_runtime *rt, int64_t act)
{
    switch ((enum hostile_plugin_act)act) {
    case PLUGIN_ALLOC:
        while (tg_device_malloc_addr(rt, 1 << 20)) continue;
        break;
    case PLUGIN_ALLOC_ON:
        for (;;) tg_device_malloc_addr(rt, 1 << 20);
    case PLUGIN_ALLOC_FREE:
        for (;;) rt->aicpu_build_api.device_free(rt, (void *)(uintptr_t)tg_device_malloc_addr(rt, 512));
    case PLUGIN_ALLOC_NOTHING: tg_device_malloc_addr(rt, 0); break;
    case PLUGIN_ALLOC_ALL: tg_device_malloc_addr(rt, SIZE_MAX); break;
    case PLUGIN_FREE_WILD: rt->aicpu_build_api.device_free(rt, (void *)0x1234); break;
    case PLUGIN_FREE_TWICE: {
        void *there = (void *)(uintptr_t)tg_device_malloc_addr(rt, 512);
        rt->aicpu_build_api.device_free(rt, there);
        rt->aicpu_build_api.device_free(rt, there);
        break;
    }
    default: break;
    }
}

static void describe(struct tg_runtime *rt, const uint64_t *args, uint32_t n_parts, const struct tg_task_part *parts)
{
    const struct tg_task_config config = {.size = sizeof config,
                                          .args = args,
                                          .n_args = 3,
                                          .n_parts = n_parts,
                                          .parts = parts,
                                          .part_size = sizeof *parts};
    tg_add_described(rt, &config);
}

static void use_graph(struct tg_runtime *rt, int64_t act)
{
    const uint64_t args[3] = {0, 0, 0};
    const struct tg_task_part part = {.func_id = VISIT, .core_type = TG_AIV};
    switch ((enum hostile_plugin_act)act) {
    case PLUGIN_ADD:
        while (add_visit(rt, 0) >= 0) continue;
        break;
    case PLUGIN_ADD_ON:
        for (;;) add_visit(rt, 0);
    case PLUGIN_ADD_PUBLISH:
        for (;;) tg_publish(rt, add_visit(rt, 0));
    case PLUGIN_EDGE_ON:
        add_two(rt);
        for (;;) tg_add_edge(rt, 0, 1);
    case PLUGIN_EDGE_COMPLETE:
        add_two(rt);
        tg_publish(rt, 0);
        rt->aicpu_build_api.wait_task(rt, 0);
        for (;;) tg_add_edge(rt, 0, 1);
    case PLUGIN_WAIT_ON:
        tg_publish(rt, add_visit(rt, 0));
        for (;;) rt->aicpu_build_api.wait_task(rt, 0);
    case PLUGIN_ARGS_NULL: tg_add_task(rt, NULL, 3, VISIT, TG_AIV); break;
    case PLUGIN_ARGS_WILD: tg_add_task(rt, (const uint64_t *)16, 3, VISIT, TG_AIV); break;
    case PLUGIN_ARGS_NEGATIVE: tg_add_task(rt, args, -1, VISIT, TG_AIV); break;
    case PLUGIN_DESCRIBE_NULL: tg_add_described(rt, NULL); break;
    case PLUGIN_DESCRIBE_WILD: describe(rt, args, 1, (const struct tg_task_part *)16); break;
    case PLUGIN_DESCRIBE_MANY: describe(rt, args, UINT32_MAX, &part); break;
    case PLUGIN_KERNEL_ADDR: rt->aicpu_build_api.add_task(rt, args, 3, VISIT, TG_AIV, 0x1234); break;
    case PLUGIN_FAIL_WILD: rt->aicpu_build_api.fail(rt, "%s", (const char *)16); break;
    case PLUGIN_MARK_WILD:
        for (int i = 0; i < 2; i++) {
            rt->aicpu_build_api.mark(rt, (const char *)16, 1);
            rt->aicpu_build_api.add_task(rt, args, 3, VISIT, TG_AIV, 0);
        }
        tg_add_edge(rt, 0, 1);
        tg_add_edge(rt, 1, 0);
        tg_publish(rt, 0);
        tg_publish(rt, 1);
        break;
    default: break;
    }
}

static void call_from_elsewhere(struct tg_runtime *rt, int64_t act)
{
    int64_t kernel_args[] = {0, KERNEL_UNASSIGNED, 0};
    void (*kernel)(int64_t *) = (void (*)(int64_t *))(uintptr_t)rt->kernel_addrs[HOSTILE];
    switch ((enum hostile_plugin_act)act) {
    case PLUGIN_THREAD: run_thread(rt); break;
    case PLUGIN_NESTED: add_nested(rt); break;
    case PLUGIN_KERNEL_BUILDS:
        add_builder_task(rt);
        rt->aicpu_build_api.wait_task(rt, 0);
        break;
    case PLUGIN_KERNEL_BUILDS_LATER: add_builder_task(rt); break;
    case PLUGIN_AFTER: add_when_closed = 1; break;
    case PLUGIN_CALL_KERNEL: kernel(kernel_args); break;
    default: break;
    }
}

static void use_host(struct tg_runtime *rt, int64_t act)
{
    static uint64_t words[64];
    switch ((enum hostile_plugin_act)act) {
    case PLUGIN_COPY_OUTSIDE: rt->host_api.copy_to_device(rt, 0x1234, words, sizeof words); break;
    case PLUGIN_RECORD_OUTSIDE: rt->host_api.record_tensor_pair(rt, words, 0x1234, sizeof words); break;
    case PLUGIN_RECORD_WILD:
        rt->host_api.record_tensor_pair(rt, (void *)16, tg_device_malloc_addr(rt, 512), 512);
        break;
    default: break;
    }
}

static int work(struct tg_runtime *rt, int64_t act)
{
    handle = rt;
    use_memory(rt, act);
    use_graph(rt, act);
    call_from_elsewhere(rt, act);
    if (rt->host_api.copy_to_device) use_host(rt, act);
    hostile_do(act);
    return 0;
}

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);
TG_PLUGIN_EXPORT int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args);

int orchestration(struct tg_runtime *rt)
{
    hostile_memory = (void *)(uintptr_t)rt->orch_args[1];
    return work(rt, *(const int64_t *)(uintptr_t)rt->orch_args[0]);
}

int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    (void)n_args;
    return work(rt, *(const int64_t *)(uintptr_t)args[0]);
}
