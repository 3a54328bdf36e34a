/* Paged attention: right in every mode on every device; on the virtual one overlapping as promised, the same for the
 * same seeds. */
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"
#include "common/devices.h"
#include "common/flagship.h"
#include "common/timeline.h"

#define GM_BYTES (1ull << 30)

static struct rig rig;
static const struct device *device;
static char trace_path[] = "/tmp/tg_flagship_XXXXXX";

static int open_rig(void **state)
{
    device = *state;
    device_open(&rig, device, GM_BYTES);
    tg_run_config_init(&rig.config);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

/* Load, draw, run, and assert that the result is right; the problem is the caller's to free. */
static void run_case(struct pa_problem *problem, enum rig_mode mode, const char *case_name)
{
    flagship_load(&rig, mode, NULL);
    flagship_draw(problem, case_name, 42);
    flagship_run(&rig, problem);
    flagship_expect_right(&rig, problem);
}

/* ---- the graph --------------------------------------------------------------------------------------------------- */

static void the_seed_cases_have_the_tasks_and_edges_that_they_should(void **state)
{
    (void)state;
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        struct pa_problem problem;
        run_case(&problem, mode, "Case1");
        assert_int_equal(rig.result.n_tasks, 4);
        assert_int_equal(rig.result.n_edges, 3);
        pa_problem_free(&problem);
        run_case(&problem, mode, "Case2");
        assert_int_equal(rig.result.n_tasks, 16);
        assert_int_equal(rig.result.n_edges, 15);
        if (device_is_virtual(device)) assert_in_range(rig.result.n_aic, 4, 8);
        else assert_in_range(rig.result.n_aic, 1, device->n_workers);
        pa_problem_free(&problem);
    }
}

static void every_case_is_right_in_every_mode(void **state)
{
    (void)state;
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++)
        for (size_t i = 0; i < pa_n_quick_cases; i++) {
            struct pa_problem problem;
            run_case(&problem, mode, pa_cases[i].name);
            pa_problem_free(&problem);
        }
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static void building_and_running_overlap_when_concurrent(void **state)
{
    (void)state;
    struct pa_problem problem;
    run_case(&problem, RIG_CONCURRENT, "Case2");
    CHECK(rig.result.first_start_ns < rig.result.last_publish_ns, "first start %llu, last publish %llu",
          (unsigned long long)rig.result.first_start_ns, (unsigned long long)rig.result.last_publish_ns);
    pa_problem_free(&problem);
    run_case(&problem, RIG_SEQUENTIAL, "Case2");
    CHECK(rig.result.first_start_ns > rig.result.last_publish_ns, "first start %llu, last publish %llu",
          (unsigned long long)rig.result.first_start_ns, (unsigned long long)rig.result.last_publish_ns);
    pa_problem_free(&problem);
    run_case(&problem, RIG_HOST, "Case2");
    assert_int_equal(rig.result.last_publish_ns, 0);
    pa_problem_free(&problem);
}

/* Run Case2 with a trace and read it. */
static void run_traced(struct timeline *timeline, enum rig_mode mode, uint64_t schedule_seed)
{
    struct pa_problem problem;
    rig.trace_path = trace_path;
    rig.config.schedule_seed = schedule_seed;
    run_case(&problem, mode, "Case2");
    rig.trace_path = NULL;
    timeline_read(timeline, trace_path);
    pa_problem_free(&problem);
}

static bool is(const struct timeline_task *task, const char *kernel) { return strcmp(task->kernel, kernel) == 0; }

static void the_four_qk_of_case2_overlap(void **state)
{
    (void)state;
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        struct timeline timeline;
        run_traced(&timeline, mode, 0);
        double last_start = 0, first_end = 1e300;
        int n = 0, cores[4] = {0};
        for (size_t i = 0; i < timeline.n; i++) {
            const struct timeline_task *task = &timeline.tasks[i];
            if (!is(task, "aic_qk_matmul")) continue;
            assert_in_range(n, 0, 3);
            for (int k = 0; k < n; k++) assert_int_not_equal(task->core, cores[k]);
            cores[n++] = task->core;
            if (task->start > last_start) last_start = task->start;
            if (task->end < first_end) first_end = task->end;
        }
        assert_int_equal(n, 4);
        CHECK(last_start < first_end, "%s: the last QK starts at %.3f us, the first ends at %.3f us",
              rig_mode_names[mode], last_start, first_end);
        timeline_free(&timeline);
    }
}

/* QK -> SF -> PV -> UP of a block, as tasks come in a wave of four blocks: QK are 0 to 3, then three of each block. */
static void tasks_run_in_the_order_of_their_edges(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct timeline timeline;
        run_traced(&timeline, RIG_CONCURRENT, seed);
        assert_int_equal(timeline.n, 16);
        const struct timeline_task *t = timeline.tasks;
        for (int block = 0; block < 4; block++) {
            const struct timeline_task *qk = &t[block], *sf = &t[4 + 3 * block], *pv = sf + 1, *up = sf + 2;
            assert_true(is(qk, "aic_qk_matmul") && is(sf, "aiv_softmax_prepare"));
            assert_true(is(pv, "aic_pv_matmul") && is(up, "aiv_online_update"));
            assert_true(qk->end <= sf->start && sf->end <= pv->start && pv->end <= up->start);
            if (block > 0) assert_true(up[-3].end <= up->start);
        }
        timeline_free(&timeline);
    }
}

static void a_core_runs_one_task_at_a_time(void **state)
{
    (void)state;
    rig.config.block_dim = 1;
    struct timeline timeline;
    run_traced(&timeline, RIG_CONCURRENT, 5);
    for (size_t i = 0; i < timeline.n; i++)
        for (size_t k = 0; k < i; k++) {
            const struct timeline_task *a = &timeline.tasks[i], *b = &timeline.tasks[k];
            CHECK(a->core != b->core || a->end <= b->start || b->end <= a->start, "tasks %d and %d share core %d",
                  a->task, b->task, a->core);
        }
    timeline_free(&timeline);
}

/* ---- seeds ------------------------------------------------------------------------------------------------------- */

static void equal_seeds_give_equal_traces(void **state)
{
    (void)state;
    int n_different = 0;
    char *before = NULL;
    size_t n_before = 0;
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct timeline timeline;
        size_t n_first, n_second;
        run_traced(&timeline, RIG_CONCURRENT, seed);
        timeline_free(&timeline);
        char *first = rig_read_file(trace_path, &n_first);
        rig_close(&rig); /* another device has other addresses */
        open_rig(state);
        run_traced(&timeline, RIG_CONCURRENT, seed);
        timeline_free(&timeline);
        char *second = rig_read_file(trace_path, &n_second);
        assert_int_equal(n_first, n_second);
        assert_memory_equal(first, second, n_first);
        n_different += before && (n_before != n_first || memcmp(before, first, n_first) != 0);
        free(before);
        free(second);
        before = first;
        n_before = n_first;
    }
    free(before);
    assert_int_equal(n_different, 7); /* and other seeds other ones */
}

static void every_schedule_gives_the_same_bytes(void **state)
{
    (void)state;
    static const char *const names[] = {"Case2", "ragged", "gqa", "bf16"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct pa_problem problem;
        rig.config.schedule_seed = 0;
        run_case(&problem, RIG_CONCURRENT, names[i]);
        size_t n_bytes = flagship_out_bytes(&problem);
        void *first = malloc(n_bytes);
        assert_non_null(first);
        memcpy(first, problem.out, n_bytes);
        for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
            flagship_load(&rig, mode, NULL);
            for (uint64_t seed = 1; seed <= 20; seed++) {
                rig.config.schedule_seed = seed;
                memset(problem.out, 0, n_bytes);
                flagship_run(&rig, &problem);
                rig_expect(&rig, TG_OK, NULL);
                assert_memory_equal(problem.out, first, n_bytes);
            }
        }
        free(first);
        pa_problem_free(&problem);
    }
}

/* ---- shapes of the device ---------------------------------------------------------------------------------------- */

static void every_block_dim_and_number_of_threads_works(void **state)
{
    (void)state;
    struct pa_problem problem;
    flagship_draw(&problem, "ragged", 42);
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        flagship_load(&rig, mode, NULL);
        for (uint32_t block_dim = 1; block_dim <= 24; block_dim++)
            for (uint32_t threads = mode == RIG_HOST ? 1 : 2; threads <= 4; threads++) {
                rig.config.block_dim = block_dim;
                rig.config.aicpu_thread_num = threads;
                flagship_run(&rig, &problem);
                flagship_expect_right(&rig, &problem);
                assert_in_range(rig.result.n_aic, 1, block_dim);
                assert_in_range(rig.result.n_aiv, 1, 2 * block_dim);
            }
    }
    pa_problem_free(&problem);
}

static void shapes_that_the_device_has_not_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t block_dim, threads;
        enum rig_mode mode;
        const char *says;
    } rows[] = {
        {0, 3, RIG_CONCURRENT, "block_dim is 0"},         {25, 3, RIG_CONCURRENT, "block_dim is 25"},
        {24, 0, RIG_CONCURRENT, "aicpu_thread_num is 0"}, {24, 1, RIG_CONCURRENT, "one builds, the others schedule"},
        {24, 5, RIG_SEQUENTIAL, "aicpu_thread_num is 5"}, {24, 0, RIG_HOST, "aicpu_thread_num is 0"},
        {24, 5, RIG_HOST, "aicpu_thread_num is 5"},
    };
    struct pa_problem problem;
    flagship_draw(&problem, "Case1", 42);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        flagship_load(&rig, rows[i].mode, NULL);
        rig.config.block_dim = rows[i].block_dim;
        rig.config.aicpu_thread_num = rows[i].threads;
        flagship_run(&rig, &problem);
        rig_expect(&rig, TG_ERR_ARGUMENT, rows[i].says, NULL);
    }
    pa_problem_free(&problem);
}

/* ---- size -------------------------------------------------------------------------------------------------------- */

/* `batch` sequences of `n_blocks` blocks of 16 tokens, one head of 16 elements. */
static void run_large(enum rig_mode mode, uint32_t batch, uint32_t n_blocks, uint64_t *own_bytes)
{
    const uint32_t length = n_blocks * 16;
    const struct pa_case drawn = {"large", "", {batch, 1, 1, 16, 16, PA_FP32}, &length, 1, 0, 0.1f};
    struct pa_problem problem;
    flagship_draw_case(&problem, &drawn, 42);
    flagship_load(&rig, mode, NULL);
    flagship_run(&rig, &problem);
    flagship_expect_right(&rig, &problem);
    assert_int_equal(rig.result.n_tasks, 4u * batch * n_blocks);
    print_message("    %s: %llu tasks, %.3f s, graph %.1f MiB, device %.1f MiB\n", rig_mode_names[mode],
                  (unsigned long long)rig.result.n_tasks, (double)rig.result.host_ns * 1e-9,
                  (double)rig.result.peak_graph_bytes / 1048576, (double)rig.result.peak_device_bytes / 1048576);
    const struct pa_counts n = pa_problem_counts(&problem);
    *own_bytes = rig.result.peak_device_bytes - 8 * n.cache; /* both caches in fp32 */
    pa_problem_free(&problem);
}

static void graphs_of_2048_tasks_and_of_many_more_run(void **state)
{
    (void)state;
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        uint64_t small, large;
        run_large(mode, 4, 128, &small);
        run_large(mode, 16, TEST_ASAN || TEST_TSAN ? 128 : device_is_virtual(device) ? 1024 : 256, &large);
        /* What tasks hand to each other is recycled: only the tables grow. */
        CHECK(large < small + (1u << 20), "%llu and %llu bytes", (unsigned long long)small, (unsigned long long)large);
    }
}

static void a_small_window_bounds_the_memory_of_the_graph(void **state)
{
    (void)state;
    uint64_t own;
    run_large(RIG_SEQUENTIAL, 4, 512, &own);
    const uint64_t all = rig.result.peak_graph_bytes;
    rig.config.window = 64;
    run_large(RIG_CONCURRENT, 4, 512, &own);
    CHECK(rig.result.peak_graph_bytes < all / 4, "%llu bytes, all tasks take %llu",
          (unsigned long long)rig.result.peak_graph_bytes, (unsigned long long)all);
}

/* ---- several of it ----------------------------------------------------------------------------------------------- */

static void a_program_runs_again_and_again(void **state)
{
    (void)state;
    flagship_load(&rig, RIG_CONCURRENT, NULL);
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct pa_problem problem;
        flagship_draw(&problem, pa_cases[seed % pa_n_quick_cases].name, seed);
        rig_set_mode(&rig, seed % 2 ? RIG_CONCURRENT : RIG_SEQUENTIAL);
        flagship_run(&rig, &problem);
        flagship_expect_right(&rig, &problem);
        pa_problem_free(&problem);
    }
}

/* Runs of two devices and two programs are open at the same time and are waited for crosswise. */
static void two_devices_do_not_know_of_each_other(void **state)
{
    (void)state;
    struct rig other;
    struct pa_problem problems[4];
    struct tg_run *runs[4];
    device_open(&other, device, GM_BYTES);
    tg_run_config_init(&other.config);
    flagship_load(&rig, RIG_CONCURRENT, NULL);
    flagship_load(&other, RIG_HOST, NULL);
    for (int i = 0; i < 4; i++) {
        struct rig *on = i % 2 ? &other : &rig;
        struct tg_tensor tensors[FLAGSHIP_TENSORS];
        flagship_draw(&problems[i], i < 2 ? "Case2" : "ragged", (uint64_t)i);
        flagship_tensors(&problems[i], tensors);
        assert_int_equal(tg_run_open(on->program, &on->config, tensors, FLAGSHIP_TENSORS, &runs[i]), TG_OK);
    }
    static const int order[] = {2, 1, 3, 0};
    for (int i = 0; i < 4; i++) {
        enum tg_status status = tg_run_wait(runs[order[i]]);
        CHECK(status == TG_OK, "%s", tg_last_message());
        assert_int_equal(flagship_mismatches(&problems[order[i]]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_true(tg_device_bytes_in_use((i % 2 ? &other : &rig)->device) > 0);
        tg_run_close(runs[i]);
        pa_problem_free(&problems[i]);
    }
    rig_close(&other);
}

static void a_run_is_waited_for_once(void **state)
{
    (void)state;
    struct pa_problem problem;
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    struct tg_run *run;
    flagship_load(&rig, RIG_CONCURRENT, NULL);
    flagship_draw(&problem, "Case1", 42);
    flagship_tensors(&problem, tensors);
    assert_int_equal(tg_run_open(rig.program, &rig.config, tensors, FLAGSHIP_TENSORS, &run), TG_OK);
    assert_int_equal(tg_run_wait(run), TG_OK);
    assert_int_equal(tg_run_wait(run), TG_ERR_ARGUMENT);
    tg_run_close(run);
    pa_problem_free(&problem);
}

/* ---- input that the orchestration refuses ------------------------------------------------------------------------ */

static void set_config(struct pa_problem *p, int word, int64_t value) { p->config[word] = value; }

static void break_batch(struct pa_problem *p) { set_config(p, 0, 0); }
static void break_batch_size(struct pa_problem *p) { set_config(p, 0, 3); }
static void break_batch_overflow(struct pa_problem *p) { set_config(p, 0, INT64_MAX); }
static void break_heads(struct pa_problem *p) { set_config(p, 1, -16); }
static void break_kv_heads(struct pa_problem *p) { set_config(p, 2, 5); }
static void break_head_dim(struct pa_problem *p) { set_config(p, 3, 12); }
static void break_head_dim_max(struct pa_problem *p) { set_config(p, 3, 264); }
static void break_block_size(struct pa_problem *p) { set_config(p, 4, 17); }
static void break_block_num(struct pa_problem *p) { set_config(p, 5, 0); }
static void break_block_num_overflow(struct pa_problem *p) { set_config(p, 5, INT64_MAX / 2); }
static void break_scale(struct pa_problem *p) { set_config(p, 6, 0x7FC00000); /* NaN */ }
static void break_dtype(struct pa_problem *p) { set_config(p, 7, 3); }
static void break_length(struct pa_problem *p) { p->context_lens[1] = -1; }
static void break_length_max(struct pa_problem *p) { p->context_lens[1] = INT32_MAX; }
static void break_block(struct pa_problem *p) { p->block_table[p->table_cols] = -1; }
static void break_block_max(struct pa_problem *p) { p->block_table[p->table_cols] = (int32_t)p->n_blocks; }

static void input_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct {
        void (*break_it)(struct pa_problem *problem);
        const char *says;
    } rows[] = {
        {break_batch, "batch"},
        {break_batch_size, "query"},
        {break_batch_overflow, NULL},
        {break_heads, "num_heads"},
        {break_kv_heads, "kv_head_num"},
        {break_head_dim, "head_dim"},
        {break_head_dim_max, "head_dim"},
        {break_block_size, "block_size"},
        {break_block_num, "block_num"},
        {break_block_num_overflow, NULL},
        {break_scale, "scale"},
        {break_dtype, "type"},
        {break_length, "context_lens[1] is -1"},
        {break_length_max, "context_lens[1] is 2147483647"},
        {break_block, "block_table[1][0] is -1"},
        {break_block_max, "block_table[1][0] is "},
    };
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        flagship_load(&rig, mode, NULL);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct pa_problem problem;
            flagship_draw(&problem, "shared-blocks", 42);
            rows[i].break_it(&problem);
            flagship_run(&rig, &problem);
            rig_expect(&rig, TG_ERR_ORCHESTRATION, rows[i].says ? rows[i].says : "", NULL);
            assert_int_equal(rig.result.n_tasks, 0);
            pa_problem_free(&problem);
        }
        struct pa_problem problem;
        run_case(&problem, mode, "shared-blocks");
        pa_problem_free(&problem);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

enum { N_EVERYWHERE = 8 };

static const struct CMUnitTest tests[] = {
    TEST(the_seed_cases_have_the_tasks_and_edges_that_they_should),
    TEST(every_case_is_right_in_every_mode),
    TEST(graphs_of_2048_tasks_and_of_many_more_run),
    TEST(a_small_window_bounds_the_memory_of_the_graph),
    TEST(a_program_runs_again_and_again),
    TEST(two_devices_do_not_know_of_each_other),
    TEST(a_run_is_waited_for_once),
    TEST(input_that_makes_no_sense_is_refused),
    /* Virtual time, seeds, blocks: */
    TEST(building_and_running_overlap_when_concurrent),
    TEST(the_four_qk_of_case2_overlap),
    TEST(tasks_run_in_the_order_of_their_edges),
    TEST(a_core_runs_one_task_at_a_time),
    TEST(equal_seeds_give_equal_traces),
    TEST(every_schedule_gives_the_same_bytes),
    TEST(every_block_dim_and_number_of_threads_works),
    TEST(shapes_that_the_device_has_not_are_refused),
};

int main(int argc, char **argv)
{
    int file = mkstemp(trace_path);
    if (file < 0) return 1;
    close(file);
    int n_failed = devices_run(tests, N_EVERYWHERE, sizeof tests / sizeof tests[0], argc, argv);
    unlink(trace_path);
    return n_failed;
}
