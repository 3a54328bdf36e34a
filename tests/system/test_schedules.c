/* Several schedules of one run: nothing is said of a program whose edges are complete; of another, which seed shows
 * it. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/check.h"
#include "common/flagship.h"
#include "common/script.h"
#include "modules/pairs.h"

#define GM_BYTES (256ull << 20)
enum { N_SCHEDULES = 12 };

static struct rig rig;

static int open_rig(void **state)
{
    (void)state;
    rig_open(&rig, GM_BYTES);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static void the_example_does_not_depend_on_the_schedule(void **state)
{
    (void)state;
    static const char *const cases[] = {"Case2", "shared-blocks", "ragged", "bf16"};
    for (enum rig_mode mode = RIG_CONCURRENT; mode < RIG_MODES; mode++) {
        flagship_load(&rig, mode, NULL);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            struct pa_problem problem;
            flagship_draw(&problem, cases[i], 42);
            rig.config.schedules = N_SCHEDULES;
            rig.config.schedule_seed = 7;
            flagship_run(&rig, &problem);
            flagship_expect_right(&rig, &problem);
            pa_problem_free(&problem);
        }
    }
}

/* The number behind `words` in the message of the finding that `text` begins with. */
static uint64_t number_behind(const char *text, const char *words)
{
    const char *at = strstr(text, words);
    CHECK(at, "no '%s' in '%s'", words, text);
    return strtoull(at + strlen(words), NULL, 0);
}

/* Run on the device by hand: the rig closes a run before its findings can be looked at. Returns the status. */
static enum tg_status run_for_finding(struct tg_tensor *tensors, size_t n, struct tg_finding *finding, char *what,
                                      size_t what_bytes)
{
    struct tg_run *run;
    assert_int_equal(tg_run_open(rig.program, &rig.config, tensors, n, &run), TG_OK);
    enum tg_status status = tg_run_wait(run);
    struct tg_run_result result;
    tg_run_result(run, &result);
    assert_int_equal(result.has_outputs, 1);
    assert_int_equal(tg_run_n_findings(run), status == TG_OK ? 0 : 1);
    if (status != TG_OK) {
        tg_run_finding(run, 0, finding);
        (void)snprintf(what, what_bytes, "%s", finding->what);
    }
    tg_run_close(run);
    return status;
}

static void a_missing_edge_is_a_difference_and_its_seed_reproduces_it(void **state)
{
    (void)state;
    if (TEST_TSAN) SKIP("the race itself ends the process");
    const char *modules[FLAGSHIP_PARTS] = {[FLAGSHIP_ORCHESTRATION] = "mutant_up_edge"};
    struct pa_problem problem;
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    struct tg_finding finding;
    char what[1024];
    flagship_load(&rig, RIG_CONCURRENT, modules);
    flagship_draw(&problem, "Case2", 42);
    flagship_tensors(&problem, tensors);
    rig.config.schedules = 20;
    rig.config.schedule_seed = 0;
    assert_int_equal(run_for_finding(tensors, FLAGSHIP_TENSORS, &finding, what, sizeof what), TG_ERR_CHECK);
    assert_int_equal(finding.code, TG_FINDING_SCHEDULE_DIFFERENCE);
    assert_true(finding.count >= 1 && finding.count < 20);
    assert_non_null(strstr(what, "out depends on the schedule"));

    /* The outputs are those of the first seed. */
    const uint64_t element = number_behind(what, "element ");
    const char *ours = strstr(what, ", is 0x"), *theirs = strstr(what, " and 0x");
    assert_true(ours && theirs);
    uint32_t bits;
    memcpy(&bits, (const float *)problem.out + element, sizeof bits);
    assert_int_equal(bits, strtoull(ours + strlen(", is "), NULL, 0));

    /* Those of the seed that is named are the others. */
    rig.config.schedules = 1;
    rig.config.schedule_seed = number_behind(theirs, "under seed ");
    assert_int_equal(run_for_finding(tensors, FLAGSHIP_TENSORS, &finding, what + 512, 512), TG_OK);
    memcpy(&bits, (const float *)problem.out + element, sizeof bits);
    assert_int_equal(bits, strtoull(theirs + strlen(" and "), NULL, 0));
    pa_problem_free(&problem);
}

static void load_pairs(void)
{
    rig_set_mode(&rig, RIG_HOST);
    rig_plugin(&rig, rig_module("plugin_pairs"), "pairs");
}

/* A tensor that is read and written begins each schedule as it was. */
static void tensors_that_are_changed_begin_anew(void **state)
{
    (void)state;
    for (enum rig_mode mode = RIG_CONCURRENT; mode < RIG_MODES; mode++) {
        struct script script;
        script_init(&script);
        const int a = script_visit(&script, TG_AIC, 3, 0, NULL), b = script_visit(&script, TG_AIV, 0, 1, &a);
        script_edge(&script, a, b);
        script_publish(&script, a);
        script_publish(&script, b);
        script_load(&rig, mode);
        rig.config.schedules = N_SCHEDULES;
        script_run(&rig, &script);
        CHECK(rig.status == TG_OK, "%s", rig.message);
        assert_int_equal(script_disorder(&script), 0);
        script_fini(&script);
    }
}

static void a_run_that_fails_under_another_seed_is_a_difference(void **state)
{
    (void)state;
    if (TEST_TSAN) SKIP("the race itself ends the process");
    struct script script;
    script_init(&script);
    const int first = script_visit(&script, TG_AIC, 0, 0, NULL);
    script_publish(&script, first);
    for (int i = 0; i < 4; i++) script_publish(&script, script_visit(&script, TG_AIC, 0, 0, NULL));
    script_expect(&script, first, 1); /* nothing says so: the builder has been slow enough, or not */
    script_load(&rig, RIG_CONCURRENT);
    rig.config.schedule_seed = 0;
    rig.config.schedules = 1;
    script_run(&rig, &script);
    CHECK(rig.status == TG_OK, "the first schedule has to succeed: %s", rig.message);
    rig.config.schedules = 30;
    /* Checks take time, in which the builder is too slow in the first schedule already. Then the race is the finding,
     * and a sanitizer hides it. */
    if (TEST_ASAN) rig.can_check = false;
    script_run(&rig, &script);
    rig_expect(&rig, TG_ERR_CHECK, "1 finding", NULL);
    script_fini(&script);
}

/* Memory of a plugin's choice keeps what the first run copied back, and later runs are compared with it. */
static void pairs_of_the_first_run_stay(void **state)
{
    (void)state;
    uint8_t memory[PAIR_BYTES];
    int n_runs = 0;
    struct pairs pairs = {{memory, NULL}, &n_runs};
    struct tg_tensor tensor = {"pairs", &pairs, sizeof pairs, 1, TG_IN};
    struct tg_finding finding;
    char what[1024];
    load_pairs();
    rig.config.schedules = 3;
    assert_int_equal(run_for_finding(&tensor, 1, &finding, what, sizeof what), TG_ERR_CHECK);
    assert_int_equal(finding.code, TG_FINDING_SCHEDULE_DIFFERENCE);
    assert_non_null(strstr(what, "memory of record_tensor_pair depends on the schedule"));
    assert_int_equal(n_runs, 3);
    for (size_t i = 0; i < PAIR_BYTES; i++) assert_int_equal(memory[i], 1);
}

/* A pair that cannot be copied leaves the memory of the others alone. */
static void all_pairs_are_copied_or_none(void **state)
{
    (void)state;
    uint8_t memory[PAIR_BYTES];
    int n_runs = 0;
    struct pairs pairs = {{memory, NULL}, &n_runs};
    struct tg_tensor tensor = {"pairs", &pairs, sizeof pairs, 1, TG_IN};
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *half = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(half, MAP_FAILED);
    assert_int_equal(mprotect(half + page, 3 * page, PROT_READ), 0);
    load_pairs();
    void *const wild[] = {(void *)16, half, half + 2 * page};
    for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++) {
        pairs.host[1] = wild[i];
        memset(memory, 0xA5, sizeof memory);
        rig_run(&rig, &tensor, 1);
        rig_expect(&rig, TG_ERR_PLUGIN_FAULT, "record_tensor_pair: 10000 bytes cannot be written", NULL);
        for (size_t k = 0; k < PAIR_BYTES; k++) assert_int_equal(memory[k], 0xA5);
        assert_int_equal(half[0], 0);
    }
    munmap(half, 4 * page);
}

static void no_schedule_is_refused(void **state)
{
    (void)state;
    struct pa_problem problem;
    flagship_load(&rig, RIG_CONCURRENT, NULL);
    flagship_draw(&problem, "Case1", 42);
    rig.config.schedules = 0;
    flagship_run(&rig, &problem);
    rig_expect(&rig, TG_ERR_ARGUMENT, "schedules is 0", NULL);
    pa_problem_free(&problem);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_example_does_not_depend_on_the_schedule, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(a_missing_edge_is_a_difference_and_its_seed_reproduces_it, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(tensors_that_are_changed_begin_anew, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(a_run_that_fails_under_another_seed_is_a_difference, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(pairs_of_the_first_run_stay, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(all_pairs_are_copied_or_none, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(no_schedule_is_refused, open_rig, close_rig),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
