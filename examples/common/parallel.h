/*
 * parallel.h - a loop whose iterations are independent, on the processors of this computer.
 */
#ifndef EXAMPLES_PARALLEL_H
#define EXAMPLES_PARALLEL_H

#include <stdbool.h>
#include <stdint.h>

/* One iteration. Called on several threads at once with different `index`; false: out of memory, give up. */
typedef bool parallel_fn(void *context, uint64_t index);

/*
 * Call work(context, index) for every index in [0, n).
 *
 * `cost` is the number of elements that all iterations together touch: a small loop stays on the calling thread, as
 * does one whose threads cannot be started.
 * Blocks    until all calls have returned.
 * Returns   whether every call returned true.
 */
bool parallel_for(uint64_t n, uint64_t cost, parallel_fn *work, void *context);

#endif
