/* Paged attention with tasks that cover several KV blocks: right, of the size that is documented, in bounded memory. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"
#include "common/flagship.h"

#define GM_BYTES (1ull << 30)
#define MAX_SLOTS 256 /* of the orchestration's ring */
#define MIN_SLOTS 32  /* when they are large */

static struct rig rig;

static int open_rig(void **state)
{
    (void)state;
    rig_open(&rig, GM_BYTES);
    tg_run_config_init(&rig.config);
    flagship_load(&rig, RIG_CONCURRENT, NULL);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

/* Draw, run with that many blocks a task, and assert that the result is right. */
static void run_case(struct pa_problem *problem, const struct pa_case *drawn, int64_t blocks)
{
    flagship_draw_case(problem, drawn, 42);
    problem->config[PA_CONFIG_BLOCKS_PER_TASK] = blocks;
    flagship_run(&rig, problem);
    flagship_expect_right(&rig, problem);
}

struct size {
    uint64_t tasks, edges;
};

/* Four tasks a span: a chain in itself, its UP behind the UP before. Reuse of memory adds edges, see below. */
static struct size documented(const struct pa_problem *p, uint64_t blocks)
{
    struct size size = {0, 0};
    for (uint32_t b = 0; b < p->shape.batch; b++) {
        const uint64_t tokens = (uint64_t)p->context_lens[b], most = blocks * p->shape.block_size;
        const uint64_t spans = (tokens + most - 1) / most;
        size.tasks += p->shape.kv_heads * (spans ? 4 * spans : 1);
        size.edges += p->shape.kv_heads * (spans ? 3 * spans + spans - 1 : 0);
    }
    return size;
}

static void every_case_is_right_and_as_large_as_documented(void **state)
{
    (void)state;
    static const int64_t blocks[] = {1, 2, 3, 64};
    static const enum rig_mode modes[] = {RIG_CONCURRENT, RIG_HOST};
    for (size_t m = 0; m < sizeof modes / sizeof modes[0]; m++) {
        flagship_load(&rig, modes[m], NULL);
        for (size_t n = 0; n < sizeof blocks / sizeof blocks[0]; n++)
            for (size_t i = 0; i < pa_n_quick_cases; i++) {
                struct pa_problem problem;
                run_case(&problem, &pa_cases[i], blocks[n]);
                const struct size size = documented(&problem, (uint64_t)blocks[n]);
                CHECK(rig.result.n_tasks == size.tasks && rig.result.n_edges == size.edges,
                      "%s, %d blocks a task: %d tasks, %d edges", pa_cases[i].name, (int)blocks[n],
                      (int)rig.result.n_tasks, (int)rig.result.n_edges);
                pa_problem_free(&problem);
            }
    }
}

/* Masked keys: a block whose scores are all -infinity adds nothing, however many blocks a task covers. */
static void a_block_of_minus_infinity_adds_nothing(void **state)
{
    (void)state;
    static const int64_t blocks[] = {1, 2, 3, 64};
    static const char *const cases[] = {"Case2", "partial-block", "gqa"};
    flagship_load(&rig, RIG_CONCURRENT, NULL);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++)
        for (uint32_t masked = 0; masked < 2; masked++) /* the first block of each sequence, the second */
            for (size_t n = 0; n < sizeof blocks / sizeof blocks[0]; n++) {
                struct pa_problem p;
                flagship_draw(&p, cases[c], 42);
                const struct pa_counts counts = pa_problem_counts(&p);
                const size_t block = counts.cache / p.n_blocks;
                float *query = p.query, *key = p.key_cache;
                assert_int_equal(p.shape.dtype, PA_FP32);
                for (uint64_t i = 0; i < counts.query; i++) query[i] = fabsf(query[i]) + 0.01f;
                for (uint32_t b = 0; b < p.shape.batch; b++) {
                    if ((uint64_t)p.context_lens[b] <= p.shape.block_size * (masked + 1)) continue;
                    const size_t at = (size_t)p.block_table[b * p.table_cols + masked] * block;
                    for (size_t i = 0; i < block; i++) key[at + i] = -INFINITY;
                }
                p.config[PA_CONFIG_BLOCKS_PER_TASK] = blocks[n];
                flagship_run(&rig, &p);
                flagship_expect_right(&rig, &p);
                pa_problem_free(&p);
            }
}

/* All keys have the same weight, and all values are `value`. Returns the largest output. */
static float run_equal_values(float value, int64_t blocks)
{
    struct pa_problem p;
    flagship_draw(&p, "Case2", 42);
    const struct pa_counts counts = pa_problem_counts(&p);
    float *key = p.key_cache, *values = p.value_cache, *out = p.out, largest = 0;
    for (uint64_t i = 0; i < counts.cache; i++) {
        key[i] = 0;
        values[i] = value;
    }
    p.config[PA_CONFIG_BLOCKS_PER_TASK] = blocks;
    flagship_run(&rig, &p);
    CHECK(rig.status == TG_OK, "%s", rig.message);
    for (uint64_t i = 0; i < counts.query; i++) largest = fmaxf(largest, fabsf(out[i]));
    pa_problem_free(&p);
    return largest;
}

/* The sum is divided last: docs/paged-attention.md states which values it can hold. */
static void values_up_to_a_keys_part_of_the_largest_float_are_right(void **state)
{
    (void)state;
    static const int64_t blocks[] = {1, 3, 64};
    const float most = FLT_MAX / 64; /* Case2 has 64 keys */
    flagship_load(&rig, RIG_CONCURRENT, NULL);
    for (size_t n = 0; n < sizeof blocks / sizeof blocks[0]; n++) {
        const float within = run_equal_values(0.999f * most, blocks[n]);
        CHECK(fabsf(within / most - 0.999f) < 1e-5f, "%g of %g", (double)within, (double)most);
        assert_true(isinf(run_equal_values(1.01f * most, blocks[n])));
    }
}

static void the_seed_cases_have_the_tasks_and_edges_of_the_readme(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int64_t blocks;
        struct size size;
    } rows[] = {
        {"Case1", 1, {4, 3}}, {"Case1", 64, {4, 3}}, {"Case2", 1, {16, 15}},
        {"Case2", 2, {8, 7}}, {"Case2", 3, {8, 7}},  {"Case2", 4, {4, 3}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pa_problem problem;
        run_case(&problem, pa_case_by_name(rows[i].name), rows[i].blocks);
        assert_int_equal(rig.result.n_tasks, rows[i].size.tasks);
        assert_int_equal(rig.result.n_edges, rows[i].size.edges);
        pa_problem_free(&problem);
    }
}

/* Shapes at the kernels' limits: buffers that fit once or twice, many slices of rows, more chunks than places in UB.
 * Heads and blocks that are cut, small blocks that share a tile, a query that does not stay in L0A. */
static void shapes_at_the_limits_are_right(void **state)
{
    (void)state;
    static const struct {
        struct pa_shape shape;
        uint32_t length;
    } rows[] = {
        {{1, 128, 1, 128, 128, PA_FP32}, 128 * 9 + 5}, {{1, 128, 1, 128, 128, PA_BF16}, 128 * 7},
        {{2, 97, 1, 72, 40, PA_FP16}, 40 * 13 + 1},    {{1, 33, 1, 8, 8, PA_FP32}, 8 * 70 + 3},
        {{1, 16, 1, 128, 128, PA_BF16}, 128 * 64},     {{1, 64, 1, 128, 64, PA_FP16}, 64 * 64 - 63},
        {{1, 128, 1, 256, 256, PA_FP32}, 256 * 3 + 7}, {{1, 65, 1, 136, 200, PA_FP32}, 200 * 2 + 130},
        {{2, 8, 2, 256, 16, PA_BF16}, 16 * 21 + 1},    {{1, 40, 1, 200, 48, PA_FP16}, 48 * 9 - 1},
        {{1, 3, 1, 256, 256, PA_BF16}, 256 * 2 + 129}, {{1, 5, 1, 144, 112, PA_FP32}, 112 * 4},
    };
    static const int64_t blocks[] = {1, 5, 6, 7, 13, 64};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct pa_case drawn = {"limits", "", rows[i].shape, &rows[i].length, 1, 0, 1.0f};
        for (size_t n = 0; n < sizeof blocks / sizeof blocks[0]; n++) {
            struct pa_problem problem;
            run_case(&problem, &drawn, blocks[n]);
            pa_problem_free(&problem);
        }
    }
}

static void every_schedule_gives_the_same_bytes(void **state)
{
    (void)state;
    const uint32_t lengths[5] = {0, 1, 90, 200, 8};
    const struct pa_case drawn = {"mixed", "", {5, 12, 3, 24, 8, PA_BF16}, lengths, 5, 0, 1.0f};
    for (int64_t blocks = 1; blocks <= 64; blocks *= 4) {
        struct pa_problem problem;
        rig.config.schedule_seed = 0;
        run_case(&problem, &drawn, blocks);
        const size_t n_bytes = flagship_out_bytes(&problem);
        void *first = malloc(n_bytes);
        assert_non_null(first);
        memcpy(first, problem.out, n_bytes);
        for (uint64_t seed = 1; seed <= 10; seed++) {
            rig.config.schedule_seed = seed;
            memset(problem.out, 0, n_bytes);
            flagship_run(&rig, &problem);
            rig_expect(&rig, TG_OK, NULL);
            assert_memory_equal(problem.out, first, n_bytes);
        }
        free(first);
        pa_problem_free(&problem);
    }
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static uint64_t own_bytes(const struct pa_problem *p)
{
    const struct pa_counts n = pa_problem_counts(p);
    return rig.result.peak_device_bytes - (2 * n.cache + 2 * n.query) * pa_dtype_bytes(p->shape.dtype);
}

static void a_long_chain_reuses_its_slots(void **state)
{
    (void)state;
    uint64_t bytes = 0;
    for (uint64_t spans = MAX_SLOTS; spans <= 5 * MAX_SLOTS; spans += 2 * MAX_SLOTS) {
        for (int64_t blocks = 1; blocks <= 2; blocks++) {
            const uint32_t length = (uint32_t)(spans * (uint64_t)blocks * 8);
            const struct pa_case drawn = {"long", "", {1, 4, 1, 8, 8, PA_FP32}, &length, 1, 0, 0.1f};
            struct pa_problem problem;
            run_case(&problem, &drawn, blocks);
            assert_int_equal(rig.result.n_tasks, 4 * spans);
            assert_int_equal(rig.result.n_edges, 3 * spans + spans - 1 + (spans - MAX_SLOTS)); /* UP -> QK of a slot */
            if (blocks == 1 && spans == MAX_SLOTS) bytes = own_bytes(&problem);
            if (blocks == 1) assert_in_range(own_bytes(&problem), bytes, bytes + 65536); /* block_table grows */
            pa_problem_free(&problem);
        }
    }
}

static void many_chains_reuse_accumulators(void **state)
{
    (void)state;
    const uint32_t length = 40;
    const struct pa_case drawn = {"many", "", {150, 1, 1, 8, 8, PA_BF16}, &length, 1, 0, 0.1f};
    for (int64_t blocks = 1; blocks <= 4; blocks++) {
        for (uint64_t seed = 0; seed < 3; seed++) {
            struct pa_problem problem;
            rig.config.schedule_seed = seed;
            run_case(&problem, &drawn, blocks);
            assert_true(rig.result.n_edges > documented(&problem, (uint64_t)blocks).edges);
            pa_problem_free(&problem);
        }
    }
}

/* The slots of 64 blocks of 128 x 128 are so large that only MIN_SLOTS of them are made. */
static void large_slots_are_few(void **state)
{
    (void)state;
    const uint32_t length = 130, n = MIN_SLOTS + 8;
    const struct pa_case drawn = {"wide", "", {n, 128, 1, 8, 128, PA_FP32}, &length, 1, 0, 0.1f};
    struct pa_problem problem;
    run_case(&problem, &drawn, 64);
    assert_int_equal(rig.result.n_tasks, 4 * n);
    assert_int_equal(rig.result.n_edges, 3 * n + n - MIN_SLOTS);
    assert_true(own_bytes(&problem) < UINT64_C(270) << 20);
    pa_problem_free(&problem);
}

/* ---- input ------------------------------------------------------------------------------------------------------- */

static void a_number_out_of_range_is_refused(void **state)
{
    (void)state;
    static const int64_t wrong[] = {0, -1, 65, INT64_MIN, INT64_MAX};
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        flagship_load(&rig, mode, NULL);
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            struct pa_problem problem;
            flagship_draw(&problem, "Case2", 42);
            problem.config[PA_CONFIG_BLOCKS_PER_TASK] = wrong[i];
            flagship_run(&rig, &problem);
            rig_expect(&rig, TG_ERR_ORCHESTRATION, "config[8] blocks per task is", "1 to 64", NULL);
            pa_problem_free(&problem);
        }
    }
}

static void labels_say_what_a_task_covers(void **state)
{
    (void)state;
    static const struct {
        int64_t blocks;
        const char *label;
    } rows[] = {{1, "seq 1 head 3 block 2"}, {2, "seq 1 head 3 block 0 to 1"}, {64, "seq 1 head 3 block 0 to 2"}};
    const uint32_t lengths[3] = {16, 40, 0};
    const struct pa_case drawn = {"labels", "", {3, 8, 4, 8, 16, PA_FP32}, lengths, 3, 0, 0.1f};
    char path[] = "/tmp/tg_labels_XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
    rig.trace_path = path;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pa_problem problem;
        run_case(&problem, &drawn, rows[i].blocks);
        size_t n_bytes;
        char *trace = rig_read_file(path, &n_bytes);
        trace[n_bytes - 1] = '\0';
        CHECK(strstr(trace, rows[i].label), "no task is labelled %s", rows[i].label);
        CHECK(strstr(trace, "seq 2 head 0 without tokens"), "the empty sequence has no label");
        free(trace);
        pa_problem_free(&problem);
    }
    rig.trace_path = NULL;
    unlink(path);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(every_case_is_right_and_as_large_as_documented, open_rig, close_rig),
    cmocka_unit_test_setup_teardown(a_block_of_minus_infinity_adds_nothing, open_rig, close_rig),
    cmocka_unit_test_setup_teardown(values_up_to_a_keys_part_of_the_largest_float_are_right, open_rig, close_rig),
    cmocka_unit_test_setup_teardown(the_seed_cases_have_the_tasks_and_edges_of_the_readme, open_rig, close_rig),
    cmocka_unit_test_setup_teardown(shapes_at_the_limits_are_right, open_rig, close_rig),
    cmocka_unit_test_setup_teardown(every_schedule_gives_the_same_bytes, open_rig, close_rig),
    cmocka_unit_test_setup_teardown(a_long_chain_reuses_its_slots, open_rig, close_rig),
    cmocka_unit_test_setup_teardown(many_chains_reuse_accumulators, open_rig, close_rig),
    cmocka_unit_test_setup_teardown(large_slots_are_few, open_rig, close_rig),
    cmocka_unit_test_setup_teardown(a_number_out_of_range_is_refused, open_rig, close_rig),
    cmocka_unit_test_setup_teardown(labels_say_what_a_task_covers, open_rig, close_rig),
};
CHECK_MAIN(tests)
