/* The answers of the public calls about a recorded run, and about a run without a record. */
#include <stdlib.h>

#include "common/check.h"
#include "common/folder.h"
#include "common/rig.h"
#include "common/script.h"

static struct rig rig;
static struct script script;
static struct folder folder;

static int set_up(void **state)
{
    (void)state;
    folder_make(&folder);
    rig_open(&rig, 64 << 20);
    script_init(&script);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    script_fini(&script);
    rig_close(&rig);
    folder_remove(&folder);
    return 0;
}

/* n tasks, each waiting for the one before. They are published when all are added: adding one takes a cold builder
 * longer than running it, and then the path would lead over the builder. */
static void chain(int n)
{
    for (int i = 0; i < n; i++) {
        int before = i - 1;
        int task = script_visit(&script, i % 2 ? TG_AIV : TG_AIC, 3, i > 0, &before);
        if (i > 0) script_edge(&script, before, task);
    }
    for (int i = 0; i < n; i++) script_publish(&script, i);
}

static struct tg_run *open_run(enum rig_mode mode, bool record)
{
    struct tg_run *run;
    script_words(&script, 1, (const int64_t[]){SCRIPT_END});
    script.n_data = script.n_tasks > 64 ? (size_t)script.n_tasks : 64;
    script.data = calloc(script.n_data, sizeof *script.data);
    assert_non_null(script.data);
    const struct tg_tensor tensors[] = {
        {"script", script.words, script.n_words * sizeof *script.words, script.n_words, TG_IN},
        {"data", script.data, script.n_data * sizeof *script.data, script.n_data, TG_INOUT},
    };
    script_load(&rig, mode);
    rig.config.record = record;
    assert_int_equal(tg_run_open(rig.program, &rig.config, tensors, 2, &run), TG_OK);
    return run;
}

/* All calls that look at a run; they agree. */
static enum tg_status look(const struct tg_run *run, struct tg_analysis *analysis)
{
    FILE *stream = tmpfile();
    assert_non_null(stream);
    enum tg_status status = tg_run_analyse(run, analysis);
    assert_int_equal(tg_run_print_summary(run, stream), status);
    assert_int_equal(ftell(stream) > 0, status == TG_OK);
    assert_int_equal(tg_run_write_trace(run, folder_at(&folder, "trace")), status);
    assert_int_equal(tg_run_write_graph(run, folder_at(&folder, "graph")), status);
    assert_int_equal(tg_run_write_report(run, folder_at(&folder, "report")), status);
    fclose(stream);
    return status;
}

static void check_sums(const struct tg_analysis *a, const struct tg_run *run)
{
    struct tg_run_result result;
    uint64_t sum = 0;
    tg_run_result(run, &result);
    assert_int_equal(a->device_ns, result.device_ns);
    for (int i = 0; i < TG_BOUNDS; i++) sum += a->bound_ns[i];
    assert_int_equal(sum, a->device_ns);
    assert_true(a->launch_ns <= a->bound_ns[TG_BOUND_SCHEDULER]);
    for (uint32_t i = 0; i < TG_BOUNDS; i++) {
        const uint64_t by = a->bound_ns[a->bound_by] - (a->bound_by == TG_BOUND_SCHEDULER ? a->launch_ns : 0);
        assert_true(by >= a->bound_ns[i] - (i == TG_BOUND_SCHEDULER ? a->launch_ns : 0));
    }
    assert_true(a->critical_path_ns <= a->device_ns && a->critical_path_ns <= a->kernel_ns);
    assert_true(a->unlimited_cores_ns <= a->device_ns && a->free_control_ns <= a->device_ns);
}

static void a_chain_is_its_own_critical_path(void **state)
{
    (void)state;
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        struct tg_analysis a;
        chain(40);
        struct tg_run *run = open_run(mode, true);
        assert_int_equal(tg_run_wait(run), TG_OK);
        assert_int_equal(look(run, &a), TG_OK);
        check_sums(&a, run);
        assert_int_equal(a.critical_path_ns, a.kernel_ns);
        assert_int_equal(a.n_path, 40);
        assert_int_equal(a.free_control_ns, a.kernel_ns);
        tg_run_close(run);
        script_fini(&script);
        script_init(&script);
    }
}

static void a_run_that_was_not_recorded(void **state)
{
    (void)state;
    struct tg_analysis a;
    chain(2);
    struct tg_run *run = open_run(RIG_CONCURRENT, false);
    assert_int_equal(tg_run_wait(run), TG_OK);
    assert_int_equal(look(run, &a), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "without record"));
    tg_run_close(run);
}

static void a_run_that_was_not_launched(void **state)
{
    (void)state;
    struct tg_analysis a;
    chain(2);
    struct tg_run *run = open_run(RIG_CONCURRENT, true);
    assert_int_equal(look(run, &a), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "tg_run_wait"));
    tg_run_close(run);
}

/* The record of a failed run is wanted most. */
static void a_run_that_failed(void **state)
{
    (void)state;
    struct tg_analysis a;
    chain(5);
    script_visit(&script, TG_AIC, 1, 0, NULL); /* never published */
    struct tg_run *run = open_run(RIG_CONCURRENT, true);
    assert_int_equal(tg_run_wait(run), TG_ERR_DEADLOCK_UNPUBLISHED);
    assert_int_equal(look(run, &a), TG_OK);
    check_sums(&a, run);
    assert_int_equal(a.critical_path_ns, a.kernel_ns);
    assert_int_equal(a.n_path, 5);
    tg_run_close(run);
}

static void places_that_cannot_be_written(void **state)
{
    (void)state;
    chain(2);
    struct tg_run *run = open_run(RIG_CONCURRENT, true);
    assert_int_equal(tg_run_wait(run), TG_OK);
    const char *path = folder_at(&folder, "none/file");
    assert_int_equal(tg_run_write_trace(run, path), TG_ERR_FILE);
    assert_int_equal(tg_run_write_graph(run, path), TG_ERR_FILE);
    assert_int_equal(tg_run_write_report(run, path), TG_ERR_FILE);
    assert_non_null(strstr(tg_last_message(), path));
    tg_run_close(run);
}

/* ---- progress ---- */

struct told {
    uint64_t n_calls, n_complete, device_ns;
};

static void tell(void *context, const struct tg_progress *progress)
{
    struct told *told = context;
    assert_true(progress->n_complete >= told->n_complete && progress->n_complete <= progress->n_published);
    assert_true(progress->device_ns >= told->device_ns);
    *told = (struct told){told->n_calls + 1, progress->n_complete, progress->device_ns};
}

/* How often depends on the computer; that it is in order does not. */
static void progress_goes_forward(void **state)
{
    (void)state;
    struct told told = {0};
    struct tg_run_result result;
    chain(40000);
    struct tg_run *run = open_run(RIG_CONCURRENT, false);
    tg_run_on_progress(run, tell, &told);
    assert_int_equal(tg_run_wait(run), TG_OK);
    tg_run_result(run, &result);
    assert_true(told.n_complete <= result.n_tasks && told.device_ns <= result.device_ns);
    CHECK(told.n_calls > 0 || result.host_ns < 400000000, "nothing was said in %llu ns",
          (unsigned long long)result.host_ns);
    tg_run_close(run);
}

static void pipes_without_a_record_are_refused(void **state)
{
    (void)state;
    chain(1);
    struct tg_run *run = open_run(RIG_CONCURRENT, false);
    tg_run_close(run);
    const struct tg_tensor tensor = {"script", script.words, script.n_words * sizeof *script.words, script.n_words,
                                     TG_IN};
    rig.config.record_pipes = true;
    assert_int_equal(tg_run_open(rig.program, &rig.config, &tensor, 1, &run), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "record_pipes"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_chain_is_its_own_critical_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_that_was_not_recorded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_that_was_not_launched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_that_failed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(places_that_cannot_be_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pipes_without_a_record_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(progress_goes_forward, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
