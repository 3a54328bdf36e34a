/*
 * random_memory.h - runs drawn at random: tasks, edges, an orchestration, and what they do to device memory.
 *
 * Tasks load and store by transfers, add atomically, and use plain and atomic accesses. The orchestration publishes,
 * waits, reads and writes between them. An oracle compares all pairs of accesses word by word and line by line, and
 * asks for paths between all nodes of the graph.
 */
#ifndef TESTS_COMMON_RANDOM_MEMORY_H
#define TESTS_COMMON_RANDOM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A number below `n`, from the test's source of chance. */
typedef uint32_t random_memory_fn(void *context, uint32_t n);

/* Is there a pair of conflicting accesses without an order? */
struct random_memory_verdict {
    bool race; /* of the same bytes */
    bool line; /* of other bytes of a line that a plain store writes back */
};

/* Draw a run and let both judge it. text: the run, one event a line. */
void random_memory_judge(random_memory_fn *draw, void *context, struct random_memory_verdict *check,
                         struct random_memory_verdict *oracle, char *text, size_t n_text);

#endif
