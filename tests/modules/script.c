/*
 * script.c - a plugin that builds the graph that its first tensor spells out (see script.h). The second tensor, uint32
 * words, is what the tasks work on.
 */
#include <stdbool.h>
#include <tilegraph/orchestration.h>

#include "script.h"

struct player {
    struct tg_runtime *rt;
    const int64_t *words; /* readable here */
    uint32_t *data;       /* readable and writable here; on the host not what the tasks see */
    uint64_t data_addr;   /* device */
    int n_tasks;
    uint64_t target; /* device: what tasks are given first */
    uint64_t allocated[SCRIPT_MALLOCS_MAX];
    int n_allocated;
};

static void add(struct player *p, const int64_t *op)
{
    uint64_t args[TG_TASK_ARGS_MAX + 2];
    const int64_t n_args = op[3];
    args[0] = p->target;
    for (int64_t i = 0; i < n_args && i <= TG_TASK_ARGS_MAX; i++) args[i + 1] = (uint64_t)op[4 + i];
    p->rt->aicpu_build_api.mark(p->rt, SCRIPT_FILE, ++p->n_tasks);
    p->rt->aicpu_build_api.add_task(p->rt, args, (int)n_args + 1, (int)op[1], (enum tg_core_type)op[2], 0);
}

static void describe(struct player *p, const int64_t *op)
{
    struct {
        struct tg_task_config config;
        uint64_t later[8]; /* fields of a later version */
    } task = {.later = {1}};
    uint64_t args[TG_TASK_ARGS_MAX + 1];
    const struct tg_task_part part = {.func_id = (int32_t)op[4], .core_type = (int32_t)op[5]}, parts[] = {part, part};
    args[0] = p->target;
    for (int64_t i = 0; i < op[6]; i++) args[i + 1] = (uint64_t)op[7 + i];
    task.config = (struct tg_task_config){.size = sizeof task.config + (size_t)op[2],
                                          .args = args,
                                          .n_args = (uint32_t)op[6] + 1,
                                          .n_parts = (uint32_t)op[1],
                                          .parts = parts,
                                          .part_size = sizeof part,
                                          .label = op[3] ? "described" : NULL};
    p->rt->aicpu_build_api.mark(p->rt, SCRIPT_FILE, ++p->n_tasks);
    p->rt->task_api->add(p->rt, &task.config);
}

static void allocate(struct player *p, size_t bytes)
{
    const uint64_t address = tg_device_malloc_addr(p->rt, bytes);
    if (p->n_allocated < SCRIPT_MALLOCS_MAX) p->allocated[p->n_allocated++] = address;
}

static bool holds(const struct player *p, int64_t index, int64_t value)
{
    /* Volatile: a task may have written it since it was read last. */
    uint32_t word = ((const volatile uint32_t *)p->data)[index];
    if (word == (uint32_t)value) return true;
    p->rt->aicpu_build_api.fail(p->rt, "data[%d] is %u, expected %u", (int)index, word, (unsigned)value);
    return false;
}

static void read_word(struct player *p, uint64_t address)
{
    uint32_t word;
    if (p->rt->host_api.copy_from_device) p->rt->host_api.copy_from_device(p->rt, &word, address, sizeof word);
}

static int play(struct player *p)
{
    for (const int64_t *op = p->words;;) {
        switch ((enum script_word)op[0]) {
        case SCRIPT_END: return 0;
        case SCRIPT_ADD:
            add(p, op);
            op += 4 + op[3];
            break;
        case SCRIPT_DESCRIBE:
            describe(p, op);
            op += 7 + op[6];
            break;
        case SCRIPT_EDGE:
            tg_add_edge(p->rt, (int)op[1], (int)op[2]);
            op += 3;
            break;
        case SCRIPT_PUBLISH:
            tg_publish(p->rt, (int)op[1]);
            op += 2;
            break;
        case SCRIPT_WAIT:
            if (p->rt->aicpu_build_api.wait_task(p->rt, (int)op[1]) != 0) return 0;
            op += 2;
            break;
        case SCRIPT_EXPECT:
            if (!holds(p, op[1], op[2])) return 1;
            op += 3;
            break;
        case SCRIPT_MALLOC:
            allocate(p, (size_t)op[1]);
            op += 2;
            break;
        case SCRIPT_FREE:
            tg_device_free_addr(p->rt, p->allocated[op[1]]);
            op += 2;
            break;
        case SCRIPT_TARGET:
            p->target = op[1] < 0 ? p->data_addr : p->allocated[op[1]];
            op += 2;
            break;
        case SCRIPT_STORE:
            ((volatile uint32_t *)p->data)[op[1]] = (uint32_t)op[2];
            op += 3;
            break;
        case SCRIPT_READ:
            read_word(p, p->allocated[op[1]]);
            op += 2;
            break;
        case SCRIPT_RETURN: return (int)op[1];
        case SCRIPT_FAIL: p->rt->aicpu_build_api.fail(p->rt, "%s", "said by the script"); return 1;
        }
    }
}

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);
TG_PLUGIN_EXPORT int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args);

int orchestration(struct tg_runtime *rt)
{
    struct player p = {.rt = rt,
                       .words = (const int64_t *)(uintptr_t)rt->orch_args[0],
                       .data = (uint32_t *)(uintptr_t)rt->orch_args[1],
                       .data_addr = rt->orch_args[1],
                       .target = rt->orch_args[1]};
    return play(&p);
}

int orchestration_host(struct tg_runtime *rt, uint64_t *args, int n_args)
{
    (void)n_args;
    void *data = (void *)(uintptr_t)args[1];
    struct player p = {.rt = rt, .words = (const int64_t *)(uintptr_t)args[0], .data = data};
    p.target = p.data_addr = tg_device_malloc_addr(rt, (size_t)args[3]);
    if (!p.data_addr) return 1;
    rt->host_api.copy_to_device(rt, p.data_addr, data, (size_t)args[3]);
    rt->host_api.record_tensor_pair(rt, data, p.data_addr, (size_t)args[3]);
    return play(&p);
}
