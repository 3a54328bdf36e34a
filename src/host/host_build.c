/* host_build_graph: the plugin runs here, with host pointers, before the launch. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "host/host.h"
#include "os/ward.h"

/* The plugin's handle is the first field of the builder, which is part of the run. */
static struct tg_run *of(struct tg_runtime *rt)
{
    return (struct tg_run *)(void *)((char *)rt - offsetof(struct tg_run, builder));
}
_Static_assert(offsetof(struct tg_builder, rt) == 0, "of() finds the run by its builder");

/* A call by the plugin has ended. */
static int ended(struct tg_run *run, const char *call, enum tg_status status)
{
    if (status != TG_OK) tg_failure_set(run->failure, status, "%s: %s", call, tg_last_message());
    tg_builder_end(&run->builder);
    return status == TG_OK ? 0 : -1;
}

/* Copying takes the library's time, so it does not count as silence of the plugin. The exemption ends after several
 * copies of all device memory: a plugin that copies endlessly must meet its limit. */
static void count_copied(struct tg_run *run, uint64_t bytes)
{
    enum { TIMES = 4 };
    run->n_copied_bytes += bytes;
    if (run->n_copied_bytes <= TIMES * tg_gm_peak(run->builder.gm)) tg_guard_excuse(run->builder.guard);
}

static TG_FORGETS int copy_to_device(struct tg_runtime *rt, uint64_t device, const void *host, size_t bytes)
{
    struct tg_run *run = of(rt);
    if (!tg_builder_begin(&run->builder, "copy_to_device")) return -1;
    enum tg_status status = tg_copy_to_device(run->program->device, device, host, bytes);
    if (status == TG_OK) tg_host_check_copied(run, device, host, bytes);
    if (status == TG_OK) count_copied(run, bytes);
    return ended(run, "copy_to_device", status);
}

static TG_FORGETS int copy_from_device(struct tg_runtime *rt, void *host, uint64_t device, size_t bytes)
{
    struct tg_run *run = of(rt);
    if (!tg_builder_begin(&run->builder, "copy_from_device")) return -1;
    enum tg_status status = tg_copy_from_device(run->program->device, host, device, bytes);
    if (status == TG_OK) tg_host_check_read(run, device, bytes);
    if (status == TG_OK) count_copied(run, bytes);
    return ended(run, "copy_from_device", status);
}

static TG_FORGETS void record_tensor_pair(struct tg_runtime *rt, void *host, uint64_t device, size_t bytes)
{
    struct tg_run *run = of(rt);
    if (!tg_builder_begin(&run->builder, "record_tensor_pair")) return;
    enum tg_status status = TG_OK;
    if (tg_grow((void **)&run->pairs, run->n_pairs + 1, &run->pairs_capacity, sizeof *run->pairs))
        run->pairs[run->n_pairs++] = (struct tg_pair){host, device, bytes};
    else status = tg_error(TG_ERR_MEMORY, "no memory for %zu pairs", run->n_pairs + 1);
    (void)ended(run, "record_tensor_pair", status);
}

static TG_FORGETS int get_task_count(struct tg_runtime *rt)
{
    struct tg_run *run = of(rt);
    if (!tg_builder_begin(&run->builder, "get_task_count")) return -1;
    const int n = (int)run->builder.graph->n_added; /* at most INT32_MAX */
    (void)ended(run, "get_task_count", TG_OK);
    return n;
}

static void print_task(void *context, struct tg_task *task)
{
    (void)context;
    char text[256];
    fprintf(stderr, "%s ->", tg_task_describe(task, text, sizeof text));
    for (const struct tg_edge *edge = tg_task_successors(task); edge; edge = edge->next)
        fprintf(stderr, " %d", edge->to->id);
    fprintf(stderr, "\n");
}

static TG_FORGETS void print_runtime(struct tg_runtime *rt)
{
    struct tg_run *run = of(rt);
    if (!tg_builder_begin(&run->builder, "print_runtime")) return;
    tg_graph_each_incomplete(run->builder.graph, print_task, NULL);
    (void)ended(run, "print_runtime", TG_OK);
}

/* Keep a task that was published by hand and can run, until the launch. */
static void published(void *context, struct tg_task *ready)
{
    struct tg_run *run = context;
    if (!ready) return;
    ready->next_ready = NULL;
    *run->ready_end = ready;
    run->ready_end = &ready->next_ready;
}

/* The entry's args: pointers, sizes, count. The plugin sees outputs as poisoned copies, so that the caller's memory is
 * unchanged until the run has succeeded. */
static enum tg_status host_args(struct tg_run *run)
{
    size_t n = run->n_tensors;
    for (size_t i = 0; i < n; i++) {
        const struct tg_tensor *tensor = &run->tensors[i];
        if (tensor->direction != TG_IN) {
            run->staging[i] = malloc(tensor->bytes);
            if (!run->staging[i]) return tg_error(TG_ERR_MEMORY, "no memory for a copy of tensor %s", tensor->name);
            if (tensor->direction == TG_OUT) memset(run->staging[i], 0xFF, tensor->bytes);
            else memcpy(run->staging[i], tensor->data, tensor->bytes);
        }
        run->args[i] = (uint64_t)(uintptr_t)(run->staging[i] ? run->staging[i] : tensor->data);
        run->args[n + i] = tensor->bytes;
    }
    run->args[2 * n] = run->tensors[0].elements;
    return TG_OK;
}

static void call_plugin(void *arg)
{
    struct tg_run *run = arg;
    tg_builder_run(&run->builder, &run->plugin->module, run->orchestration->function_name, run->args,
                   (int)(2 * run->n_tensors + 1));
}

/* Runs on a thread of its own if it is guarded, otherwise on the caller's thread. */
static enum tg_status call_guarded(struct tg_run *run)
{
    struct tg_machine *machine = run->program->device->machine;
    sigset_t mask;
    if (!machine->catch_faults) {
        pthread_sigmask(SIG_SETMASK, NULL, &mask); /* foreign code may change it */
        call_plugin(run);
        pthread_sigmask(SIG_SETMASK, &mask, NULL);
        return TG_OK;
    }
    const struct tg_ward_call call = {.fn = call_plugin, .arg = run, .limit_ms = run->config.kernel_limit_ms};
    struct tg_guard how;
    TG_TRY(tg_ward_call(&call, &how));
    machine->lost = how.end == TG_GUARD_STUCK;
    if (how.end != TG_GUARD_RETURNED) tg_builder_report(&run->builder, run->orchestration->function_name, &how);
    return TG_OK;
}

enum tg_status tg_host_build(struct tg_run *run)
{
    TG_TRY(host_args(run));
    enum tg_status status = TG_OK;
    struct tg_machine *machine = run->program->device->machine;
    run->plugin = tg_plugins_take(machine, &run->orchestration->plugin, &status);
    if (!run->plugin) return status;
    run->ready_end = &run->ready;
    struct tg_builder_config config = {
        .graph = machine->n_workers > 0 ? &run->graph : &run->host_graph, /* see graph_source() */
        .kernels = &run->program->kernels,
        .gm = &machine->gm,
        .gm_owner = &run->plugin_memory,
        .failure = run->failure,
        .observers = run->observers,
        .orch_args = run->args,
        .orch_argc = (int32_t)(2 * run->n_tensors + 1),
        .hooks = {.context = run, .published = published},
    };
    tg_builder_init(&run->builder, &config);
    run->builder.rt.host_api = (struct tg_host_api){
        .copy_to_device = copy_to_device,
        .copy_from_device = copy_from_device,
        .record_tensor_pair = record_tensor_pair,
        .get_task_count = get_task_count,
        .print_runtime = print_runtime,
    };
    TG_TRY(call_guarded(run));
    status = tg_failure_status(run->failure);
    if (status != TG_OK && run->config.check) return TG_OK; /* tg_run_wait reports it, together with the findings */
    if (status != TG_OK) return tg_error(status, "%s", tg_failure_message(run->failure));

    tg_graph_publish_all(run->builder.graph, run->ready_end);
    return TG_OK;
}

bool tg_host_is_staged(const struct tg_run *run, const struct tg_pair *pair)
{
    const uintptr_t host = (uintptr_t)pair->host;
    for (size_t i = 0; i < run->n_tensors; i++) {
        const uintptr_t from = (uintptr_t)run->staging[i];
        if (from && host >= from && host - from < run->tensors[i].bytes) return true;
    }
    return false;
}

/* Can the pair be copied? Writes to each page of host memory without a change of its bytes. */
static enum tg_status try_pair(struct tg_device *device, const struct tg_pair *pair)
{
    enum { PAGE_BYTES = 4096 };               /* the smallest of any computer */
    _Atomic unsigned char *host = pair->host; /* other threads may write there */
    unsigned char no_bit = 0;
    __asm__("" : "+r"(no_bit)); /* a compiler that knows the value only reads */
    TG_TRY(tg_device_check_range(device, pair->device, pair->bytes));
    if (pair->bytes == 0) return TG_OK;
    for (uint64_t at = 0; at < pair->bytes; at += PAGE_BYTES)
        atomic_fetch_or_explicit(&host[at], no_bit, memory_order_relaxed);
    atomic_fetch_or_explicit(&host[pair->bytes - 1], no_bit, memory_order_relaxed);
    return TG_OK;
}

static enum tg_status copy_pair(struct tg_device *device, const struct tg_pair *pair)
{
    return tg_copy_from_device(device, pair->host, pair->device, pair->bytes);
}

typedef enum tg_status pair_fn(struct tg_device *device, const struct tg_pair *pair);

/* The plugin gave the host address, so it is used under the plugin's guard. */
static enum tg_status guarded(struct tg_run *run, const struct tg_pair *pair, pair_fn *use)
{
    struct tg_guard guard;
    volatile enum tg_status used = TG_OK;
    tg_guard_begin(&guard, run->plugin->module.text);
    if (sigsetjmp(guard.jump, 0) == 0) {
        tg_guard_arm(&guard);
        used = use(run->program->device, pair);
    }
    if (tg_guard_finish(&guard) == TG_GUARD_RETURNED) return used;
    return tg_error(TG_ERR_PLUGIN_FAULT, "record_tensor_pair: %zu bytes cannot be written to host address %p",
                    (size_t)pair->bytes, pair->host);
}

/* Under another seed only tensors are written: other memory keeps what the first run has copied back. */
static enum tg_status each_pair(struct tg_run *run, pair_fn *use)
{
    const bool is_first = run->failure == &run->own_failure;
    for (size_t i = 0; i < run->n_pairs; i++)
        if (is_first || tg_host_is_staged(run, &run->pairs[i])) TG_TRY(guarded(run, &run->pairs[i], use));
    return TG_OK;
}

enum tg_status tg_host_copy_back(struct tg_run *run)
{
    struct tg_watch watch = {0};
    if (run->program->device->machine->catch_faults) TG_TRY(tg_watch_begin(&watch, run->config.kernel_limit_ms));
    enum tg_status status = each_pair(run, try_pair); /* all or nothing is copied */
    if (status == TG_OK) status = each_pair(run, copy_pair);
    tg_watch_end(&watch);
    if (status != TG_OK) return status;
    for (size_t i = 0; i < run->n_tensors; i++)
        if (run->staging[i]) memcpy(run->tensors[i].data, run->staging[i], run->tensors[i].bytes);
    return TG_OK;
}
