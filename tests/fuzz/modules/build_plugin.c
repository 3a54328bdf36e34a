/*
 * The plugin of fuzz_build: makes the calls that the bytes of its first tensor stand for.
 *
 * The second tensor holds a counter and then a word a task, which the STAMP kernels write. After the first call that
 * fails every call must fail.
 */
#include <tilegraph/orchestration.h>

#include "build_calls.h"

struct plugin {
    struct tg_runtime *rt;
    struct calls calls;
    uint64_t words; /* device address of the second tensor */
    void *allocations[ALLOCATIONS_MAX];
    bool failed;
    bool readable; /* `words` may be read here */
};

static struct plugin plugin; /* one run at a time; too large for a small stack */

static const enum tg_core_type core_types[N_FUNCS] = {TG_AIC, TG_AIV, TG_AIV, TG_AIV};

static void add(const struct call *call, uint32_t id)
{
    uint64_t args[TG_TASK_ARGS_MAX] = {plugin.words, plugin.words + 4 * (1 + (uint64_t)id)};
    enum tg_core_type core_type = core_types[call->func_id];
    int func_id = call->flaw == ADD_UNKNOWN_FUNC ? N_FUNCS + 1 : (int)call->func_id;
    int n_args = call->flaw == ADD_TOO_MANY_ARGS ? TG_TASK_ARGS_MAX + 1 : (int)call->n_args;
    uint64_t addr = call->by_address ? plugin.rt->kernel_addrs[call->func_id] : 0;
    if (call->flaw == ADD_NEGATIVE_ARGS) n_args = -1;
    if (call->flaw == ADD_WRONG_CORE) core_type = core_type == TG_AIC ? TG_AIV : TG_AIC;
    if (call->flaw == ADD_WRONG_ADDR) addr = 0x1234;
    if (call->flaw == ADD_UNKNOWN_FUNC) addr = 0;
    plugin.rt->aicpu_build_api.mark(plugin.rt, "calls", (int)id);
    int given = plugin.rt->aicpu_build_api.add_task(plugin.rt, call->flaw == ADD_NULL_ARGS ? NULL : args, n_args,
                                                    func_id, core_type, addr);
    FUZZ_CHECK(given == -1 || (given == (int)id && !plugin.failed), "add_task gave %d for task %u", given, id);
    plugin.failed |= given == -1;
}

static void allocate(const struct call *call)
{
    uint8_t *memory = plugin.rt->aicpu_build_api.device_malloc(plugin.rt, (size_t)call->bytes);
    FUZZ_CHECK(!memory || !plugin.failed, "device_malloc gave memory in a run that has failed");
    plugin.failed |= !memory;
    plugin.allocations[call->slot] = memory;
    FUZZ_CHECK((uint64_t)(uintptr_t)memory % 512 == 0, "device memory at %p", (void *)memory);
    if (memory && plugin.readable) memset(memory, 0x5A, (size_t)call->bytes); /* it is there, all of it */
}

static void release(const struct call *call)
{
    char *memory = plugin.allocations[call->slot];
    if (call->what == FREE_NULL) memory = NULL;
    if (memory && call->what == FREE_INSIDE) memory++;
    plugin.rt->aicpu_build_api.device_free(plugin.rt, memory);
    if (call->what == FREE_TWICE) plugin.rt->aicpu_build_api.device_free(plugin.rt, memory);
}

static void wait(const struct call *call, uint32_t func_id)
{
    int result = plugin.rt->aicpu_build_api.wait_task(plugin.rt, call->to);
    FUZZ_CHECK(result == -1 || (result == 0 && !plugin.failed), "wait_task gave %d", result);
    plugin.failed |= result != 0;
    if (result != 0 || func_id > STAMP_AIV) return;
    const uint32_t *words = (const uint32_t *)(uintptr_t)plugin.words;
    FUZZ_CHECK(words[1 + call->to] > 0, "task %d is said to be complete and has not run", call->to);
}

static int make_calls(const uint8_t *bytes, size_t n_bytes)
{
    static uint8_t func_ids[TASKS_MAX];
    struct tg_runtime *rt = plugin.rt;
    struct call call;
    calls_begin(&plugin.calls, bytes, n_bytes);
    for (uint32_t id = plugin.calls.n_tasks; calls_next(&plugin.calls, &call); id = plugin.calls.n_tasks) {
        switch (call.kind) {
        case CALL_ADD:
            func_ids[id] = (uint8_t)call.func_id;
            add(&call, id);
            break;
        case CALL_EDGE: tg_add_edge(rt, call.from, call.to); break;
        case CALL_PUBLISH: tg_publish(rt, call.to); break;
        case CALL_MALLOC: allocate(&call); break;
        case CALL_FREE: release(&call); break;
        case CALL_WAIT: wait(&call, call.to >= 0 && (uint32_t)call.to < id ? func_ids[call.to] : EMPTY_AIV); break;
        case CALL_LABEL: rt->aicpu_build_api.label_task(rt, call.to, "a \"label\" <b>\n"); break;
        case CALL_FAIL: rt->aicpu_build_api.fail(rt, "the plugin says so"); break;
        case CALL_RETURN: return call.to;
        }
    }
    return 0;
}

TG_PLUGIN_EXPORT int build(struct tg_runtime *rt);
TG_PLUGIN_EXPORT int build_host(struct tg_runtime *rt, uint64_t *args, int n_args);

int build(struct tg_runtime *rt)
{
    memset(&plugin, 0, sizeof plugin);
    plugin.rt = rt;
    plugin.words = rt->orch_args[1];
    plugin.readable = true;
    return make_calls((const uint8_t *)(uintptr_t)rt->orch_args[0], (size_t)rt->orch_args[2]);
}

int build_host(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    FUZZ_CHECK(n_args == 5, "%d arguments", n_args);
    void *words = (void *)(uintptr_t)args[1];
    memset(&plugin, 0, sizeof plugin);
    plugin.rt = rt;
    plugin.words = tg_device_malloc_addr(rt, (size_t)args[3]);
    if (!plugin.words) return -1;
    if (rt->host_api.copy_to_device(rt, plugin.words, words, (size_t)args[3])) return -1;
    rt->host_api.record_tensor_pair(rt, words, plugin.words, (size_t)args[3]);
    int result = make_calls((const uint8_t *)(uintptr_t)args[0], (size_t)args[2]);
    /* A plugin is not told of an edge or a publication that was refused. */
    const int n_tasks = rt->host_api.get_task_count(rt);
    FUZZ_CHECK(n_tasks == -1 || (n_tasks == (int)plugin.calls.n_tasks && !plugin.failed), "get_task_count gave %d",
               n_tasks);
    return result;
}
