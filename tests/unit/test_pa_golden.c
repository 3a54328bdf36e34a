/* pa_golden.c, pa_dtype.c: the golden is right, it accepts what a correct kernel computes, and it can fail. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pa_files.h"
#include "pa_golden.h"
#include "pa_problem.h"

static struct failure why;

static struct pa_problem draw(const char *name)
{
    struct pa_problem problem;
    const struct pa_case *found = pa_case_by_name(name);
    assert_non_null(found);
    assert_int_equal(pa_problem_draw(found, 42, &problem, &why), TG_OK);
    return problem;
}

static struct pa_golden compute(const struct pa_problem *problem)
{
    struct pa_golden golden;
    if (pa_golden_compute(problem, &golden, &why) != TG_OK) fail_msg("%s", why.message);
    return golden;
}

static struct pa_comparison compare(const struct pa_problem *problem, const struct pa_golden *golden)
{
    struct pa_comparison comparison;
    pa_golden_compare(problem, golden, &comparison);
    return comparison;
}

/* Let out be the golden, rounded to the element type. */
static void answer(struct pa_problem *problem, const struct pa_golden *golden)
{
    for (uint64_t i = 0; i < pa_problem_counts(problem).query; i++) {
        pa_store(problem->shape.dtype, problem->out, i, (float)golden->out[i]);
    }
}

/* Where dimension `d` of a token is in key_cache and value_cache. */
static uint64_t key_at(const struct pa_shape *s, uint64_t block, uint64_t kv_head, uint64_t t, uint64_t d)
{
    return ((block * s->kv_heads + kv_head) * s->head_dim + d) * s->block_size + t;
}
static uint64_t value_at(const struct pa_shape *s, uint64_t block, uint64_t kv_head, uint64_t t, uint64_t d)
{
    return ((block * s->kv_heads + kv_head) * s->block_size + t) * s->head_dim + d;
}

static void load_key(const struct pa_problem *p, uint64_t block, uint64_t kv_head, uint64_t t, double *row)
{
    for (uint64_t d = 0; d < p->shape.head_dim; d++) {
        pa_load(p->shape.dtype, p->key_cache, key_at(&p->shape, block, kv_head, t, d), 1, &row[d]);
    }
}
static void load_value(const struct pa_problem *p, uint64_t block, uint64_t kv_head, uint64_t t, double *row)
{
    pa_load(p->shape.dtype, p->value_cache, value_at(&p->shape, block, kv_head, t, 0), p->shape.head_dim, row);
}

/* ---- element types ----------------------------------------------------------------------------------------------- */

static void every_16_bit_number_survives_conversion(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits <= UINT16_MAX; bits++) {
        float half = pa_fp16_to_float((uint16_t)bits), brain = pa_bf16_to_float((uint16_t)bits);
        if (isnan(half)) assert_true(isnan(pa_fp16_to_float(pa_fp16_from_float(half))));
        else assert_int_equal(pa_fp16_from_float(half), bits);
        if (isnan(brain)) assert_true(isnan(pa_bf16_to_float(pa_bf16_from_float(brain))));
        else assert_int_equal(pa_bf16_from_float(brain), bits);
    }
    assert_true(isnan(pa_fp16_to_float(0xffff)) && isnan(pa_bf16_to_float(0xffff))); /* what outputs are filled with */
}

static void rounding_is_to_nearest_even(void **state)
{
    (void)state;
    /* Between neighbours: the middle goes to the even one, anything beyond it to the nearer one. */
    for (uint16_t bits = 0; bits < 0x7bff; bits++) {
        float low = pa_fp16_to_float(bits), high = pa_fp16_to_float((uint16_t)(bits + 1));
        float middle = (low + high) / 2;
        assert_int_equal(pa_fp16_from_float(middle), bits + (bits & 1));
        assert_int_equal(pa_fp16_from_float(nextafterf(middle, 0)), bits);
        assert_int_equal(pa_fp16_from_float(-nextafterf(middle, INFINITY)), 0x8000 + bits + 1);
    }
    for (uint16_t bits = 0x100; bits < 0x7f7f; bits++) {
        float low = pa_bf16_to_float(bits), high = pa_bf16_to_float((uint16_t)(bits + 1));
        float middle = low + (high - low) / 2;
        assert_int_equal(pa_bf16_from_float(middle), bits + (bits & 1));
        assert_int_equal(pa_bf16_from_float(nextafterf(middle, 0)), bits);
        assert_int_equal(pa_bf16_from_float(-nextafterf(middle, INFINITY)), 0x8000 + bits + 1);
    }
    assert_int_equal(pa_fp16_from_float(65519.996f), 0x7bff);
    assert_int_equal(pa_fp16_from_float(65520.0f), 0x7c00);
    assert_int_equal(pa_fp16_from_float(-INFINITY), 0xfc00);
    assert_int_equal(pa_bf16_from_float(FLT_MAX), 0x7f80);
}

/* ---- the golden is right ----------------------------------------------------------------------------------------- */

static void two_keys_by_hand(void **state)
{
    (void)state;
    const uint32_t length = 2;
    const struct pa_case tiny = {"tiny", "", {1, 1, 1, 4, 2, PA_FP32}, &length, 1, 0, 0.1f};
    struct pa_problem p;
    assert_int_equal(pa_problem_draw(&tiny, 1, &p, &why), TG_OK);
    const float query[4] = {2, 0, 0, 0}, key[8] = {3, 9, 9, 9, 1, 9, 9, 9}, value[8] = {1, 10, 0, -4, 5, 20, 0, 4};
    const uint64_t block = (uint64_t)p.block_table[0];
    for (uint64_t i = 0; i < 8; i++) {
        pa_store(PA_FP32, p.key_cache, key_at(&p.shape, block, 0, i / 4, i % 4), key[i]);
        pa_store(PA_FP32, p.value_cache, value_at(&p.shape, block, 0, i / 4, i % 4), value[i]);
        if (i < 4) pa_store(PA_FP32, p.query, i, query[i]);
    }
    struct pa_golden golden = compute(&p);
    /* Scores 2 * 3 / sqrt(4) = 3 and 2 * 1 / sqrt(4) = 1. */
    double weight = 1 / (1 + exp(-2.0));
    for (int d = 0; d < 4; d++) {
        double expected = weight * (double)value[d] + (1 - weight) * (double)value[4 + d];
        assert_true(fabs(golden.out[d] - expected) < 1e-14);
    }
    assert_true(fabs(golden.mean_value[3] - 4) < 1e-14);
    pa_golden_free(&golden);
    pa_problem_free(&p);
}

static void one_key_is_its_value_and_none_is_zero(void **state)
{
    (void)state;
    struct pa_problem one = draw("one-key"), none = draw("zero");
    struct pa_golden golden_one = compute(&one), golden_none = compute(&none);
    const struct pa_shape *s = &one.shape;
    for (uint64_t i = 0; i < pa_problem_counts(&one).query; i++) {
        uint64_t b = i / s->head_dim / s->heads;
        double value[16];
        load_value(&one, (uint64_t)one.block_table[b], 0, 0, value);
        assert_true(fabs(golden_one.out[i] - value[i % s->head_dim]) < 1e-15);
        assert_true(golden_none.out[i] == 0);
    }
    pa_golden_free(&golden_one);
    pa_golden_free(&golden_none);
    pa_problem_free(&one);
    pa_problem_free(&none);
}

/* One element by the shortest way to write the definition. */
static double define(const struct pa_problem *p, uint64_t b, uint64_t h, uint64_t d)
{
    const struct pa_shape *s = &p->shape;
    uint64_t kv_head = h / (s->heads / s->kv_heads);
    double weights = 0, sum = 0, q[256], row[256];
    pa_load(s->dtype, p->query, (b * s->heads + h) * s->head_dim, s->head_dim, q);
    for (uint64_t t = 0; t < (uint64_t)p->context_lens[b]; t++) {
        uint64_t block = (uint64_t)p->block_table[b * p->table_cols + t / s->block_size];
        double score = 0;
        load_key(p, block, kv_head, t % s->block_size, row);
        for (uint64_t i = 0; i < s->head_dim; i++) score += q[i] * row[i];
        load_value(p, block, kv_head, t % s->block_size, row);
        weights += exp((double)p->scale * score);
        sum += exp((double)p->scale * score) * row[d];
    }
    return weights > 0 ? sum / weights : 0;
}

static void every_case_agrees_with_the_definition(void **state)
{
    (void)state;
    for (size_t i = 0; i < pa_n_quick_cases; i++) {
        struct pa_problem p = draw(pa_cases[i].name);
        struct pa_golden golden = compute(&p);
        const struct pa_shape *s = &p.shape;
        for (uint64_t at = 0; at < pa_problem_counts(&p).query; at += 37) {
            double expected = define(&p, at / s->head_dim / s->heads, at / s->head_dim % s->heads, at % s->head_dim);
            if (!(fabs(golden.out[at] - expected) < 1e-12)) fail_msg("%s: element %d", pa_cases[i].name, (int)at);
        }
        pa_golden_free(&golden);
        pa_problem_free(&p);
    }
}

static void large_problems_take_threads_and_agree(void **state)
{
    (void)state;
    const uint32_t length = 3000;
    const struct pa_case large = {"large", "", {3, 20, 2, 24, 40, PA_BF16}, &length, 1, 0, 1.0f};
    struct pa_problem p;
    assert_int_equal(pa_problem_draw(&large, 7, &p, &why), TG_OK);
    struct pa_golden golden = compute(&p);
    for (uint64_t b = 0; b < 3; b++) {
        for (uint64_t h = 0; h < 20; h++) {
            assert_true(fabs(golden.out[(b * 20 + h) * 24 + 5] - define(&p, b, h, 5)) < 1e-12);
        }
    }
    pa_golden_free(&golden);
    pa_problem_free(&p);
}

static void large_scores_are_large(void **state)
{
    (void)state;
    struct pa_problem p = draw("large-scores");
    struct pa_golden golden = compute(&p);
    double largest = 0;
    for (uint64_t h = 0; h < 16; h++) {
        double q[16], k[16], score = 0;
        for (uint64_t t = 0; t < 64; t++) {
            uint64_t block = (uint64_t)p.block_table[t / 16];
            pa_load(PA_FP32, p.query, h * 16, 16, q);
            load_key(&p, block, 0, t % 16, k);
            score = 0;
            for (int d = 0; d < 16; d++) score += q[d] * k[d] * (double)p.scale;
            largest = fmax(largest, fabs(score));
        }
    }
    assert_true(largest > 88.8); /* e^88.8 is no fp32 number */
    assert_true(golden.score_bound >= largest);
    p.scale = -p.scale;
    struct pa_golden turned = compute(&p);
    assert_true(turned.score_bound == golden.score_bound);
    pa_golden_free(&turned);
    pa_golden_free(&golden);
    pa_problem_free(&p);
}

/* ---- it accepts what is right ------------------------------------------------------------------------------------ */

static void the_rounded_golden_passes_in_every_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < pa_n_quick_cases; i++) {
        struct pa_problem p = draw(pa_cases[i].name);
        struct pa_golden golden = compute(&p);
        answer(&p, &golden);
        struct pa_comparison c = compare(&p, &golden);
        assert_true(c.pass && c.n_mismatches == 0);
        assert_true(c.max_abs_err <= 0.5 * pa_dtype_roundoff(p.shape.dtype));
        assert_true(c.tolerance < 0.02);
        pa_golden_free(&golden);
        pa_problem_free(&p);
    }
}

/* A tensor program of its own: the online softmax over blocks, in fp32, weights rounded to the element type. */
static void attend_online(struct pa_problem *p, uint64_t b, uint64_t h)
{
    const struct pa_shape *s = &p->shape;
    uint64_t kv_head = h / (s->heads / s->kv_heads), n = (uint64_t)p->context_lens[b];
    float max = -INFINITY, sum = 0, out[256] = {0};
    double q[256], row[256], weight[256];
    pa_load(s->dtype, p->query, (b * s->heads + h) * s->head_dim, s->head_dim, q);
    for (uint64_t first = 0; first < n; first += s->block_size) {
        uint64_t block = (uint64_t)p->block_table[b * p->table_cols + first / s->block_size];
        uint64_t keys = n - first < s->block_size ? n - first : s->block_size;
        float score[256], block_max = max;
        for (uint64_t t = 0; t < keys; t++) {
            float dot = 0;
            load_key(p, block, kv_head, t, row);
            for (uint64_t d = 0; d < s->head_dim; d++) dot += (float)q[d] * (float)row[d];
            score[t] = dot * p->scale;
            block_max = fmaxf(block_max, score[t]);
        }
        float rescale = expf(max - block_max);
        max = block_max;
        sum *= rescale;
        for (uint64_t d = 0; d < s->head_dim; d++) out[d] *= rescale;
        for (uint64_t t = 0; t < keys; t++) {
            uint16_t space[2];
            pa_store(s->dtype, space, 0, expf(score[t] - max));
            pa_load(s->dtype, space, 0, 1, &weight[t]);
            sum += (float)weight[t];
            load_value(p, block, kv_head, t, row);
            for (uint64_t d = 0; d < s->head_dim; d++) out[d] += (float)weight[t] * (float)row[d];
        }
    }
    for (uint64_t d = 0; d < s->head_dim; d++) {
        pa_store(s->dtype, p->out, (b * s->heads + h) * s->head_dim + d, n > 0 ? out[d] / sum : 0);
    }
}

static void an_online_softmax_in_fp32_passes_in_every_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < pa_n_quick_cases; i++) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            struct pa_problem p;
            assert_int_equal(pa_problem_draw(&pa_cases[i], seed, &p, &why), TG_OK);
            for (uint64_t at = 0; at < (uint64_t)p.shape.batch * p.shape.heads; at++) {
                attend_online(&p, at / p.shape.heads, at % p.shape.heads);
            }
            struct pa_golden golden = compute(&p);
            struct pa_comparison c = compare(&p, &golden);
            if (!c.pass) {
                pa_golden_explain(&p, &golden, &c, &why);
                fail_msg("%s, seed %d: %s", pa_cases[i].name, (int)seed, why.message);
            }
            pa_golden_free(&golden);
            pa_problem_free(&p);
        }
    }
}

static void real_activations_agree_with_their_file(void **state)
{
    (void)state;
    struct pa_problem p;
    if (pa_files_load(TG_TEST_SOURCE_DIR "/../shared/models/stories260K-attention", NULL, &p, &why) != TG_OK) {
        print_message("real_activations: %s\n", why.message);
        skip();
    }
    struct pa_golden golden = compute(&p);
    assert_non_null(p.reference);
    answer(&p, &golden);
    struct pa_comparison c = compare(&p, &golden);
    assert_true(c.pass);
    assert_true(c.max_abs_err <= 1e-6);
    pa_golden_free(&golden);
    pa_problem_free(&p);
}

/* ---- it can fail ------------------------------------------------------------------------------------------------- */

static void one_changed_element_fails_and_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < pa_n_quick_cases; i++) {
        struct pa_problem p = draw(pa_cases[i].name);
        struct pa_golden golden = compute(&p);
        answer(&p, &golden);
        double tolerance = compare(&p, &golden).tolerance;
        uint64_t at = pa_problem_counts(&p).query - 3;
        double change = 2 * tolerance * golden.mean_value[at] + 2 * pa_dtype_underflow(p.shape.dtype) + 1e-30;
        pa_store(p.shape.dtype, p.out, at, (float)(golden.out[at] + change));
        struct pa_comparison c = compare(&p, &golden);
        assert_false(c.pass);
        assert_int_equal(c.n_mismatches, 1);
        assert_int_equal(c.worst, at);
        pa_golden_explain(&p, &golden, &c, &why);
        char place[64];
        (void)snprintf(place, sizeof place, "out[%u][%u][%u]", p.shape.batch - 1, p.shape.heads - 1,
                       p.shape.head_dim - 3);
        assert_non_null(strstr(why.message, place));
        pa_golden_free(&golden);
        pa_problem_free(&p);
    }
}

static void an_output_that_nobody_wrote_fails(void **state)
{
    (void)state;
    for (size_t i = 0; i < pa_n_quick_cases; i++) {
        struct pa_problem p = draw(pa_cases[i].name);
        struct pa_golden golden = compute(&p);
        struct pa_comparison c = compare(&p, &golden);
        assert_false(c.pass);
        assert_int_equal(c.n_mismatches, c.n_elements);
        assert_true(isinf(c.max_abs_err) && isinf(c.max_rel_err));
        answer(&p, &golden);
        pa_store(p.shape.dtype, p.out, 7, NAN);
        pa_store(p.shape.dtype, p.out, 9, INFINITY);
        c = compare(&p, &golden);
        assert_false(c.pass);
        assert_int_equal(c.n_mismatches, 2);
        assert_int_equal(c.worst, 7);
        pa_golden_explain(&p, &golden, &c, &why);
        assert_non_null(strstr(why.message, "never written"));
        pa_golden_free(&golden);
        pa_problem_free(&p);
    }
}

/* The result of a kernel that stops a key early, goes one too far, or swaps two heads. */
static void wrong_lengths_and_wrong_heads_fail(void **state)
{
    (void)state;
    struct pa_problem p = draw("gqa");
    struct pa_golden golden = compute(&p);
    const uint64_t n = pa_problem_counts(&p).query, dim = p.shape.head_dim;
    for (int change = -1; change <= 1; change += 2) {
        p.context_lens[0] += change;
        struct pa_golden wrong = compute(&p);
        p.context_lens[0] -= change;
        answer(&p, &wrong);
        struct pa_comparison c = compare(&p, &golden);
        assert_false(c.pass);
        assert_true(c.n_mismatches > n / 4);
        if (change > 0) assert_true(isinf(c.max_abs_err)); /* behind the last token is NaN */
        pa_golden_free(&wrong);
    }
    answer(&p, &golden);
    for (uint64_t d = 0; d < dim; d++) {
        pa_store(p.shape.dtype, p.out, d, (float)golden.out[dim + d]);
        pa_store(p.shape.dtype, p.out, dim + d, (float)golden.out[d]);
    }
    assert_false(compare(&p, &golden).pass);
    pa_golden_free(&golden);
    pa_problem_free(&p);
}

static void infinite_inputs_excuse_nothing(void **state)
{
    (void)state;
    struct pa_problem p = draw("Case1");
    struct pa_golden right = compute(&p);
    pa_store(p.shape.dtype, p.query, 0, INFINITY);
    struct pa_golden golden = compute(&p);
    answer(&p, &right);
    struct pa_comparison c = compare(&p, &golden);
    assert_false(c.pass);
    assert_true(c.tolerance <= 0.02);
    pa_golden_free(&golden);
    pa_golden_free(&right);
    pa_problem_free(&p);
}

/* NaN and infinities that the inputs make are right, and nothing else is where they are not. */
static void what_the_inputs_make_infinite_agrees(void **state)
{
    (void)state;
    struct pa_problem p = draw("Case1");
    const uint64_t n = pa_problem_counts(&p).query, dim = p.shape.head_dim;
    pa_store(p.shape.dtype, p.value_cache, (uint64_t)p.block_table[0] * p.shape.block_size * dim, INFINITY);
    struct pa_golden golden = compute(&p);
    assert_true(isinf(golden.out[0]) && isfinite(golden.out[1]));
    answer(&p, &golden);
    struct pa_comparison c = compare(&p, &golden);
    assert_true(c.pass);
    assert_int_equal(c.n_not_finite, p.shape.heads);
    pa_store(p.shape.dtype, p.out, 0, -INFINITY);
    c = compare(&p, &golden);
    assert_true(!c.pass && c.n_mismatches == 1 && c.worst == 0);
    pa_golden_explain(&p, &golden, &c, &why);
    assert_non_null(strstr(why.message, "the inputs hold Inf or NaN there"));
    pa_store(p.shape.dtype, p.out, 0, INFINITY);
    pa_store(p.shape.dtype, p.out, 1, NAN);
    c = compare(&p, &golden);
    assert_true(!c.pass && c.n_mismatches == 1 && c.worst == 1);
    pa_golden_explain(&p, &golden, &c, &why);
    assert_non_null(strstr(why.message, "never written"));
    pa_golden_free(&golden);

    for (uint64_t i = 0; i < n; i++) pa_store(p.shape.dtype, p.query, i, NAN); /* then nothing can be compared */
    golden = compute(&p);
    answer(&p, &golden);
    c = compare(&p, &golden);
    assert_true(!c.pass && c.n_mismatches == 0 && c.n_not_finite == n);
    pa_golden_explain(&p, &golden, &c, &why);
    assert_non_null(strstr(why.message, "no element of out can be compared"));
    pa_golden_free(&golden);
    pa_problem_free(&p);
}

static void a_reference_is_compared_beside_the_golden(void **state)
{
    (void)state;
    struct pa_problem p = draw("bf16");
    struct pa_golden golden = compute(&p);
    const uint64_t n = pa_problem_counts(&p).query;
    p.reference = malloc(n * sizeof *p.reference);
    assert_non_null(p.reference);
    for (uint64_t i = 0; i < n; i++) p.reference[i] = golden.out[i];
    answer(&p, &golden);
    struct pa_comparison c = compare(&p, &golden);
    assert_true(c.pass);
    double exact = c.tolerance;
    p.reference_dtype = PA_BF16;
    assert_true(compare(&p, &golden).tolerance > exact);
    p.reference[11] += 1;
    c = compare(&p, &golden);
    assert_false(c.pass);
    assert_int_equal(c.worst, 11);
    /* A reference that shares the mistake does not hide it. */
    pa_store(p.shape.dtype, p.out, 11, (float)p.reference[11]);
    c = compare(&p, &golden);
    assert_false(c.pass);
    assert_int_equal(c.worst, 11);
    p.reference[11] = NAN;
    answer(&p, &golden);
    assert_false(compare(&p, &golden).pass);
    pa_golden_free(&golden);
    pa_problem_free(&p);
}

/* ---- inputs that cannot be walked -------------------------------------------------------------------------------- */

static void broken_tables_are_refused(void **state)
{
    (void)state;
    struct pa_problem p = draw("gqa");
    struct pa_golden golden;
    const int32_t ids[] = {-1, INT32_MIN, (int32_t)p.n_blocks, INT32_MAX};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        int32_t kept = p.block_table[4];
        p.block_table[4] = ids[i];
        assert_int_equal(pa_golden_compute(&p, &golden, &why), TG_ERR_ARGUMENT);
        assert_non_null(strstr(why.message, "block_table[0][4]"));
        p.block_table[4] = kept;
    }
    const int32_t lengths[] = {-1, INT32_MIN, INT32_MAX, (int32_t)(p.table_cols * p.shape.block_size + 1)};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        int32_t kept = p.context_lens[1];
        p.context_lens[1] = lengths[i];
        assert_int_equal(pa_golden_compute(&p, &golden, &why), TG_ERR_ARGUMENT);
        assert_non_null(strstr(why.message, "context_lens[1]"));
        p.context_lens[1] = kept;
    }
    p.shape.kv_heads = 3;
    assert_int_equal(pa_golden_compute(&p, &golden, &why), TG_ERR_ARGUMENT);
    p.shape.kv_heads = 8;
    pa_problem_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_16_bit_number_survives_conversion),
        cmocka_unit_test(rounding_is_to_nearest_even),
        cmocka_unit_test(two_keys_by_hand),
        cmocka_unit_test(one_key_is_its_value_and_none_is_zero),
        cmocka_unit_test(every_case_agrees_with_the_definition),
        cmocka_unit_test(large_problems_take_threads_and_agree),
        cmocka_unit_test(large_scores_are_large),
        cmocka_unit_test(the_rounded_golden_passes_in_every_case),
        cmocka_unit_test(an_online_softmax_in_fp32_passes_in_every_case),
        cmocka_unit_test(real_activations_agree_with_their_file),
        cmocka_unit_test(one_changed_element_fails_and_is_named),
        cmocka_unit_test(an_output_that_nobody_wrote_fails),
        cmocka_unit_test(wrong_lengths_and_wrong_heads_fail),
        cmocka_unit_test(infinite_inputs_excuse_nothing),
        cmocka_unit_test(what_the_inputs_make_infinite_agrees),
        cmocka_unit_test(a_reference_is_compared_beside_the_golden),
        cmocka_unit_test(broken_tables_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
