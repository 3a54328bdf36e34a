#define _POSIX_C_SOURCE 200809L

#include "pa_problem.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parallel.h"

/* Blocks of the cache that no sequence owns. */
enum { SPARE_BLOCKS = 3 };

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

/* a * b, or UINT64_MAX if that is more. */
static uint64_t multiply(uint64_t a, uint64_t b) { return a != 0 && b > UINT64_MAX / a ? UINT64_MAX : a * b; }

struct pa_counts pa_problem_counts(const struct pa_problem *problem)
{
    const struct pa_shape *s = &problem->shape;
    struct pa_counts counts;
    counts.query = multiply(multiply(s->batch, s->heads), s->head_dim);
    counts.cache = multiply(multiply(multiply(problem->n_blocks, s->block_size), s->kv_heads), s->head_dim);
    counts.table = (uint64_t)s->batch * problem->table_cols;
    return counts;
}

/* Say what does not fit before it is allocated: a system that promises more memory than it has kills the process when
 * the promise is called in. A run holds the cache in both layouts and on the device. */
static enum tg_status check_memory(const struct pa_problem *problem, struct failure *failure)
{
    struct pa_counts counts = pa_problem_counts(problem);
    double needs = (6.0 * (double)counts.cache + 3.0 * (double)counts.query) *
                       (double)pa_dtype_bytes(problem->shape.dtype) +
                   2.0 * (double)counts.table * (double)sizeof(int32_t);
    double has = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (!(has > 0)) has = (double)SIZE_MAX / 2; /* the system does not tell */
    if (needs <= has) return TG_OK;
    return failure_set(failure, TG_ERR_MEMORY, "the tensors need %.1f GiB, this computer has %.1f GiB", needs * 0x1p-30,
                       has * 0x1p-30);
}

static void *allocate(uint64_t n, size_t element_bytes)
{
    return n <= SIZE_MAX / element_bytes ? malloc((size_t)n * element_bytes) : NULL;
}

/* ---- random numbers ------------------------------------------------------------------------------------------------
 * Counter-based: a hash of seed, tensor and counter, so that any thread can draw any element in any order. */

enum tensor_id { TENSOR_QUERY = 1, TENSOR_KEY, TENSOR_VALUE, TENSOR_TABLE };

/* The output function of SplitMix64: every bit of the input moves every bit of the output. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t random_bits(uint64_t seed, enum tensor_id tensor, uint64_t counter)
{
    const uint64_t step = UINT64_C(0x9e3779b97f4a7c15); /* 2^64 / golden ratio, odd */
    uint64_t stream = mix(seed + step * (uint64_t)tensor);
    return mix(stream + step * (counter + 1));
}

/* Elements [index, index + n) of the tensor into `out`, standard normal times `deviation`: Box-Muller turns two uniform
 * numbers into the normals of an even element and of the odd one after it. */
static void draw_normals(uint64_t seed, enum tensor_id tensor, float deviation, enum pa_dtype dtype, void *out,
                         uint64_t index, uint64_t n)
{
    const double two_pi = 6.283185307179586;
    for (uint64_t i = index & ~UINT64_C(1); i < index + n; i += 2) {
        double u = (double)((random_bits(seed, tensor, i) >> 11) + 1) * 0x1p-53; /* (0, 1] */
        double v = (double)(random_bits(seed, tensor, i + 1) >> 11) * 0x1p-53;   /* [0, 1) */
        double radius = (double)deviation * sqrt(-2.0 * log(u));
        if (i >= index) pa_store(dtype, out, i, (float)(radius * cos(two_pi * v)));
        if (i + 1 >= index && i + 1 < index + n) pa_store(dtype, out, i + 1, (float)(radius * sin(two_pi * v)));
    }
}

/* ---- drawing a case ---------------------------------------------------------------------------------------------- */

struct drawing {
    const struct pa_case *drawn;
    uint64_t seed;
    struct pa_problem *problem;
    uint32_t *owned; /* [n_blocks]: tokens of the block that a sequence owns; they are its first */
};

static uint32_t blocks_of(const struct pa_case *drawn, uint32_t b)
{
    uint32_t size = drawn->shape.block_size, length = pa_case_length(drawn, b);
    return length / size + (length % size != 0);
}

/* How many blocks sequence `b` takes over from sequence 0: only full ones, to which nobody appends. */
static uint32_t shared_blocks_of(const struct pa_case *drawn, uint32_t b)
{
    if (b == 0) return 0;
    uint32_t size = drawn->shape.block_size, n = drawn->shared_blocks;
    if (n > pa_case_length(drawn, 0) / size) n = pa_case_length(drawn, 0) / size;
    if (n > pa_case_length(drawn, b) / size) n = pa_case_length(drawn, b) / size;
    return n;
}

/* Fill in shape, table_cols and n_blocks. */
static enum tg_status size_problem(const struct pa_case *drawn, struct pa_problem *p, struct failure *failure)
{
    if (drawn->n_lengths != 1 && drawn->n_lengths != drawn->shape.batch) {
        return failure_set(failure, TG_ERR_ARGUMENT, "there are %" PRIu32 " context lengths for a batch of %" PRIu32,
                           drawn->n_lengths, drawn->shape.batch);
    }
    uint64_t n_blocks = SPARE_BLOCKS;
    p->shape = drawn->shape;
    p->n_blocks = SPARE_BLOCKS;
    p->table_cols = 1;                                /* a tensor has at least one element */
    enum tg_status status = check_memory(p, failure); /* first without sequences: there may be too many to visit */
    if (status != TG_OK) return status;
    for (uint32_t b = 0; b < drawn->shape.batch && n_blocks <= INT32_MAX; b++) {
        uint32_t n = blocks_of(drawn, b);
        n_blocks += n - shared_blocks_of(drawn, b);
        if (n > p->table_cols) p->table_cols = n;
    }
    if (n_blocks > INT32_MAX) {
        return failure_set(failure, TG_ERR_ARGUMENT,
                           "the context lengths need more blocks than block_table can number (2^31 - 1)");
    }
    p->n_blocks = (uint32_t)n_blocks;
    return check_memory(p, failure);
}

/* A random order of the n_blocks block ids. */
static void shuffle_blocks(uint64_t seed, int32_t *ids, uint32_t n_blocks)
{
    for (uint32_t i = 0; i < n_blocks; i++) ids[i] = (int32_t)i;
    for (uint32_t i = n_blocks; i > 1; i--) {
        uint32_t j = (uint32_t)(random_bits(seed, TENSOR_TABLE, i) % i);
        int32_t swapped = ids[i - 1];
        ids[i - 1] = ids[j];
        ids[j] = swapped;
    }
}

/* Give each sequence its blocks, taken in the order of `ids`, and note how many tokens of each block are owned. */
static void assign_blocks(struct drawing *d, const int32_t *ids)
{
    struct pa_problem *p = d->problem;
    uint32_t next = 0, size = p->shape.block_size;
    for (uint32_t b = 0; b < p->shape.batch; b++) {
        int32_t *row = p->block_table + (uint64_t)b * p->table_cols;
        uint32_t length = pa_case_length(d->drawn, b), n = blocks_of(d->drawn, b);
        uint32_t n_shared = shared_blocks_of(d->drawn, b);
        p->context_lens[b] = (int32_t)length;
        for (uint32_t j = 0; j < p->table_cols; j++) {
            row[j] = j < n_shared ? p->block_table[j] : j < n ? ids[next++] : -1;
            if (j < n) d->owned[row[j]] = j + 1 < n || length % size == 0 ? size : length % size;
        }
    }
}

/* Draw what is owned of block `block`, in both caches; the rest is NaN. */
static bool draw_block(void *context, uint64_t block)
{
    const struct drawing *d = context;
    const struct pa_problem *p = d->problem;
    uint64_t token = (uint64_t)p->shape.kv_heads * p->shape.head_dim;
    uint64_t first = block * p->shape.block_size * token, n_drawn = d->owned[block] * token;
    draw_normals(d->seed, TENSOR_KEY, 0.1f, p->shape.dtype, p->key, first, n_drawn);
    draw_normals(d->seed, TENSOR_VALUE, 0.1f, p->shape.dtype, p->value, first, n_drawn);
    for (uint64_t i = first + n_drawn; i < first + p->shape.block_size * token; i++) {
        pa_store(p->shape.dtype, p->key, i, NAN);
        pa_store(p->shape.dtype, p->value, i, NAN);
    }
    return true;
}

static enum tg_status draw_tensors(struct drawing *d, int32_t *ids, struct failure *failure)
{
    struct pa_problem *p = d->problem;
    struct pa_counts n = pa_problem_counts(p);
    size_t bytes = pa_dtype_bytes(p->shape.dtype);
    p->query = allocate(n.query, bytes);
    p->key = allocate(n.cache, bytes);
    p->value = allocate(n.cache, bytes);
    p->block_table = allocate(n.table, sizeof *p->block_table);
    p->context_lens = allocate(p->shape.batch, sizeof *p->context_lens);
    if (!ids || !d->owned || !p->query || !p->key || !p->value || !p->block_table || !p->context_lens) {
        return failure_set(failure, TG_ERR_MEMORY, "no memory for the tensors");
    }
    shuffle_blocks(d->seed, ids, p->n_blocks);
    assign_blocks(d, ids);
    draw_normals(d->seed, TENSOR_QUERY, d->drawn->query_scale, p->shape.dtype, p->query, 0, n.query);
    parallel_for(p->n_blocks, n.cache, draw_block, d); /* draw_block does not fail */
    return pa_problem_finish(p, failure);
}

enum tg_status pa_problem_draw(const struct pa_case *drawn, uint64_t seed, struct pa_problem *out,
                               struct failure *failure)
{
    struct pa_problem problem = {0};
    enum tg_status status = size_problem(drawn, &problem, failure);
    if (status != TG_OK) return status;

    struct drawing d = {.drawn = drawn, .seed = seed, .problem = &problem};
    d.owned = calloc(problem.n_blocks, sizeof *d.owned);
    int32_t *ids = allocate(problem.n_blocks, sizeof *ids);
    status = draw_tensors(&d, ids, failure);
    free(ids);
    free(d.owned);
    if (status == TG_OK) *out = problem;
    else pa_problem_free(&problem);
    return status;
}

/* ---- kernel layout ----------------------------------------------------------------------------------------------- */

/* K^T of one block and head: rows of `dim` elements, `ld` apart, become columns. The size is a constant at each call,
 * so that the copy is one move. */
static void transpose(unsigned char *to, const unsigned char *from, uint64_t tokens, uint64_t dim, uint64_t ld,
                      size_t element_bytes)
{
    for (uint64_t d = 0; d < dim; d++) {
        for (uint64_t t = 0; t < tokens; t++) {
            const unsigned char *at = from + (t * ld + d) * element_bytes;
            if (element_bytes == 2) memcpy(to + (d * tokens + t) * 2, at, 2);
            else memcpy(to + (d * tokens + t) * 4, at, 4);
        }
    }
}

/* Bring one block from the plain into the kernel layout. */
static bool convert_block(void *context, uint64_t block)
{
    struct pa_problem *p = context;
    const uint64_t tokens = p->shape.block_size, dim = p->shape.head_dim, ld = p->shape.kv_heads * dim;
    const size_t bytes = pa_dtype_bytes(p->shape.dtype);
    for (uint64_t head = 0; head < p->shape.kv_heads; head++) {
        uint64_t from = (block * tokens * ld + head * dim) * bytes;
        uint64_t to = (block * p->shape.kv_heads + head) * tokens * dim * bytes;
        transpose((unsigned char *)p->key_cache + to, (const unsigned char *)p->key + from, tokens, dim, ld, bytes);
        for (uint64_t t = 0; t < tokens; t++) {
            memcpy((unsigned char *)p->value_cache + to + t * dim * bytes,
                   (const unsigned char *)p->value + from + t * ld * bytes, dim * bytes);
        }
    }
    return true;
}

enum tg_status pa_problem_finish(struct pa_problem *problem, struct failure *failure)
{
    const struct pa_shape *s = &problem->shape;
    struct pa_counts n = pa_problem_counts(problem);
    problem->scale = 1.0f / sqrtf((float)s->head_dim);
    uint32_t scale_bits;
    memcpy(&scale_bits, &problem->scale, sizeof scale_bits);
    const int64_t config[PA_CONFIG_WORDS] = {
        s->batch, s->heads, s->kv_heads, s->head_dim, s->block_size, problem->table_cols, scale_bits, s->dtype};
    memcpy(problem->config, config, sizeof config);

    problem->key_cache = allocate(n.cache, pa_dtype_bytes(s->dtype));
    problem->value_cache = allocate(n.cache, pa_dtype_bytes(s->dtype));
    problem->out = allocate(n.query, pa_dtype_bytes(s->dtype));
    if (!problem->key_cache || !problem->value_cache || !problem->out) {
        return failure_set(failure, TG_ERR_MEMORY, "no memory for the tensors in the kernels' layout");
    }
    memset(problem->out, 0xff, n.query * pa_dtype_bytes(s->dtype));   /* NaN until the run has written it */
    parallel_for(problem->n_blocks, n.cache, convert_block, problem); /* convert_block does not fail */
    return TG_OK;
}

void pa_problem_free(struct pa_problem *problem)
{
    free(problem->query);
    free(problem->key);
    free(problem->value);
    free(problem->key_cache);
    free(problem->value_cache);
    free(problem->out);
    free(problem->block_table);
    free(problem->context_lens);
    free(problem->reference);
    memset(problem, 0, sizeof *problem);
}
