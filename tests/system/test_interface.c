/* The host interface across versions: structures that are shorter or longer than the library's, submit and poll,
 * texts. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/check.h"
#include "common/flagship.h"
#include "common/script.h"

#define GM_BYTES (64ull << 20)

static struct rig rig;

static int open_rig(void **state)
{
    (void)state;
    rig_open(&rig, GM_BYTES);
    flagship_load(&rig, RIG_CONCURRENT, NULL);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

static void versions_agree(void **state)
{
    (void)state;
    unsigned major, minor, patch;
    assert_int_equal(sscanf(TG_VERSION, "%u.%u.%u", &major, &minor, &patch), 3);
    assert_int_equal(TG_VERSION_NUMBER, major * 10000 + minor * 100 + patch);
    assert_int_equal(tg_version(), TG_VERSION_NUMBER);
}

/* A header that is older: fields behind its end keep the library's default. */
static void a_shorter_configuration_gets_defaults(void **state)
{
    (void)state;
    struct tg_device_config config;
    tg_device_config_init(&config);
    config.size = offsetof(struct tg_device_config, isa);
    config.isa = "no such set"; /* not the caller's to set, so not looked at */
    struct tg_device *device;
    assert_int_equal(tg_device_open(&config, &device), TG_OK);
    tg_device_close(device);
    config.size = sizeof config;
    assert_int_equal(tg_device_open(&config, &device), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "isa is 'no such set'"));
}

static void a_size_that_no_version_has_is_refused(void **state)
{
    (void)state;
    struct tg_device_config device_config;
    struct tg_device *device = NULL;
    memset(&device_config, 0, sizeof device_config);
    assert_int_equal(tg_device_open(&device_config, &device), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "tg_device_config: its size is 0"));
    assert_null(device);
    device_config.size = 4;
    assert_int_equal(tg_device_config_fill(&device_config), TG_ERR_ARGUMENT);
    struct tg_run_config config = {0};
    struct tg_run *run = NULL;
    const struct tg_tensor tensor = {"t", &config, 8, 1, TG_IN};
    assert_int_equal(tg_run_open(rig.program, &config, &tensor, 1, &run), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "tg_run_config: its size is 0"));
    tg_run_config_init(&config);
    assert_int_equal(tg_run_open_sized(rig.program, &config, &tensor, 8, 1, &run), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "tg_tensor"));
    assert_null(run);
}

/* A header that is newer: taken if what the library does not know is zero. */
static void a_longer_configuration_is_taken_unless_it_asks_for_more(void **state)
{
    (void)state;
    struct {
        struct tg_device_config config;
        uint64_t later;
    } newer;
    memset(&newer, 0, sizeof newer);
    newer.config.size = sizeof newer;
    assert_int_equal(tg_device_config_fill(&newer.config), TG_OK);
    assert_int_equal(newer.config.size, sizeof newer);
    assert_string_equal(newer.config.platform, "a2a3sim");
    newer.config.gm_bytes = GM_BYTES;
    struct tg_device *device = NULL;
    assert_int_equal(tg_device_open(&newer.config, &device), TG_OK);
    tg_device_close(device);
    newer.later = 1;
    device = NULL;
    assert_int_equal(tg_device_open(&newer.config, &device), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "use a later library"));
    assert_null(device);
}

static void open_case1(struct pa_problem *problem, struct tg_run **run)
{
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    flagship_draw(problem, "Case1", 42);
    flagship_tensors(problem, tensors);
    assert_int_equal(tg_run_open(rig.program, &rig.config, tensors, FLAGSHIP_TENSORS, run), TG_OK);
}

/* Tensors of a later header are further apart, figures of an earlier one end before. */
static void arrays_and_results_of_other_versions_work(void **state)
{
    (void)state;
    struct {
        struct tg_tensor tensor;
        uint64_t later;
    } newer[FLAGSHIP_TENSORS];
    struct pa_problem problem;
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    struct tg_run *run;
    memset(newer, 0, sizeof newer);
    flagship_draw(&problem, "Case1", 42);
    flagship_tensors(&problem, tensors);
    for (int i = 0; i < FLAGSHIP_TENSORS; i++) newer[i].tensor = tensors[i];
    assert_int_equal(
        tg_run_open_sized(rig.program, &rig.config, &newer[0].tensor, sizeof newer[0], FLAGSHIP_TENSORS, &run), TG_OK);
    assert_int_equal(tg_run_wait(run), TG_OK);
    assert_int_equal(flagship_mismatches(&problem), 0);
    struct {
        struct tg_run_result result;
        uint64_t later;
    } longer;
    memset(&longer, 0xAA, sizeof longer);
    longer.result.size = sizeof longer;
    assert_int_equal(tg_run_get_result(run, &longer.result), TG_OK);
    assert_int_equal(longer.result.n_tasks, 4);
    assert_int_equal(longer.later, 0);
    longer.result.size = 8;
    longer.result.n_tasks = 99;
    assert_int_equal(tg_run_get_result(run, &longer.result), TG_ERR_ARGUMENT);
    assert_int_equal(longer.result.n_tasks, 99);
    tg_run_close(run);
    newer[2].later = 7;
    run = NULL;
    assert_int_equal(
        tg_run_open_sized(rig.program, &rig.config, &newer[0].tensor, sizeof newer[0], FLAGSHIP_TENSORS, &run),
        TG_ERR_ARGUMENT);
    assert_null(run);
    pa_problem_free(&problem);
}

static void a_submitted_run_ends_by_itself(void **state)
{
    (void)state;
    struct pa_problem problem;
    struct tg_run *run;
    open_case1(&problem, &run);
    assert_false(tg_run_poll(run));
    assert_int_equal(tg_run_submit(run), TG_OK);
    assert_int_equal(tg_run_submit(run), TG_ERR_ARGUMENT);
    const struct timespec moment = {.tv_nsec = 1000000};
    for (int i = 0; i < 20000 && !tg_run_poll(run); i++) nanosleep(&moment, NULL);
    assert_true(tg_run_poll(run));
    assert_int_equal(tg_run_wait(run), TG_OK);
    assert_int_equal(tg_run_wait(run), TG_ERR_ARGUMENT);
    assert_int_equal(flagship_mismatches(&problem), 0);
    tg_run_close(run);
    pa_problem_free(&problem);
}

/* Its message comes from the other thread, and a run that nobody waits for is closed all the same. */
static void a_submitted_run_that_fails_says_why(void **state)
{
    (void)state;
    struct pa_problem problem;
    struct tg_run *run;
    open_case1(&problem, &run);
    tg_run_cancel(run);
    assert_int_equal(tg_run_submit(run), TG_OK);
    assert_int_equal(tg_run_wait(run), TG_ERR_CANCELLED);
    tg_run_close(run);
    pa_problem_free(&problem);
    open_case1(&problem, &run);
    assert_int_equal(tg_run_submit(run), TG_OK);
    tg_run_close(run);
    pa_problem_free(&problem);
}

struct text {
    char bytes[1 << 16];
    size_t n;
};

static void take_text(void *context, const char *bytes, size_t n_bytes)
{
    struct text *text = context;
    assert_true(text->n + n_bytes < sizeof text->bytes);
    memcpy(text->bytes + text->n, bytes, n_bytes);
    text->n += n_bytes;
    text->bytes[text->n] = 0;
}

static void texts_come_by_callback(void **state)
{
    (void)state;
    static struct text text;
    struct pa_problem problem;
    struct tg_run *run;
    rig.config.record = true;
    rig.config.check = true;
    open_case1(&problem, &run);
    assert_int_equal(tg_run_wait(run), TG_OK);
    static const char *const contents[] = {[TG_TEXT_FINDINGS] = "",
                                           [TG_TEXT_PROOF] = "schedule-independent",
                                           [TG_TEXT_SPARE_EDGES] = "edges",
                                           [TG_TEXT_SUMMARY] = "bound by",
                                           [TG_TEXT_ADVICE] = "bound by"};
    for (int i = 0; i <= TG_TEXT_ADVICE; i++) {
        memset(&text, 0, sizeof text);
        assert_int_equal(tg_run_text(run, (enum tg_text)i, take_text, &text), TG_OK);
        CHECK(strstr(text.bytes, contents[i]), "text %d: %s", i, text.bytes);
    }
    assert_int_equal(tg_run_text(run, (enum tg_text)99, take_text, &text), TG_ERR_ARGUMENT);
    struct tg_finding finding;
    assert_int_equal(tg_run_finding(run, 0, &finding), TG_ERR_ARGUMENT);
    assert_string_equal(finding.what, "");
    tg_run_close(run);
    pa_problem_free(&problem);
}

static void run_described(enum rig_mode mode, int n_parts, int more, bool labelled, int func_id)
{
    struct script script;
    script_init(&script);
    const int task = script_describe(&script, n_parts, more, labelled, func_id);
    script_publish(&script, task);
    script_load(&rig, mode);
    script_run(&rig, &script);
    if (rig.status == TG_OK) assert_int_equal(script_disorder(&script), 0);
    script_fini(&script);
}

static void a_task_can_be_added_by_a_description(void **state)
{
    (void)state;
    for (enum rig_mode mode = RIG_CONCURRENT; mode < RIG_MODES; mode++) {
        run_described(mode, 1, 0, true, SCRIPT_VISIT_AIV);
        rig_expect(&rig, TG_OK, NULL);
    }
    char path[] = "/tmp/tg_described_XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    rig.config.record = true;
    rig.trace_path = path;
    run_described(RIG_CONCURRENT, 1, 0, true, SCRIPT_VISIT_AIV);
    rig.trace_path = NULL;
    size_t n;
    char *trace = rig_read_file(path, &n);
    assert_non_null(memmem(trace, n, "described", strlen("described")));
    free(trace);
    remove(path);
}

static void both_ways_to_add_a_task_take_the_same_time(void **state)
{
    (void)state;
    struct script script;
    script_init(&script);
    script_publish(&script, script_visit(&script, TG_AIV, 0, 0, NULL));
    script_load(&rig, RIG_CONCURRENT);
    script_run(&rig, &script);
    rig_expect(&rig, TG_OK, NULL);
    script_fini(&script);
    const uint64_t added_ns = rig.result.device_ns;
    run_described(RIG_CONCURRENT, 1, 0, false, SCRIPT_VISIT_AIV);
    assert_int_equal(rig.result.device_ns, added_ns);
}

static void a_description_is_refused_by_its_line(void **state)
{
    (void)state;
    static const struct {
        int n_parts, more, func_id;
        enum tg_status status;
        const char *says;
    } rows[] = {
        {0, 0, SCRIPT_VISIT_AIV, TG_ERR_ARGUMENT, "a task of 0 parts: in this version a task has 1 part"},
        {2, 0, SCRIPT_VISIT_AIV, TG_ERR_ARGUMENT, "a task of 2 parts: in this version a task has 1 part"},
        {1, 8, SCRIPT_VISIT_AIV, TG_ERR_ARGUMENT, "sets a field behind the"},
        {1, -8, SCRIPT_VISIT_AIV, TG_ERR_ARGUMENT, "struct tg_task_config: its size is"},
        {1, 0, SCRIPT_VISIT_AIC, TG_ERR_CORE_TYPE, "the task says AIV"},
        {1, 0, 77, TG_ERR_UNKNOWN_FUNC, "no kernel has func_id 77"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run_described(RIG_CONCURRENT, rows[i].n_parts, rows[i].more, false, rows[i].func_id);
        rig_expect(&rig, rows[i].status, rows[i].says, "graph.script:1", "task 0", NULL);
    }
}

static void a_plugin_of_an_older_version_runs(void **state)
{
    (void)state;
    struct script script;
    script_init(&script);
    const int first = script_visit(&script, TG_AIV, 0, 0, NULL), second = script_visit(&script, TG_AIC, 0, 1, &first);
    script_edge(&script, first, second);
    script_publish(&script, first);
    script_publish(&script, second);
    script_load(&rig, RIG_CONCURRENT);
    rig_plugin(&rig, rig_module("older_plugin"), "orchestration");
    script_run(&rig, &script);
    rig_expect(&rig, TG_OK, NULL);
    assert_int_equal(script_disorder(&script), 0);
    script_fini(&script);
}

/* Getters return a status; their short forms answer NULL without harm. */
static void a_device_describes_itself(void **state)
{
    (void)state;
    struct {
        struct tg_device_info info;
        uint64_t later;
    } longer;
    tg_address address;
    memset(&longer, 0xAA, sizeof longer);
    longer.info.size = sizeof longer;
    assert_int_equal(tg_device_malloc(rig.device, 1000, &address), TG_OK);
    assert_int_equal(tg_device_get_info(rig.device, &longer.info), TG_OK);
    assert_int_equal(longer.later, 0);
    assert_int_equal(longer.info.n_blocks, tg_device_blocks(rig.device));
    assert_int_equal(longer.info.n_workers, 0);
    assert_string_equal(longer.info.isa, tg_device_isa(rig.device));
    assert_int_equal(longer.info.gm_bytes, GM_BYTES);
    assert_int_equal(longer.info.bytes_in_use, 1024);
    assert_true(longer.info.peak_bytes >= 1024);
    assert_int_equal(tg_device_free(rig.device, address), TG_OK);

    struct tg_device_info info = {.n_blocks = 99};
    assert_int_equal(tg_device_get_info(rig.device, &info), TG_ERR_ARGUMENT); /* no size */
    assert_int_equal(tg_device_info(NULL, &info), TG_ERR_ARGUMENT);
    assert_int_equal(info.n_blocks, 99);
    assert_int_equal(tg_device_get_info(rig.device, NULL), TG_ERR_ARGUMENT);
    assert_int_equal(tg_device_info(rig.device, &info), TG_OK);
    assert_int_equal(info.bytes_in_use, 0);
    assert_int_equal(tg_device_blocks(NULL), 0);
    assert_int_equal(tg_device_workers(NULL), 0);
    assert_int_equal(tg_device_bytes_in_use(NULL), 0);
    assert_int_equal(tg_run_n_findings(NULL), 0);
    assert_int_equal(tg_run_n_lines(NULL), 0);
    assert_string_equal(tg_device_isa(NULL), "");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_agree),
        cmocka_unit_test(a_shorter_configuration_gets_defaults),
        cmocka_unit_test_setup_teardown(a_size_that_no_version_has_is_refused, open_rig, close_rig),
        cmocka_unit_test(a_longer_configuration_is_taken_unless_it_asks_for_more),
        cmocka_unit_test_setup_teardown(arrays_and_results_of_other_versions_work, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(a_device_describes_itself, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(a_submitted_run_ends_by_itself, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(a_submitted_run_that_fails_says_why, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(texts_come_by_callback, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(a_task_can_be_added_by_a_description, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(both_ways_to_add_a_task_take_the_same_time, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(a_description_is_refused_by_its_line, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(a_plugin_of_an_older_version_runs, open_rig, close_rig),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
