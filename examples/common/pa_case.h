/*
 * pa_case.h - what a paged attention problem is before its numbers are drawn, and the cases that have a name.
 */
#ifndef EXAMPLES_PA_CASE_H
#define EXAMPLES_PA_CASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "failure.h"
#include "pa_dtype.h"

/* Sizes in elements. `heads` is a multiple of `kv_heads`: each KV head serves a group of query heads. */
struct pa_shape {
    uint32_t batch; /* sequences, one query token each */
    uint32_t heads, kv_heads;
    uint32_t head_dim;
    uint32_t block_size; /* tokens in a block of the KV cache */
    enum pa_dtype dtype; /* of query, key_cache, value_cache and out */
};

struct pa_case {
    const char *name;
    const char *text; /* one line for --help */
    struct pa_shape shape;
    const uint32_t *lengths; /* [n_lengths] context length of each sequence; borrowed */
    uint32_t n_lengths;      /* shape.batch, or 1: the length holds for every sequence */
    uint32_t shared_blocks;  /* sequences begin with as many of the first one's full blocks, if both are that long */
    float query_scale;       /* standard deviation of the query's elements */
};

/* The cases; [0] is the default. Those from pa_n_quick_cases on take seconds and gigabytes. */
extern const struct pa_case pa_cases[];
extern const size_t pa_n_cases, pa_n_quick_cases;

/* The case of that name, or NULL. */
const struct pa_case *pa_case_by_name(const char *name);

/* How many AICPU threads scheduled when the case's device time was published; 0: no time is. */
uint32_t pa_case_schedulers(const struct pa_case *drawn);

/*
 * Whether the kernels of paged attention take the shape: what their orchestration refuses when it sees the sizes, but
 * before any tensor is drawn. TG_ERR_ARGUMENT, which names the option and what is allowed.
 */
enum tg_status pa_shape_check(const struct pa_shape *shape, struct failure *failure);

/* Columns of a column block of the NZ layout: 32 bytes of a 16-bit type. */
enum { PA_NZ_COLS = 16 };

/* The same for a cache in the NZ layout: whole column blocks, of a 16-bit type. */
enum tg_status pa_shape_check_packed(const struct pa_shape *shape, struct failure *failure);

/* Context length of sequence `b`. */
uint32_t pa_case_length(const struct pa_case *drawn, uint32_t b);

#endif
