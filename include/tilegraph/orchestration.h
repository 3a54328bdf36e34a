/*
 * tilegraph/orchestration.h - the interface of an orchestration plugin: its arguments and the build calls.
 *
 * A plugin is a shared object that exports an entry function, which returns 0 for success. The program gives its name,
 * usually `orchestration`:
 *
 *     int orchestration(struct tg_runtime *rt)                                  runtime aicpu_build_graph
 *     int orchestration(struct tg_runtime *rt, uint64_t *args, int n_args)      runtime host_build_graph
 *
 * aicpu_build_graph  The host embeds the plugin's bytes. One AICPU thread opens them on the device and calls the entry,
 *                    while the other AICPU threads run published tasks. orch_args are device addresses; plain loads
 *                    read device memory.
 * host_build_graph   The host calls the entry before the launch, with host pointers. The plugin allocates device
 *                    memory, copies to it, and names the memory to copy back. When the entry returns, the runtime
 *                    publishes all unpublished tasks.
 *
 * The order of calls for a task is: add_task, its edges, publish_task. An edge into a published task is refused. Calls
 * without a result record the first error. The run then fails with it, and later calls do nothing. Every error names
 * the task, its kernel and the line that added it.
 *
 * A plugin that has another view of the runtime exports `void *tg_plugin_view(struct tg_runtime *)`. It is called
 * first, and the entry receives its result. pto/runtime/runtime.h does so for the C++ programs of the family.
 *
 * Threads: only the thread of control that the entry was called on, until the entry returns.
 */
#ifndef TILEGRAPH_ORCHESTRATION_H
#define TILEGRAPH_ORCHESTRATION_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tilegraph/access.h>
#include <tilegraph/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bumped when struct tg_runtime grows or the meaning of a call in this file changes. A library takes plugins of every
 * version from TG_ORCHESTRATION_ABI_OLDEST on. */
#define TG_ORCHESTRATION_ABI 2u
#define TG_ORCHESTRATION_ABI_OLDEST 1u

/* The most arguments of one task. */
#define TG_TASK_ARGS_MAX 1024

/* Put before an entry function: shared objects are usually built with hidden visibility. */
#define TG_PLUGIN_EXPORT __attribute__((visibility("default")))

/* The version that a plugin was built against; a program refuses a plugin of another version. Weak: a plugin may have
 * several sources. Protected: each shared object has its own. A source that needs only the types of this file, and is
 * not a plugin, defines TG_ORCHESTRATION_TYPES_ONLY. */
extern __attribute__((weak, visibility("protected"))) const uint32_t tg_orchestration_abi;
#ifndef TG_ORCHESTRATION_TYPES_ONLY
const uint32_t tg_orchestration_abi = TG_ORCHESTRATION_ABI;
#endif

struct tg_runtime;

/* One kernel of a task. */
struct tg_task_part {
    int32_t func_id;      /* of a registered kernel */
    int32_t core_type;    /* enum tg_core_type: the kind of core that the kernel is for */
    uint64_t kernel_addr; /* 0: the kernel of func_id; else one of rt->kernel_addrs */
};

/* The description of a task. Later versions add fields at the end, for which 0 means "as before". So set `size`, and
 * let the initialiser fill the other fields with zeros. Pointers are borrowed for the call. */
struct tg_task_config {
    size_t size;                      /* sizeof(struct tg_task_config) */
    const uint64_t *args;             /* [n_args] copied; every part gets them */
    uint32_t n_args;                  /* at most TG_TASK_ARGS_MAX */
    uint32_t n_parts;                 /* 1: in this version a task runs one kernel on one core */
    const struct tg_task_part *parts; /* [n_parts] */
    size_t part_size;                 /* sizeof(struct tg_task_part) */
    const char *label;                /* as in label_task; NULL: no label */
};

/* The calls that take a description. This table can grow: a call behind `size` does not exist. */
struct tg_task_api {
    size_t size; /* of this table in the library, in bytes */

    /* Add a task. Returns its id, >= 0 and counting up from 0, or -1 and the run has failed: for a reason of add_task,
     * a number of parts other than 1, or a size that is not one of this structure's. */
    int (*add)(struct tg_runtime *rt, const struct tg_task_config *config);
};

/* The calls that build the graph, in both runtimes. The table is a part of struct tg_runtime and never grows: new calls
 * belong to struct tg_task_api. */
struct tg_build_api {
    /*
     * Add a task that runs kernel `func_id` with a copy of args[n_args].
     *
     * kernel_addr is 0 (the kernel registered for func_id) or one of rt->kernel_addrs. Returns the task's id, >= 0 and
     * counting up from 0, or -1: unknown func_id, a kernel of the other core type, n_args over TG_TASK_ARGS_MAX, out of
     * memory, or the run has failed already.
     */
    int (*add_task)(struct tg_runtime *rt, const uint64_t *args, int n_args, int func_id, enum tg_core_type core_type,
                    uint64_t kernel_addr);

    /* Let task `to` wait for task `from`, unless `from` is complete already. `to` must not be published yet. */
    void (*add_successor_conditional)(struct tg_runtime *rt, int from, int to);

    /* Let the schedulers see task `id`: it runs when all its predecessors are complete. Blocks while the window of
     * published and unfinished tasks is full. */
    void (*publish_task)(struct tg_runtime *rt, int id);

    /* Allocate `bytes` (> 0) of device memory at a multiple of 512, contents undefined. Returns its device address, or
     * NULL when device memory is out; the run has failed then. The end of the run frees memory that the plugin leaves.
     */
    void *(*device_malloc)(struct tg_runtime *rt, size_t bytes);

    /* Free an address of device_malloc; a tensor is refused. No task that uses the memory may still run. NULL is
     * allowed. */
    void (*device_free)(struct tg_runtime *rt, void *address);

    /* Wait until task `id` is complete, so that its results can be read. 0, or -1 when it cannot complete (the run has
     * failed with the reason). aicpu_build_graph in concurrent build mode only. */
    int (*wait_task)(struct tg_runtime *rt, int id);

    /* Name task `id` for traces and reports, "seq 3 block 7"; copied, and only if the run is recorded. */
    void (*label_task)(struct tg_runtime *rt, int id, const char *label);

    /* Set the source line of the next add_task, device_malloc or device_free; the short forms below do. Copies `file`.
     */
    void (*mark)(struct tg_runtime *rt, const char *file, int line);

    /* Fail the run with a message of the plugin's own, printf-like; the entry should then return non-zero. */
    void (*fail)(struct tg_runtime *rt, const char *format, ...) __attribute__((format(printf, 2, 3)));
};

/* The calls of a plugin on the host (host_build_graph); all NULL on the AICPU. */
struct tg_host_api {
    /* Copy `bytes` between host and device memory. 0, or -1 for bytes outside one allocation; the run has failed then.
     */
    int (*copy_to_device)(struct tg_runtime *rt, uint64_t device, const void *host, size_t bytes);
    int (*copy_from_device)(struct tg_runtime *rt, void *host, uint64_t device, size_t bytes);

    /* After the run, copy `bytes` from `device` to `host`. The host pointer is borrowed until then. */
    void (*record_tensor_pair)(struct tg_runtime *rt, void *host, uint64_t device, size_t bytes);

    /* Tasks so far; -1: the run has failed, or the call is not allowed here. */
    int (*get_task_count)(struct tg_runtime *rt);

    /* Print tasks and edges to stderr, a line each. */
    void (*print_runtime)(struct tg_runtime *rt);
};

/* The argument of the entry function. Owned by the runtime, valid until the plugin is closed. */
struct tg_runtime {
    uint32_t abi;                 /* TG_ORCHESTRATION_ABI of the runtime */
    int32_t orch_argc;            /* length of orch_args: 2n + 1 for n tensors */
    const uint64_t *orch_args;    /* n addresses, n byte sizes, the element count of the first tensor */
    int32_t n_kernel_addrs;       /* length of kernel_addrs */
    const uint64_t *kernel_addrs; /* [func_id]: address of the registered kernel, 0 for an unused func_id */
    struct tg_build_api aicpu_build_api;
    struct tg_host_api host_api;
    const struct tg_task_api *task_api; /* since version 2 */
};

/* ---- short forms, which also record the line of the call ----------------------------------------------------------
 */

#define tg_add_task(rt, args, n_args, func_id, core_type)                                                              \
    ((rt)->aicpu_build_api.mark(rt, __FILE__, __LINE__),                                                               \
     (rt)->aicpu_build_api.add_task(rt, args, n_args, func_id, core_type, 0))

/* config: struct tg_task_config *. */
#define tg_add_described(rt, config)                                                                                   \
    ((rt)->aicpu_build_api.mark(rt, __FILE__, __LINE__), (rt)->task_api->add(rt, config))

#define tg_device_malloc_addr(rt, bytes)                                                                               \
    ((rt)->aicpu_build_api.mark(rt, __FILE__, __LINE__),                                                               \
     (uint64_t)(uintptr_t)(rt)->aicpu_build_api.device_malloc(rt, bytes))

#define tg_device_free_addr(rt, address)                                                                               \
    ((rt)->aicpu_build_api.mark(rt, __FILE__, __LINE__),                                                               \
     (rt)->aicpu_build_api.device_free(rt, (void *)(uintptr_t)(address)))

static inline void tg_add_edge(struct tg_runtime *rt, int from, int to)
{
    rt->aicpu_build_api.add_successor_conditional(rt, from, to);
}
static inline void tg_publish(struct tg_runtime *rt, int id) { rt->aicpu_build_api.publish_task(rt, id); }

/*
 * host_build_graph: give each of the n tensors of an entry's `args` device memory with its contents. Tensors whose bit
 * in `outputs` is set are copied back after the run.
 *
 * addr[n]: their device addresses. Returns 0, or -1 and the run has failed.
 */
static inline int tg_host_place(struct tg_runtime *rt, const uint64_t *args, int n, uint64_t outputs, uint64_t *addr)
{
    for (int i = 0; i < n; i++) {
        void *host = (void *)(uintptr_t)args[i];
        const size_t bytes = (size_t)args[n + i];
        addr[i] = tg_device_malloc_addr(rt, bytes);
        if (!addr[i] || rt->host_api.copy_to_device(rt, addr[i], host, bytes)) return -1;
        if (outputs >> i & 1u) rt->host_api.record_tensor_pair(rt, host, addr[i], bytes);
    }
    return 0;
}

/* A float as a task argument: its bits in the low 32. tg_arg_f32 of tile.h is the inverse. */
static inline uint64_t tg_pack_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#ifdef __cplusplus
}
#endif
#endif
