#include "check/core/repeats.h"

#include <stdlib.h>

#include "tile/execute.h"

/* Are rows apart because each stride exceeds the extent of the inner dimensions? Other rows can be apart, too. */
static bool is_nest(const struct tg_global *global)
{
    uint32_t left = 0;  /* dimensions of more than one, a bit each */
    int64_t within = 1; /* elements from the first to the last of the dimensions so far */
    for (uint32_t d = 0; d < 5; d++) left |= (uint32_t)(global->shape[d] > 1) << d;
    while (left != 0) {
        uint32_t next = (uint32_t)__builtin_ctz(left);
        for (uint32_t d = next + 1; d < 5; d++)
            if (left >> d & 1u && llabs(global->stride[d]) < llabs(global->stride[next])) next = d;
        left &= ~(1u << next);
        if (llabs(global->stride[next]) < within) return false;
        within += ((int64_t)global->shape[next] - 1) * llabs(global->stride[next]);
    }
    return true;
}

static int by_address(const void *a, const void *b)
{
    const struct tg_run_of_bytes *x = a, *y = b;
    return (x->address > y->address) - (x->address < y->address);
}

bool tg_global_repeats(const struct tg_global *global, uint64_t common[2], bool *lost)
{
    struct tg_run_of_bytes run, *runs;
    uint32_t n = 0;
    bool found = false;
    if (is_nest(global)) return false;
    while (tg_global_run(global, n, &run)) n++;
    runs = malloc(n * sizeof *runs);
    if (!runs) {
        *lost = true;
        return false;
    }
    for (uint32_t i = 0; i < n; i++) tg_global_run(global, i, &runs[i]);
    qsort(runs, n, sizeof *runs, by_address);
    for (uint32_t i = 1; i < n && !found; i++) {
        const uint64_t end = runs[i - 1].address + runs[i - 1].bytes;
        found = runs[i].address < end;
        common[0] = runs[i].address;
        common[1] = end;
    }
    free(runs);
    return found;
}
