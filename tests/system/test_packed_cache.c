/* Paged attention on a cache in the NZ layout: the same result as on rows, on both platforms, without findings. */
#include <stdlib.h>

#include "common/check.h"
#include "common/flagship.h"

#define GM_BYTES (1ull << 30)

static const uint32_t lengths[] = {1, 16, 37, 300, 0};
static const struct pa_case cases[] = {
    {.name = "small blocks",
     .shape = {5, 16, 2, 128, 16, PA_BF16},
     .lengths = lengths,
     .n_lengths = 5,
     .query_scale = 1},
    {.name = "large blocks",
     .shape = {5, 6, 1, 128, 128, PA_FP16},
     .lengths = lengths,
     .n_lengths = 5,
     .query_scale = 1},
    {.name = "two slices", .shape = {5, 20, 2, 144, 48, PA_BF16}, .lengths = lengths, .n_lengths = 5, .query_scale = 1},
    {.name = "medium", .shape = {5, 3, 3, 64, 32, PA_FP16}, .lengths = lengths, .n_lengths = 5, .query_scale = 1},
    {.name = "wide", .shape = {5, 40, 1, 256, 256, PA_BF16}, .lengths = lengths, .n_lengths = 5, .query_scale = 1},
};

static void run_all(struct rig *rig)
{
    struct failure why;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int64_t blocks = 1; blocks <= 3; blocks += 2) {
            struct pa_problem problem;
            flagship_draw_case(&problem, &cases[i], 11);
            problem.config[PA_CONFIG_BLOCKS_PER_TASK] = blocks;
            assert_int_equal(pa_problem_pack(&problem, &why), TG_OK);
            flagship_run(rig, &problem);
            flagship_expect_right(rig, &problem);
            CHECK(rig->n_findings == 0, "%s: %s", cases[i].name, rig->findings);
            pa_problem_free(&problem);
        }
}

static void a_packed_cache_gives_the_same_result_without_findings(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    rig.config.check = true;
    flagship_load(&rig, RIG_CONCURRENT, NULL);
    run_all(&rig);
    rig_close(&rig);
}

static void every_instruction_set_reads_a_packed_cache(void **state)
{
    (void)state;
    static const char *const isas[] = {"portable", "avx2", "avx512", "avx512bf16", "amx"};
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++) {
        struct rig rig;
        setenv("TG_ISA", isas[i], 1);
        rig_open_on(&rig, "cpu", GM_BYTES);
        flagship_load(&rig, RIG_CONCURRENT, NULL);
        run_all(&rig);
        rig_close(&rig);
    }
    unsetenv("TG_ISA");
}

static void what_does_not_fill_column_blocks_is_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct pa_problem problem;
    rig_open(&rig, GM_BYTES);
    flagship_load(&rig, RIG_CONCURRENT, NULL);
    flagship_draw(&problem, "bf16", 11);
    problem.config[PA_CONFIG_PACKED] = 2;
    flagship_run(&rig, &problem);
    rig_expect(&rig, TG_ERR_ORCHESTRATION, "config[9] packed is 2", NULL);
    pa_problem_free(&problem);
    const struct pa_case odd = {
        .name = "odd", .shape = {5, 2, 1, 24, 16, PA_BF16}, .lengths = lengths, .n_lengths = 5, .query_scale = 1};
    flagship_draw_case(&problem, &odd, 11);
    problem.config[PA_CONFIG_PACKED] = 1;
    flagship_run(&rig, &problem);
    rig_expect(&rig, TG_ERR_ORCHESTRATION, "head_dim 24", "no multiple of 16", NULL);
    pa_problem_free(&problem);
    flagship_draw(&problem, "Case1", 11);
    problem.config[PA_CONFIG_PACKED] = 1;
    flagship_run(&rig, &problem);
    rig_expect(&rig, TG_ERR_ORCHESTRATION, "fp32 has no packed cache", NULL);
    pa_problem_free(&problem);
    rig_close(&rig);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_packed_cache_gives_the_same_result_without_findings),
    cmocka_unit_test(every_instruction_set_reads_a_packed_cache),
    cmocka_unit_test(what_does_not_fill_column_blocks_is_refused),
};

CHECK_MAIN(tests)
