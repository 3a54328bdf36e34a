/*
 * pto/runtime/runtime.h - the header that orchestration plugins of the PTO runtime family include as "runtime.h".
 *
 * In C it is tilegraph/orchestration.h. In C++17 it declares the family's Runtime over that: the same calls under the
 * family's names, for both runtimes.
 *
 *     extern "C" int orchestration(Runtime *runtime)                                  aicpu_build_graph
 *     extern "C" int orchestration(Runtime *runtime, uint64_t *args, int arg_count)   host_build_graph
 *
 * An error in a call is recorded, and the run fails with it (see orchestration.h). add_task and device_malloc also
 * record the plugin's source line.
 *
 * Threads: as orchestration.h. A plugin's shared object is opened anew for each run, so that it has one Runtime.
 */
#ifndef TILEGRAPH_PTO_RUNTIME_RUNTIME_H
#define TILEGRAPH_PTO_RUNTIME_RUNTIME_H

#include <tilegraph/orchestration.h>

#ifdef __cplusplus

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

/* The kind of core that a kernel is for. */
enum class CoreType : int32_t { AIC = TG_AIC, AIV = TG_AIV };

class Runtime;

namespace tg_family
{

/* The runtime of the plugin's run; tg_plugin_view sets it before the entry is called. Hidden: each shared object has
 * its own, whatever options it is compiled with. */
inline __attribute__((visibility("hidden"))) struct tg_runtime *current = nullptr;

struct AddTask {
    using Pointer = int (*)(Runtime *, uint64_t *, int, int, CoreType, uint64_t);
    static int call(const uint64_t *args, int num_args, int func_id, CoreType core_type, uint64_t kernel_addr)
    {
        return current->aicpu_build_api.add_task(current, args, num_args, func_id,
                                                 static_cast<enum tg_core_type>(core_type), kernel_addr);
    }
    int operator()(Runtime *, uint64_t *args, int num_args, int func_id, CoreType core_type, uint64_t function_bin_addr,
                   const char *file = __builtin_FILE(), int line = __builtin_LINE()) const
    {
        current->aicpu_build_api.mark(current, file, line);
        return call(args, num_args, func_id, core_type, function_bin_addr);
    }
    operator Pointer() const
    {
        return [](Runtime *, uint64_t *args, int num_args, int func_id, CoreType core_type, uint64_t kernel_addr) {
            return call(args, num_args, func_id, core_type, kernel_addr);
        };
    }
};

struct DeviceMalloc {
    using Pointer = void *(*)(size_t);
    static void *call(size_t bytes) { return current->aicpu_build_api.device_malloc(current, bytes); }
    void *operator()(size_t bytes, const char *file = __builtin_FILE(), int line = __builtin_LINE()) const
    {
        current->aicpu_build_api.mark(current, file, line);
        return call(bytes);
    }
    operator Pointer() const { return call; }
};

struct DeviceFree {
    using Pointer = void (*)(void *);
    static void call(void *address) { current->aicpu_build_api.device_free(current, address); }
    void operator()(void *address, const char *file = __builtin_FILE(), int line = __builtin_LINE()) const
    {
        current->aicpu_build_api.mark(current, file, line);
        call(address);
    }
    operator Pointer() const { return call; }
};

inline void add_edge(Runtime *, int from, int to)
{
    current->aicpu_build_api.add_successor_conditional(current, from, to);
}
inline void publish(Runtime *, int task_id) { current->aicpu_build_api.publish_task(current, task_id); }

/* false, and the run has failed: the call is one of host_build_graph, and this is the AICPU. */
inline bool on_host(const char *call)
{
    if (current->host_api.copy_to_device) return true;
    current->aicpu_build_api.fail(current,
                                  "%s: a plugin of aicpu_build_graph runs on the device and has no host memory; "
                                  "use the runtime host_build_graph",
                                  call);
    return false;
}
inline int copy_to_device(void *device, const void *host, size_t bytes)
{
    if (!on_host("copy_to_device")) return -1;
    return current->host_api.copy_to_device(current, reinterpret_cast<uintptr_t>(device), host, bytes);
}
inline int copy_from_device(void *host, const void *device, size_t bytes)
{
    if (!on_host("copy_from_device")) return -1;
    return current->host_api.copy_from_device(current, host, reinterpret_cast<uintptr_t>(device), bytes);
}

} // namespace tg_family

/* The calls that build the graph. Each member can be called, compared with nullptr, and copied to a function pointer.
 */
struct AicpuBuildApi {
    /* (runtime, args, num_args, func_id, core_type, function_bin_addr): the task's id from 0 on, or -1.
     * function_bin_addr 0 means the kernel that is registered for func_id. */
    tg_family::AddTask add_task;
    /* Task `to` waits for task `from`, unless that is complete. `to` must not be published yet. */
    void (*add_successor_conditional)(Runtime *runtime, int from, int to) = tg_family::add_edge;
    /* The schedulers may see the task. */
    void (*publish_task)(Runtime *runtime, int task_id) = tg_family::publish;
    /* Device memory at a multiple of 512, or nullptr and the run has failed. The end of the run frees memory that the
     * plugin leaves. */
    tg_family::DeviceMalloc device_malloc;
    tg_family::DeviceFree device_free;
};

/* The calls of a plugin on the host. Copies return 0, or -1 and the run has failed. */
struct HostApi {
    tg_family::DeviceMalloc device_malloc;
    tg_family::DeviceFree device_free;
    int (*copy_to_device)(void *device, const void *host, size_t bytes) = tg_family::copy_to_device;
    int (*copy_from_device)(void *host, const void *device, size_t bytes) = tg_family::copy_from_device;
};

/* The argument of the entry function. Valid until it returns. */
class Runtime
{
  public:
    int orch_argc = 0;             /* length of orch_args: 2n + 1 for n tensors */
    uint64_t *orch_args = nullptr; /* n addresses, n byte sizes, the element count of the first tensor */
    /* [func_id]: address of the registered kernel, 0 for an unused func_id. Pass 0 for kernels of higher numbers. */
    uint64_t kernel_addrs[1024] = {};
    AicpuBuildApi aicpu_build_api;
    HostApi host_api;

    /* A task that runs kernel func_id with a copy of args[num_args]: its id from 0 on, or -1. */
    int add_task(uint64_t *args, int num_args, int func_id, CoreType core_type, const char *file = __builtin_FILE(),
                 int line = __builtin_LINE())
    {
        return aicpu_build_api.add_task(this, args, num_args, func_id, core_type, 0, file, line);
    }
    /* Task `to` waits for task `from`. */
    void add_successor(int from, int to) { aicpu_build_api.add_successor_conditional(this, from, to); }

    /* After the run, copy `bytes` from `device` to `host`, which is borrowed until then. */
    void record_tensor_pair(void *host, void *device, size_t bytes)
    {
        if (!tg_family::on_host("record_tensor_pair")) return;
        tg_family::current->host_api.record_tensor_pair(tg_family::current, host, reinterpret_cast<uintptr_t>(device),
                                                        bytes);
    }
    int get_task_count() const
    {
        if (!tg_family::on_host("get_task_count")) return -1;
        return tg_family::current->host_api.get_task_count(tg_family::current);
    }
    /* Print tasks and edges to stderr, a line each. */
    void print_runtime() const
    {
        if (tg_family::on_host("print_runtime")) tg_family::current->host_api.print_runtime(tg_family::current);
    }
};

/* The argument that the entry function gets instead of `rt`. */
extern "C" __attribute__((weak, visibility("protected"))) void *tg_plugin_view(struct tg_runtime *rt);
extern "C" __attribute__((weak, visibility("protected"))) void *tg_plugin_view(struct tg_runtime *rt)
{
    static Runtime view;
    constexpr int32_t most = sizeof view.kernel_addrs / sizeof view.kernel_addrs[0];
    tg_family::current = rt;
    view.orch_argc = rt->orch_argc;
    view.orch_args = const_cast<uint64_t *>(rt->orch_args);
    for (int32_t i = 0; i < rt->n_kernel_addrs && i < most; i++) view.kernel_addrs[i] = rt->kernel_addrs[i];
    return &view;
}

/* Entry functions are found by name; programs of the family do not export theirs. */
#pragma GCC visibility push(default)

#else
typedef struct tg_runtime Runtime;
#endif

#endif
