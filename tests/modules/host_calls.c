/* A plugin that makes single calls in odd places (host_calls.h). */
#include <pthread.h>
#include <stddef.h>

#include <tilegraph/orchestration.h>

#include "host_calls.h"

static struct tg_runtime *late; /* to be called when the plugin is closed */
static uint64_t late_address;

__attribute__((destructor)) static void call_late(void)
{
    uint64_t word = 77;
    if (late) late->host_api.copy_to_device(late, late_address, &word, sizeof word);
}

static int publish_many(struct tg_runtime *rt, uint64_t data, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t args[] = {data, (uint64_t)i % 64, 0, 0};
        const int task = tg_add_task(rt, args, 4, 0, TG_AIV);
        if (task < 0) return 1;
        tg_publish(rt, task);
    }
    return 0;
}

struct other {
    struct tg_runtime *rt;
    uint64_t address;
    int64_t which;
};

static void *call_from_thread(void *arg)
{
    const struct other *other = arg;
    const struct tg_host_api *api = &other->rt->host_api;
    static uint64_t word;
    switch (other->which) {
    case 0: api->copy_to_device(other->rt, other->address, &word, sizeof word); break;
    case 1: api->copy_from_device(other->rt, &word, other->address, sizeof word); break;
    case 2: api->record_tensor_pair(other->rt, &word, other->address, sizeof word); break;
    case 3: api->get_task_count(other->rt); break;
    default: api->print_runtime(other->rt); break;
    }
    return NULL;
}

static int other_thread(struct tg_runtime *rt, uint64_t data, int64_t which)
{
    struct other other = {rt, data, which};
    pthread_t thread;
    if (pthread_create(&thread, NULL, call_from_thread, &other) != 0) return 1;
    return pthread_join(thread, NULL);
}

static int copy(struct tg_runtime *rt, const int64_t *words, int64_t n, int for_ever)
{
    const size_t bytes = (size_t)n * sizeof *words;
    const uint64_t device = tg_device_malloc_addr(rt, bytes);
    do {
        if (rt->host_api.copy_to_device(rt, device, words, bytes)) return 1;
        if (rt->host_api.copy_from_device(rt, (void *)(uintptr_t)words, device, bytes)) return 1;
    } while (for_ever);
    return 0;
}

static int free_nothing(struct tg_runtime *rt)
{
    uint64_t args[] = {0};
#line 4000 "freed_here.c"
    tg_device_free_addr(rt, 0);
    rt->aicpu_build_api.add_task(rt, args, 1, 77, TG_AIV, 0);
    return 0;
}

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);
TG_PLUGIN_EXPORT int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args);

int orchestration(struct tg_runtime *rt)
{
    const int64_t *words = (const int64_t *)(uintptr_t)rt->orch_args[0];
    if (words[0] == HOST_CALLS_PUBLISH) return publish_many(rt, rt->orch_args[1], words[1]);
    if (words[0] == HOST_CALLS_FREE_TENSOR) tg_device_free_addr(rt, rt->orch_args[0]);
    return words[0] == HOST_CALLS_FREE_NOTHING ? free_nothing(rt) : 0;
}

int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    (void)n_args;
    const int64_t *words = (const int64_t *)(uintptr_t)args[0];
    const uint64_t data = tg_device_malloc_addr(rt, (size_t)args[3]);
    rt->host_api.copy_to_device(rt, data, (const void *)(uintptr_t)args[1], (size_t)args[3]);
    rt->host_api.record_tensor_pair(rt, (void *)(uintptr_t)args[1], data, (size_t)args[3]);
    switch ((enum host_calls)words[0]) {
    case HOST_CALLS_PUBLISH: return publish_many(rt, data, words[1]);
    case HOST_CALLS_OTHER_THREAD: return other_thread(rt, data, words[1]);
    case HOST_CALLS_LATE:
        late = rt;
        late_address = data;
        return 0;
    case HOST_CALLS_COPY: return copy(rt, words, words[1], 0);
    case HOST_CALLS_COPY_ENDLESS: return copy(rt, words, words[1], 1);
    case HOST_CALLS_FREE_NOTHING: return free_nothing(rt);
    case HOST_CALLS_FREE_TENSOR: break;
    }
    return 0;
}
