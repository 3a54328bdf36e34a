/* A checked run: correct programs have no findings, wrong ones are named, and the result stays what it was. */
#include <stdlib.h>

#include "common/check.h"
#include "common/flagship.h"
#include "common/script.h"

#define GM_BYTES (256ull << 20)

/* What rig_run cannot tell, because it closes the run: run the flagship and keep the first findings. */
struct found {
    enum tg_status status;
    size_t n;
    struct tg_run_result result;
    char text[8192]; /* of tg_run_print_findings */
};

static void run_checked(struct rig *rig, struct pa_problem *problem, struct found *found)
{
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    struct tg_run *run = NULL;
    flagship_tensors(problem, tensors);
    rig->config.check = true;
    assert_int_equal(tg_run_open(rig->program, &rig->config, tensors, FLAGSHIP_TENSORS, &run), TG_OK);
    found->status = tg_run_wait(run);
    found->n = tg_run_n_findings(run);
    tg_run_result(run, &found->result);
    FILE *stream = fmemopen(found->text, sizeof found->text, "w");
    assert_non_null(stream);
    tg_run_print_findings(run, stream);
    fclose(stream);
    tg_run_close(run);
}

static void expect_in(const char *text, const char *part)
{
    CHECK(strstr(text, part), "expected '%s' in '%s'", part, text);
}

static void the_flagship_has_no_findings(void **state)
{
    (void)state;
    static const struct {
        uint32_t heads, kv_heads, head_dim, block_size, blocks_per_task;
        int32_t context;
        enum pa_dtype dtype;
    } cases[] = {
        {16, 1, 16, 16, 1, 64, PA_FP32},    {16, 1, 16, 16, 3, 33, PA_FP32},     {48, 1, 64, 32, 8, 1000, PA_FP16},
        {32, 2, 128, 128, 2, 700, PA_BF16}, {128, 1, 128, 128, 4, 900, PA_FP32}, {64, 1, 8, 8, 64, 1023, PA_BF16},
    };
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int mode = 0; mode < RIG_MODES; mode++) {
            struct pa_case drawn = pa_cases[0];
            struct pa_problem problem;
            struct found found;
            uint32_t lengths[] = {(uint32_t)cases[i].context, 0, 1};
            drawn.shape.batch = 3;
            drawn.shape.heads = cases[i].heads;
            drawn.shape.kv_heads = cases[i].kv_heads;
            drawn.shape.head_dim = cases[i].head_dim;
            drawn.shape.block_size = cases[i].block_size;
            drawn.shape.dtype = cases[i].dtype;
            drawn.lengths = lengths;
            drawn.n_lengths = 3;
            flagship_draw_case(&problem, &drawn, 42);
            problem.config[PA_CONFIG_BLOCKS_PER_TASK] = cases[i].blocks_per_task;
            flagship_load(&rig, (enum rig_mode)mode, NULL);
            run_checked(&rig, &problem, &found);
            CHECK(found.status == TG_OK, "case %zu, %s: %s", i, rig_mode_names[mode], found.text);
            assert_int_equal(flagship_mismatches(&problem), 0);
            pa_problem_free(&problem);
        }
    }
    rig_close(&rig);
}

static void checking_changes_neither_the_result_nor_the_time(void **state)
{
    (void)state;
    struct rig rig;
    struct pa_problem problem;
    struct found found;
    rig_open(&rig, GM_BYTES);
    flagship_draw(&problem, "Case2", 42);
    flagship_load(&rig, RIG_CONCURRENT, NULL);
    assert_int_equal(flagship_run(&rig, &problem), TG_OK);
    void *out = malloc(flagship_out_bytes(&problem));
    memcpy(out, problem.out, flagship_out_bytes(&problem));
    run_checked(&rig, &problem, &found);
    assert_int_equal(found.status, TG_OK);
    assert_memory_equal(out, problem.out, flagship_out_bytes(&problem));
    assert_true(found.result.device_ns == rig.result.device_ns);
    free(out);
    pa_problem_free(&problem);
    rig_close(&rig);
}

static void a_missing_flag_is_named_with_both_lines_and_the_mend(void **state)
{
    (void)state;
    struct rig rig;
    struct pa_problem problem;
    struct found found;
    rig_open(&rig, GM_BYTES);
    flagship_draw(&problem, "Case2", 42);
    flagship_load(&rig, RIG_CONCURRENT, (const char *const[FLAGSHIP_PARTS]){[FLAGSHIP_SF] = "mutant_no_flag"});
    run_checked(&rig, &problem, &found);
    assert_int_equal(found.status, TG_ERR_CHECK);
    assert_int_equal(found.result.has_outputs, 1);
    assert_int_equal(flagship_mismatches(&problem), 0); /* the bytes are right here, as they always were */
    expect_in(found.text, "check: PIPE_RAW: TMULS at aiv_softmax_prepare.c:");
    expect_in(found.text, "that TLOAD at aiv_softmax_prepare.c:");
    expect_in(found.text, "where: task ");
    expect_in(found.text, "(aiv_softmax_prepare, orchestration.c:");
    expect_in(found.text, "4 times in all");
    expect_in(found.text, "set_flag(PIPE_MTE2, PIPE_V, event) after the first, wait_flag(PIPE_MTE2, PIPE_V, event)");
    expect_in(found.text, "check: FLAG_NO_SET: wait_flag at aiv_softmax_prepare.c:");
    pa_problem_free(&problem);
    rig_close(&rig);
}

static void an_unchecked_run_has_no_findings(void **state)
{
    (void)state;
    struct rig rig;
    struct pa_problem problem;
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    struct tg_run *run = NULL;
    rig_open(&rig, GM_BYTES);
    flagship_draw(&problem, "Case1", 42);
    flagship_load(&rig, RIG_CONCURRENT, (const char *const[FLAGSHIP_PARTS]){[FLAGSHIP_SF] = "mutant_no_flag"});
    flagship_tensors(&problem, tensors);
    assert_int_equal(tg_run_open(rig.program, &rig.config, tensors, FLAGSHIP_TENSORS, &run), TG_OK);
    assert_int_equal(tg_run_wait(run), TG_ERR_TILE);
    assert_int_equal(tg_run_n_findings(run), 0);
    tg_run_close(run);
    pa_problem_free(&problem);
    rig_close(&rig);
}

/* A plugin on the host that reads device memory which nobody wrote, if it does, and fails. */
static void run_failing_plugin(struct rig *rig, enum rig_mode mode, bool reads)
{
    struct script s;
    script_init(&s);
    script_op(&s, SCRIPT_MALLOC, 64);
    if (reads) script_op(&s, SCRIPT_READ, 0);
    script_visit(&s, TG_AIV, 0, 0, NULL);
    script_words(&s, 1, (int64_t[]){SCRIPT_FAIL});
    script_load(rig, mode);
    script_run(rig, &s);
    script_fini(&s);
}

static void findings_of_a_plugin_that_fails_on_the_host_are_given(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, GM_BYTES);
    rig.config.check = true;
    run_failing_plugin(&rig, RIG_HOST, true);
    rig_expect(&rig, TG_ERR_CHECK, "1 finding; the run failed with TG_ERR_ORCHESTRATION: said by the script", NULL);
    assert_int_equal(rig.n_findings, 1);
    assert_int_equal(rig.result.n_tasks, 1);
    expect_in(rig.findings, "check: GM_UNWRITTEN: copy_from_device");
    run_failing_plugin(&rig, RIG_HOST, false);
    rig_expect(&rig, TG_ERR_ORCHESTRATION, "said by the script", NULL);
    assert_int_equal(rig.n_findings, 0);
    script_prove(&rig, RIG_HOST);
    rig_close(&rig);
}

/* The files of such a run are written, and are empty. */
static void a_run_that_failed_on_the_host_can_be_looked_at(void **state)
{
    (void)state;
    struct rig rig;
    struct tg_run *run;
    int64_t words[] = {SCRIPT_FAIL};
    uint32_t data[64] = {0};
    const struct tg_tensor tensors[] = {{"script", words, sizeof words, 1, TG_IN},
                                        {"data", data, sizeof data, 64, TG_INOUT}};
    rig_open(&rig, GM_BYTES);
    script_load(&rig, RIG_HOST);
    rig.config.record = rig.config.check = true;
    assert_int_equal(tg_run_open(rig.program, &rig.config, tensors, 2, &run), TG_OK);
    assert_int_equal(tg_run_wait(run), TG_ERR_ORCHESTRATION);
    assert_int_equal(tg_run_print_summary(run, stdout), TG_OK);
    assert_int_equal(tg_run_write_report(run, "/dev/null"), TG_OK);
    tg_run_close(run);
    rig_close(&rig);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_flagship_has_no_findings),
    cmocka_unit_test(checking_changes_neither_the_result_nor_the_time),
    cmocka_unit_test(a_missing_flag_is_named_with_both_lines_and_the_mend),
    cmocka_unit_test(an_unchecked_run_has_no_findings),
    cmocka_unit_test(findings_of_a_plugin_that_fails_on_the_host_are_given),
    cmocka_unit_test(a_run_that_failed_on_the_host_can_be_looked_at),
};

CHECK_MAIN(tests)
