#define _POSIX_C_SOURCE 200809L

#include "pa_problem.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "memory_left.h"
#include "normal.h"
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

uint32_t pa_problem_blocks_per_task(const struct pa_problem *problem)
{
    const struct pa_shape *s = &problem->shape;
    const uint64_t least = (PA_SPAN_TOKENS + s->block_size - 1) / s->block_size;
    uint64_t n_blocks = 0;
    for (uint32_t i = 0; i < s->batch; i++)
        n_blocks += ((uint64_t)problem->context_lens[i] + s->block_size - 1) / s->block_size * s->kv_heads;
    const uint64_t fair = n_blocks / PA_SPANS, chosen = fair > least ? fair : least;
    return chosen < PA_SPAN_BLOCKS ? (uint32_t)chosen : PA_SPAN_BLOCKS;
}

static enum tg_status check_left(double needs, struct memory_left left, struct failure *failure)
{
    if (needs <= (double)left.bytes) return TG_OK;
    return failure_set(failure, TG_ERR_MEMORY, "the tensors need %.2f GiB, %s %.2f GiB", needs * 0x1p-30, left.by,
                       (double)left.bytes * 0x1p-30);
}

enum tg_status pa_problem_check_memory(const struct pa_problem *problem, struct failure *failure)
{
    const double program = 32 << 20; /* memory of the process besides tensors */
    const struct pa_counts counts = pa_problem_counts(problem);
    const double tensors = (2.0 * (double)counts.cache + 2.0 * (double)counts.query) *
                               (double)pa_dtype_bytes(problem->shape.dtype) +
                           (double)counts.table * (double)sizeof(int32_t);
    const double golden = 2.0 * (double)counts.query * (double)sizeof(double);
    const enum tg_status status = check_left(2 * tensors + golden + program, memory_left(), failure);
    /* Address space for the device's copy is set aside when the device is opened. */
    return status == TG_OK ? check_left(tensors + golden, memory_left_to_allocate(), failure) : status;
}

static void *allocate(uint64_t n, size_t element_bytes)
{
    return n <= SIZE_MAX / element_bytes ? malloc((size_t)n * element_bytes) : NULL;
}

struct drawing {
    const struct pa_case *drawn;
    uint64_t seed;
    struct pa_problem *problem;
    uint32_t *owned; /* [n_blocks]: tokens of the block that a sequence owns; they are its first */
};

/* ---- random numbers ---------------------------------------------------------------------------------------------- */

/* Streams of random numbers: an element of a tensor depends on the seed and on its index, and on nothing else. */
enum tensor_id { TENSOR_QUERY = 1, TENSOR_KEY, TENSOR_VALUE, TENSOR_TABLE };

static uint64_t stream_of(uint64_t seed, enum tensor_id tensor)
{
    return seed + UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)tensor;
}

/* Elements [index, index + n) of the tensor into `out`, standard normal times `deviation`. */
static void draw_elements(const struct drawing *d, enum tensor_id tensor, float deviation, void *out, uint64_t index,
                          uint64_t n)
{
    enum { AT_ONCE = 1024 }; /* 4 KiB, which stay in L1 */
    float values[AT_ONCE];
    const enum pa_dtype dtype = d->problem->shape.dtype;
    for (uint64_t i = 0; i < n; i += AT_ONCE) {
        const uint64_t m = n - i < AT_ONCE ? n - i : AT_ONCE;
        normal_draw(stream_of(d->seed, tensor), index + i, m, deviation, values);
        pa_store_all(dtype, out, index + i, m, values);
    }
}

/* ---- drawing a case ---------------------------------------------------------------------------------------------- */

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
    p->table_cols = 1; /* a tensor has at least one element */
    enum tg_status status = pa_problem_check_memory(
        p, failure); /* first without sequences: there may be too many to visit */
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
    return pa_problem_check_memory(p, failure);
}

/* A random order of the n_blocks block ids. */
static void shuffle_blocks(uint64_t seed, int32_t *ids, uint32_t n_blocks)
{
    const uint64_t stream = random_mix(stream_of(seed, TENSOR_TABLE));
    for (uint32_t i = 0; i < n_blocks; i++) ids[i] = (int32_t)i;
    for (uint32_t i = n_blocks; i > 1; i--) {
        uint32_t j = (uint32_t)(random_mix(stream + i) % i);
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

/* Overwrite elements [index, index + n) of a cache with NaN. */
static void forget(const struct pa_problem *p, void *cache, uint64_t index, uint64_t n)
{
    const size_t bytes = pa_dtype_bytes(p->shape.dtype);
    memset((unsigned char *)cache + index * bytes, 0xff, n * bytes); /* a NaN in every element type */
}

/* Draw block `block` in both caches; tokens that nobody owns become NaN. */
static bool draw_block(void *context, uint64_t block)
{
    const struct drawing *d = context;
    const struct pa_problem *p = d->problem;
    const uint64_t kv_heads = p->shape.kv_heads, dim = p->shape.head_dim, size = p->shape.block_size;
    const uint64_t owned = d->owned[block], first = block * kv_heads * dim * size, n = kv_heads * dim * size;
    if (owned > 0) {
        draw_elements(d, TENSOR_KEY, 0.1f, p->key_cache, first, n);
        draw_elements(d, TENSOR_VALUE, 0.1f, p->value_cache, first, n);
    }
    if (owned == size) return true;
    for (uint64_t i = 0; i < kv_heads * dim; i++) forget(p, p->key_cache, first + i * size + owned, size - owned);
    for (uint64_t head = 0; head < kv_heads; head++) {
        forget(p, p->value_cache, first + (head * size + owned) * dim, (size - owned) * dim);
    }
    return true;
}

static enum tg_status draw_tensors(struct drawing *d, int32_t *ids, struct failure *failure)
{
    struct pa_problem *p = d->problem;
    struct pa_counts n = pa_problem_counts(p);
    p->query = allocate(n.query, pa_dtype_bytes(p->shape.dtype));
    p->block_table = allocate(n.table, sizeof *p->block_table);
    p->context_lens = allocate(p->shape.batch, sizeof *p->context_lens);
    if (!ids || !d->owned || !p->query || !p->block_table || !p->context_lens) {
        return failure_set(failure, TG_ERR_MEMORY, "no memory for the tensors");
    }
    enum tg_status status = pa_problem_finish(p, failure);
    if (status != TG_OK) return status;
    shuffle_blocks(d->seed, ids, p->n_blocks);
    assign_blocks(d, ids);
    draw_elements(d, TENSOR_QUERY, d->drawn->query_scale, p->query, 0, n.query);
    parallel_for(p->n_blocks, n.cache, draw_block, d); /* draw_block does not fail */
    return TG_OK;
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

/* ---- layouts ----------------------------------------------------------------------------------------------------- */

enum tg_status pa_problem_finish(struct pa_problem *problem, struct failure *failure)
{
    const struct pa_shape *s = &problem->shape;
    const size_t bytes = pa_dtype_bytes(s->dtype);
    struct pa_counts n = pa_problem_counts(problem);
    problem->scale = 1.0f / sqrtf((float)s->head_dim);
    uint32_t scale_bits;
    memcpy(&scale_bits, &problem->scale, sizeof scale_bits);
    const int64_t config[PA_CONFIG_WORDS] = {
        s->batch, s->heads, s->kv_heads, s->head_dim, s->block_size, problem->table_cols, scale_bits, s->dtype, 1};
    memcpy(problem->config, config, sizeof config);

    problem->key_cache = allocate(n.cache, bytes);
    problem->value_cache = allocate(n.cache, bytes);
    problem->out = allocate(n.query, bytes);
    if (!problem->key_cache || !problem->value_cache || !problem->out) {
        return failure_set(failure, TG_ERR_MEMORY, "no memory for the tensors");
    }
    memset(problem->out, 0xff, n.query * bytes); /* NaN until the run has written it */
    return TG_OK;
}

bool pa_problem_is_packed(const struct pa_problem *problem) { return problem->config[PA_CONFIG_PACKED] != 0; }

/* Bring a matrix from rows into NZ; `in_rows` has room for it. */
static void pack_matrix(uint16_t *matrix, uint16_t *in_rows, uint64_t rows, uint64_t cols)
{
    memcpy(in_rows, matrix, rows * cols * sizeof *matrix);
    for (uint64_t row = 0; row < rows; row++)
        for (uint64_t col = 0; col < cols; col += PA_NZ_COLS)
            memcpy(matrix + pa_nz_at(rows, row, col), in_rows + row * cols + col, PA_NZ_COLS * sizeof *matrix);
}

static bool pack_block(void *context, uint64_t block)
{
    const struct pa_problem *p = context;
    const uint64_t dim = p->shape.head_dim, tokens = p->shape.block_size, n = dim * tokens;
    uint16_t *in_rows = allocate(n, sizeof *in_rows);
    if (!in_rows) return false;
    for (uint64_t matrix = block * p->shape.kv_heads; matrix < (block + 1) * p->shape.kv_heads; matrix++) {
        pack_matrix((uint16_t *)p->key_cache + matrix * n, in_rows, dim, tokens);
        pack_matrix((uint16_t *)p->value_cache + matrix * n, in_rows, tokens, dim);
    }
    free(in_rows);
    return true;
}

enum tg_status pa_problem_pack(struct pa_problem *problem, struct failure *failure)
{
    const enum tg_status status = pa_shape_check_packed(&problem->shape, failure);
    if (status != TG_OK) return status;
    if (!parallel_for(problem->n_blocks, 2 * pa_problem_counts(problem).cache, pack_block, problem))
        return failure_set(failure, TG_ERR_MEMORY, "no memory to pack a block of the caches");
    problem->config[PA_CONFIG_PACKED] = 1;
    return TG_OK;
}

/* A cache on its way from one layout into the other. */
struct moving {
    const struct pa_shape *shape;
    enum pa_cache cache;
    bool packed, to_plain;
    unsigned char *to;
    const unsigned char *from;
};

/* Copy an element. Its size is a constant in each copy, so that the copy is one move. */
static void move_element(unsigned char *to, const unsigned char *from, size_t bytes)
{
    if (bytes == 2) memcpy(to, from, 2);
    else memcpy(to, from, 4);
}

static bool move_block(void *context, uint64_t block)
{
    const struct moving *m = context;
    const uint64_t tokens = m->shape->block_size, dim = m->shape->head_dim, kv_heads = m->shape->kv_heads;
    const bool key = m->cache == PA_KEY;
    const uint64_t rows = key ? dim : tokens, cols = key ? tokens : dim;
    const size_t bytes = pa_dtype_bytes(m->shape->dtype);
    for (uint64_t head = 0; head < kv_heads; head++) {
        const uint64_t matrix = (block * kv_heads + head) * tokens * dim,
                       plain = (block * tokens * kv_heads + head) * dim;
        for (uint64_t t = 0; t < tokens; t++) {
            for (uint64_t d = 0; d < dim; d++) {
                const uint64_t row = key ? d : t, col = key ? t : d;
                const uint64_t in_matrix = m->packed ? pa_nz_at(rows, row, col) : row * cols + col;
                const uint64_t in_cache = matrix + in_matrix, in_file = plain + t * kv_heads * dim + d;
                const uint64_t to = m->to_plain ? in_file : in_cache, from = m->to_plain ? in_cache : in_file;
                move_element(m->to + to * bytes, m->from + from * bytes, bytes);
            }
        }
    }
    return true;
}

static void move_cache(const struct pa_problem *problem, struct moving *m)
{
    m->shape = &problem->shape;
    m->packed = pa_problem_is_packed(problem);
    parallel_for(problem->n_blocks, pa_problem_counts(problem).cache, move_block, m); /* move_block does not fail */
}

void pa_problem_from_plain(struct pa_problem *problem, enum pa_cache cache, const void *plain)
{
    void *to = cache == PA_KEY ? problem->key_cache : problem->value_cache;
    struct moving m = {.cache = cache, .to = to, .from = plain};
    move_cache(problem, &m);
}

void pa_problem_to_plain(const struct pa_problem *problem, enum pa_cache cache, void *plain)
{
    const void *from = cache == PA_KEY ? problem->key_cache : problem->value_cache;
    struct moving m = {.cache = cache, .to_plain = true, .to = plain, .from = from};
    move_cache(problem, &m);
}

void pa_problem_free(struct pa_problem *problem)
{
    free(problem->query);
    free(problem->key_cache);
    free(problem->value_cache);
    free(problem->out);
    free(problem->block_table);
    free(problem->context_lens);
    free(problem->reference);
    memset(problem, 0, sizeof *problem);
}
