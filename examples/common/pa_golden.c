#include "pa_golden.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "parallel.h"

/* Query heads of one group that are computed together: each key and value is converted to double once for them. */
enum { HEADS_AT_ONCE = 8 };

/* ---- inputs that the golden can walk ----------------------------------------------------------------------------- */

static enum tg_status check_sequence(const struct pa_problem *p, uint32_t b, struct failure *failure)
{
    const int32_t *row = p->block_table + (uint64_t)b * p->table_cols;
    const int64_t length = p->context_lens[b], holds = (int64_t)p->table_cols * p->shape.block_size;
    if (length < 0 || length > holds) {
        return failure_set(failure, TG_ERR_ARGUMENT,
                           "context_lens[%" PRIu32 "] is %" PRId64 ", the block table holds 0 to %" PRId64 " tokens", b,
                           length, holds);
    }
    for (int64_t j = 0; j * p->shape.block_size < length; j++) {
        if (row[j] >= 0 && (uint32_t)row[j] < p->n_blocks) continue;
        return failure_set(failure, TG_ERR_ARGUMENT,
                           "block_table[%" PRIu32 "][%" PRId64 "] is %" PRId32 ", there are blocks 0 to %" PRIu32, b, j,
                           row[j], p->n_blocks - 1);
    }
    return TG_OK;
}

static enum tg_status check_inputs(const struct pa_problem *p, struct failure *failure)
{
    if (p->shape.heads % p->shape.kv_heads != 0) {
        return failure_set(failure, TG_ERR_ARGUMENT, "%" PRIu32 " heads are not a multiple of %" PRIu32 " KV heads",
                           p->shape.heads, p->shape.kv_heads);
    }
    enum tg_status status = TG_OK;
    for (uint32_t b = 0; b < p->shape.batch && status == TG_OK; b++) status = check_sequence(p, b, failure);
    return status;
}

/* ---- one sequence, a few heads of one group ---------------------------------------------------------------------- */

struct computing {
    const struct pa_problem *problem;
    struct pa_golden *golden;
    uint32_t group; /* query heads per KV head */
    uint32_t parts; /* of a group, HEADS_AT_ONCE heads each */
    double *bounds; /* [units]: score_bound of each */
};

struct unit {
    const struct pa_problem *p;
    const int32_t *blocks;
    uint64_t n_keys, dim, block_size;
    uint32_t kv_head, n_heads;
    double *query;   /* [n_heads][dim] */
    double *block;   /* keys [dim][block_size] or values [block_size][dim] of one block */
    double *squares; /* [block_size]: |key|^2 */
    double *weight;  /* [n_heads][n_keys]: the scores, then the weights */
};

/* Matrix number `matrix` of a cache, [rows][cols], as doubles in rows. */
static void load_matrix(struct unit *u, const void *cache, uint64_t matrix, uint64_t rows, uint64_t cols)
{
    const enum pa_dtype dtype = u->p->shape.dtype;
    const uint64_t at = matrix * rows * cols;
    if (!pa_problem_is_packed(u->p)) {
        pa_load(dtype, cache, at, rows * cols, u->block);
        return;
    }
    for (uint64_t row = 0; row < rows; row++)
        for (uint64_t col = 0; col < cols; col += PA_NZ_COLS)
            pa_load(dtype, cache, at + pa_nz_at(rows, row, col), PA_NZ_COLS, u->block + row * cols + col);
}

/* The KV head's part of the block that begins with token `first`, as doubles. Returns how many of its tokens count. */
static uint64_t load_block(struct unit *u, enum pa_cache cache, uint64_t first)
{
    const uint64_t id = (uint64_t)u->blocks[first / u->block_size], matrix = id * u->p->shape.kv_heads + u->kv_head;
    if (cache == PA_KEY) load_matrix(u, u->p->key_cache, matrix, u->dim, u->block_size);
    else load_matrix(u, u->p->value_cache, matrix, u->block_size, u->dim);
    return u->n_keys - first < u->block_size ? u->n_keys - first : u->block_size;
}

/* sum[i] += factor[0] * row[0][i] + factor[1] * row[1][i] + ...; four rows in one pass over the sums. */
static void add_rows(double *restrict sum, uint64_t n, const double *restrict factor, const double *restrict row,
                     uint64_t ld, uint64_t n_rows)
{
    uint64_t r = 0;
    for (; r + 4 <= n_rows; r += 4, row += 4 * ld) {
        const double *f = factor + r, *row_1 = row + ld, *row_2 = row_1 + ld, *row_3 = row_2 + ld;
        for (uint64_t i = 0; i < n; i++) {
            sum[i] += f[0] * row[i] + f[1] * row_1[i] + (f[2] * row_2[i] + f[3] * row_3[i]);
        }
    }
    for (; r < n_rows; r++, row += ld) {
        for (uint64_t i = 0; i < n; i++) sum[i] += factor[r] * row[i];
    }
}

static double longest_query(const struct unit *u)
{
    double longest = 0;
    for (uint32_t h = 0; h < u->n_heads; h++) {
        double square = 0;
        for (uint64_t d = 0; d < u->dim; d++) square += u->query[h * u->dim + d] * u->query[h * u->dim + d];
        longest = fmax(longest, sqrt(square));
    }
    return longest;
}

/* The longest of the n keys that are loaded. */
static double longest_key(struct unit *u, uint64_t n)
{
    double longest = 0;
    memset(u->squares, 0, n * sizeof *u->squares);
    for (uint64_t d = 0; d < u->dim; d++) {
        const double *row = u->block + d * u->block_size;
        for (uint64_t t = 0; t < n; t++) u->squares[t] += row[t] * row[t];
    }
    for (uint64_t t = 0; t < n; t++) longest = fmax(longest, sqrt(u->squares[t]));
    return longest;
}

/* weight = scale * q . k for every head and key; weights begin as 0. Returns the bound of the scores. */
static double compute_scores(struct unit *u)
{
    double longest = 0;
    for (uint64_t first = 0; first < u->n_keys; first += u->block_size) {
        const uint64_t n = load_block(u, PA_KEY, first);
        longest = fmax(longest, longest_key(u, n));
        for (uint32_t h = 0; h < u->n_heads; h++) {
            double *scores = u->weight + h * u->n_keys + first;
            add_rows(scores, n, u->query + h * u->dim, u->block, u->block_size, u->dim);
            for (uint64_t t = 0; t < n; t++) scores[t] *= (double)u->p->scale;
        }
    }
    return fabs((double)u->p->scale) * longest_query(u) * longest;
}

/* Softmax in place over n > 0 scores; subtracting the maximum keeps exp in range. */
static void softmax(double *scores, uint64_t n)
{
    double max = scores[0], sum = 0;
    for (uint64_t i = 1; i < n; i++) max = fmax(max, scores[i]);
    for (uint64_t i = 0; i < n; i++) sum += scores[i] = exp(scores[i] - max);
    for (uint64_t i = 0; i < n; i++) scores[i] /= sum;
}

/* Add up weight * value and weight * |value| into the golden's rows, [n_heads][dim] each, which are 0. */
static void sum_values(struct unit *u, double *out, double *mean_value)
{
    for (uint64_t first = 0; first < u->n_keys; first += u->block_size) {
        const uint64_t n = load_block(u, PA_VALUE, first);
        for (uint32_t h = 0; h < u->n_heads; h++) {
            add_rows(out + h * u->dim, u->dim, u->weight + h * u->n_keys + first, u->block, u->dim, n);
        }
        for (uint64_t i = 0; i < n * u->dim; i++) u->block[i] = fabs(u->block[i]);
        for (uint32_t h = 0; h < u->n_heads; h++) {
            add_rows(mean_value + h * u->dim, u->dim, u->weight + h * u->n_keys + first, u->block, u->dim, n);
        }
    }
}

/* Iteration of the parallel loop: unit `index` of [batch][kv_heads][parts]. */
static bool compute_unit(void *context, uint64_t index)
{
    struct computing *c = context;
    const struct pa_shape *s = &c->problem->shape;
    uint32_t part = (uint32_t)(index % c->parts);
    uint64_t b = index / c->parts / s->kv_heads;
    struct unit u = {.p = c->problem, .dim = s->head_dim, .block_size = s->block_size};
    u.kv_head = (uint32_t)(index / c->parts % s->kv_heads);
    u.blocks = c->problem->block_table + b * c->problem->table_cols;
    u.n_keys = (uint64_t)c->problem->context_lens[b];
    u.n_heads = c->group - part * HEADS_AT_ONCE < HEADS_AT_ONCE ? c->group - part * HEADS_AT_ONCE : HEADS_AT_ONCE;
    if (u.n_keys == 0) return true; /* the output is 0 */

    uint64_t first_head = b * s->heads + (uint64_t)u.kv_head * c->group + (uint64_t)part * HEADS_AT_ONCE;
    u.query = calloc(u.n_heads * u.dim + u.block_size * (u.dim + 1) + u.n_heads * u.n_keys, sizeof(double));
    if (!u.query) return false;
    u.block = u.query + u.n_heads * u.dim;
    u.squares = u.block + u.block_size * u.dim;
    u.weight = u.squares + u.block_size;
    pa_load(s->dtype, c->problem->query, first_head * u.dim, u.n_heads * u.dim, u.query);
    c->bounds[index] = compute_scores(&u);
    for (uint32_t h = 0; h < u.n_heads; h++) softmax(u.weight + h * u.n_keys, u.n_keys);
    sum_values(&u, c->golden->out + first_head * u.dim, c->golden->mean_value + first_head * u.dim);
    free(u.query);
    return true;
}

enum tg_status pa_golden_compute(const struct pa_problem *problem, struct pa_golden *out, struct failure *failure)
{
    enum tg_status status = check_inputs(problem, failure);
    if (status != TG_OK) return status;

    const struct pa_shape *s = &problem->shape;
    struct pa_counts n = pa_problem_counts(problem);
    struct pa_golden golden = {0};
    struct computing c = {.problem = problem, .golden = &golden, .group = s->heads / s->kv_heads};
    c.parts = (c.group + HEADS_AT_ONCE - 1) / HEADS_AT_ONCE;
    uint64_t n_units = (uint64_t)s->batch * s->kv_heads * c.parts, n_tokens = 0;
    for (uint32_t b = 0; b < s->batch; b++) n_tokens += (uint64_t)problem->context_lens[b];

    golden.out = calloc(n.query, sizeof *golden.out);
    golden.mean_value = calloc(n.query, sizeof *golden.mean_value);
    c.bounds = calloc(n_units, sizeof *c.bounds);
    if (!golden.out || !golden.mean_value || !c.bounds ||
        !parallel_for(n_units, n_tokens * s->heads * s->head_dim, compute_unit, &c)) {
        free(c.bounds);
        pa_golden_free(&golden);
        return failure_set(failure, TG_ERR_MEMORY, "no memory for the golden");
    }
    for (uint64_t i = 0; i < n_units; i++) golden.score_bound = fmax(golden.score_bound, c.bounds[i]);
    free(c.bounds);
    *out = golden;
    return TG_OK;
}

void pa_golden_free(struct pa_golden *golden)
{
    free(golden->out);
    free(golden->mean_value);
    memset(golden, 0, sizeof *golden);
}

/* ---- comparison -------------------------------------------------------------------------------------------------- */

/*
 * How far a correct result may be from the golden, relative to mean_value = sum of weight * |value|.
 *
 * Arithmetic is in fp32 for every element type (u = 2^-24):
 *   - Sums over the keys, the rescaling between blocks, exp and the division change each weight by a few u; errors of
 *     a sum of n terms grow like sqrt(n) u. 1e-5 is 168 u: 28,000 terms.
 *   - A score is a sum of products, its error at most about u * |scale| * |q| * |k|. exp turns an error of the score
 *     into a relative error of the weight. Numerator and normaliser both have it: 2 u * score_bound.
 * 16-bit element types (u of the type), as rigorous bounds:
 *   - The weights are rounded to the element type before they meet the values: u in the numerator, u in the normaliser.
 *   - The output is rounded: u * |out|, and |out| <= mean_value.
 * A reference that was itself stored in a 16-bit type has one rounding more.
 *
 * Scores so large that fp32 cannot tell them apart would excuse any result: 2 % is the end.
 */
static double tolerance_of(const struct pa_problem *p, const struct pa_golden *golden)
{
    double tolerance = 1e-5 + 2 * pa_dtype_roundoff(PA_FP32) * golden->score_bound;
    if (p->shape.dtype != PA_FP32) tolerance += 3 * pa_dtype_roundoff(p->shape.dtype);
    if (p->reference && p->reference_dtype != PA_FP32) tolerance += pa_dtype_roundoff(p->reference_dtype);
    return fmin(tolerance, 0.02);
}

/* What element i should be: the golden or, if that is further from what was got, the reference. */
static double expected_of(const struct pa_problem *p, const struct pa_golden *golden, uint64_t i, double got)
{
    const double expected = golden->out[i];
    if (!p->reference || fabs(got - p->reference[i]) <= fabs(got - expected)) return expected;
    return p->reference[i];
}

void pa_golden_compare(const struct pa_problem *problem, const struct pa_golden *golden, struct pa_comparison *out)
{
    /* What no relative measure covers: results so small that the element type has no digits for them. */
    const double underflow = 2 * pa_dtype_underflow(problem->shape.dtype);
    struct pa_comparison c = {.tolerance = tolerance_of(problem, golden)};
    c.n_elements = pa_problem_counts(problem).query;
    for (uint64_t i = 0; i < c.n_elements; i++) {
        double got;
        pa_load(problem->shape.dtype, problem->out, i, 1, &got);
        const double expected = expected_of(problem, golden, i, got);
        if (isnan(expected) ? isnan(got) : isinf(expected) && got == expected) {
            c.n_not_finite++;
            continue;
        }
        double error = fabs(got - expected);
        if (!(error < INFINITY)) error = INFINITY; /* NaN too: nobody wrote the element, or what it is made of */
        double relative = error <= underflow ? 0 : error / golden->mean_value[i];
        if (!(relative < INFINITY)) relative = INFINITY;
        if (relative > c.tolerance) c.n_mismatches++;
        if (error > c.max_abs_err) c.max_abs_err = error;
        if (relative > c.max_rel_err) {
            c.max_rel_err = relative;
            c.worst = i;
        }
    }
    c.pass = c.n_mismatches == 0 && c.n_not_finite < c.n_elements;
    *out = c;
}

void pa_golden_explain(const struct pa_problem *problem, const struct pa_golden *golden,
                       const struct pa_comparison *comparison, struct failure *failure)
{
    const struct pa_shape *s = &problem->shape;
    const uint64_t i = comparison->worst;
    if (comparison->n_mismatches == 0) {
        (void)failure_set(
            failure, TG_ERR_MISMATCH,
            "no element of out can be compared: the inputs hold Inf or NaN in what each of them is made of");
        return;
    }
    double got;
    pa_load(s->dtype, problem->out, i, 1, &got);
    if (isnan(got)) got = (double)NAN; /* prints without a sign */
    const double expected = expected_of(problem, golden, i, got);
    const char *cause = "";
    if (!isfinite(expected)) cause = " (the inputs hold Inf or NaN there)";
    else if (isnan(got)) cause = " (never written, or computed from what no sequence owns)";
    (void)failure_set(failure, TG_ERR_MISMATCH,
                      "%" PRIu64 " of %" PRIu64 " elements of out differ; the worst, out[%" PRIu64 "][%" PRIu64
                      "][%" PRIu64 "], is %.9g, expected %.9g within %.3g%s",
                      comparison->n_mismatches, comparison->n_elements, i / s->head_dim / s->heads,
                      i / s->head_dim % s->heads, i % s->head_dim, got, isnan(expected) ? (double)NAN : expected,
                      comparison->tolerance * golden->mean_value[i], cause);
}
