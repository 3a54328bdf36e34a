/*
 * tiny.h - what the tiny programs beside it have in common.
 *
 * Their kernel is aiv_add.c of the vector example, sum = a + b on 64 floats. Their tensors are a and b, which the host
 * fills, and out. Each program is wrong in one way, and right with MENDED defined.
 */
#ifndef TINY_H
#define TINY_H

#include <tilegraph/orchestration.h>

enum { A, B, OUT }; /* rt->orch_args[...]: device addresses */
enum { N = 64, BYTES = N * 4 };

TG_PLUGIN_EXPORT int orchestration(struct tg_runtime *rt);

/* Add a task sum = a + b, let it wait for task `after` unless that is -1, and publish it. */
#define add(rt, a, b, sum, after)                                                                                      \
    publish_after(rt, tg_add_task(rt, ((const uint64_t[]){a, b, sum, N}), 4, 0, TG_AIV), after)

static inline int publish_after(struct tg_runtime *rt, int task, int after)
{
    if (after >= 0) tg_add_edge(rt, after, task);
    tg_publish(rt, task);
    return task;
}

#endif
