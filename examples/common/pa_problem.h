/*
 * pa_problem.h - the tensors of one paged attention: query, KV cache, block table, context lengths, output.
 *
 *     query, out          [batch][heads][head_dim]
 *     key_cache           [n_blocks][kv_heads][head_dim][block_size]: a block of a head is K^T
 *     value_cache         [n_blocks][kv_heads][block_size][head_dim]
 *     block_table         [batch][table_cols] int32: which block holds tokens [j * block_size, (j + 1) * block_size)
 *     context_lens        [batch] int32
 *
 * This is the layout of the kernels. pa_problem_pack turns the matrices of both caches, one a block and KV head, from
 * rows into NZ. Files have both caches in the plain layout, [n_blocks][block_size][kv_heads][head_dim].
 */
#ifndef EXAMPLES_PA_PROBLEM_H
#define EXAMPLES_PA_PROBLEM_H

#include <stdbool.h>
#include <stdint.h>

#include "failure.h"
#include "pa_case.h"

/* The words of config that are set after a problem is made, and how many words there are. */
enum { PA_CONFIG_BLOCKS_PER_TASK = 8, PA_CONFIG_PACKED, PA_CONFIG_WORDS };

struct pa_problem {
    struct pa_shape shape;
    uint32_t table_cols; /* columns of block_table, >= 1 */
    uint32_t n_blocks;   /* blocks that exist, >= 1 */
    float scale;         /* of the scores: 1 / sqrt(head_dim) */

    void *query; /* elements of shape.dtype, as all up to out */
    void *key_cache, *value_cache;
    void *out; /* written by the run */
    int32_t *block_table;
    int32_t *context_lens;
    /* batch, heads, kv_heads, head_dim, block_size, table_cols, scale bits, dtype, blocks per task (1), packed (0) */
    int64_t config[PA_CONFIG_WORDS];

    double *reference;             /* [batch][heads][head_dim]: the out.npy that was loaded, or NULL */
    enum pa_dtype reference_dtype; /* what reference was rounded to */
};

/* Elements of each tensor of a problem. */
struct pa_counts {
    uint64_t query; /* also of out and reference */
    uint64_t cache; /* each of key_cache and value_cache */
    uint64_t table;
};

/* Counts of a problem whose shape, table_cols and n_blocks are set; UINT64_MAX stands for all that is larger. */
struct pa_counts pa_problem_counts(const struct pa_problem *problem);

/*
 * Whether a run of the problem, whose shape, table_cols and n_blocks are set, fits into memory: the tensors are here
 * and on the device, the golden is two more of the query's size. A system that promises more memory than it has kills
 * the process when the promise is called in, so this comes before the tensors. TG_ERR_MEMORY, with numbers and the
 * limit.
 */
enum tg_status pa_problem_check_memory(const struct pa_problem *problem, struct failure *failure);

/*
 * Draw the tensors of `drawn`: keys and values 0.1 * N(0, 1), queries query_scale * N(0, 1), rounded to the type.
 *
 * Every element is a function of seed, tensor and index alone. The block table is shuffled and the cache has a few
 * blocks more than are used. Elements of blocks and tokens that no sequence owns are NaN and unused entries of the
 * block table are -1, so that a read of one shows in the output.
 * Owns      *out is the caller's, see pa_problem_free.
 * Errors    TG_ERR_ARGUMENT  more blocks than a block table can number, or a number of lengths other than batch
 *           TG_ERR_MEMORY    more than is left, see pa_problem_check_memory
 */
enum tg_status pa_problem_draw(const struct pa_case *drawn, uint64_t seed, struct pa_problem *out,
                               struct failure *failure);

/*
 * What every problem needs besides its inputs: with shape, table_cols and n_blocks set, fill in scale and config, and
 * allocate key_cache, value_cache and out.
 */
enum tg_status pa_problem_finish(struct pa_problem *problem, struct failure *failure);

/*
 * How many KV blocks a task should cover on a computer's own processors, 1 to 64, by the problem's shape and lengths
 * alone: as many as leave PA_SPANS spans to share out, but so many that a task has PA_SPAN_TOKENS to work on. So long
 * contexts of few sequences and KV heads are split, and the result does not depend on the number of workers.
 */
enum { PA_SPANS = 32, PA_SPAN_TOKENS = 512, PA_SPAN_BLOCKS = 64 };
uint32_t pa_problem_blocks_per_task(const struct pa_problem *problem);

/*
 * Bring both caches from rows into the NZ layout, in place, and say so in config. A matrix [rows][cols] becomes
 * [cols / PA_NZ_COLS][rows][PA_NZ_COLS]. The caches must be in rows.
 *
 * Errors    TG_ERR_ARGUMENT (pa_shape_check_packed; nothing is changed), TG_ERR_MEMORY (the caches are of no use)
 */
enum tg_status pa_problem_pack(struct pa_problem *problem, struct failure *failure);

/* Whether the caches are in the NZ layout. */
bool pa_problem_is_packed(const struct pa_problem *problem);

/* The index of element (row, col) of a matrix in the NZ layout. The PA_NZ_COLS columns of a column block follow each
 * other. */
static inline uint64_t pa_nz_at(uint64_t rows, uint64_t row, uint64_t col)
{
    return (col / PA_NZ_COLS * rows + row) * PA_NZ_COLS + col % PA_NZ_COLS;
}

/* Fill a cache of the problem from `plain`, which has the same elements in the plain layout, or the other way round. */
enum pa_cache { PA_KEY, PA_VALUE };
void pa_problem_from_plain(struct pa_problem *problem, enum pa_cache cache, const void *plain);
void pa_problem_to_plain(const struct pa_problem *problem, enum pa_cache cache, void *plain);

/* Free the tensors. A problem of zero bytes is allowed. */
void pa_problem_free(struct pa_problem *problem);

#endif
