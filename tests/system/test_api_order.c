/*
 * The public calls in orders that are allowed and seldom: a program that changes under an open run, handles that are
 * closed early, cancelling early and late; and a plugin's calls from odd places. What random orders do is in
 * test_api_walk.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/devices.h"
#include "common/script.h"
#include "modules/host_calls.h"

#define GM_BYTES (256ull << 20)
enum { N_DATA = 64 };

/* A run that is open, of a script of two tasks. */
struct opened {
    struct script script;
    uint32_t data[N_DATA];
    struct tg_run *run;
};

static void open_script(struct rig *rig, struct opened *o, enum rig_mode mode)
{
    script_init(&o->script);
    memset(o->data, 0, sizeof o->data);
    const int first = script_visit(&o->script, TG_AIV, 0, 0, NULL);
    const int second = script_visit(&o->script, TG_AIC, 0, 1, &first);
    script_edge(&o->script, first, second);
    script_publish(&o->script, first);
    script_publish(&o->script, second);
    script_words(&o->script, 1, (int64_t[]){SCRIPT_END});
    script_load(rig, mode);
    const struct tg_tensor tensors[] = {
        {"script", o->script.words, o->script.n_words * sizeof *o->script.words, o->script.n_words, TG_IN},
        {"data", o->data, sizeof o->data, N_DATA, TG_INOUT}};
    const enum tg_status status = tg_run_open(rig->program, &rig->config, tensors, 2, &o->run);
    CHECK(status == TG_OK, "%s: %s", tg_status_name(status), tg_last_message());
}

static void expect_right(struct opened *o, enum tg_status status)
{
    CHECK(status == TG_OK, "%s: %s", tg_status_name(status), tg_last_message());
    assert_true(o->data[0] == 1 && o->data[1] == 1);
    memset(o->data, 0, sizeof o->data);
}

static void close_script(struct opened *o)
{
    tg_run_close(o->run);
    script_fini(&o->script);
}

/* ---- a program that changes -------------------------------------------------------------------------------------- */

static void kernels_are_added_while_a_run_is_open(void **state)
{
    static const int late[] = {4, 300, 60000, 65535};
    struct rig rig;
    struct opened o;
    device_open(&rig, *state, GM_BYTES);
    for (int mode = RIG_CONCURRENT; mode < RIG_MODES; mode++) {
        rig.config.keep = mode == RIG_SEQUENTIAL;
        open_script(&rig, &o, (enum rig_mode)mode);
        for (size_t i = 0; i < 3; i++) rig_kernel(&rig, late[i], TG_AIV, "late", rig_module("kernel_left"));
        expect_right(&o, tg_run_wait(o.run));
        rig_kernel(&rig, late[3], TG_AIV, "later", rig_module("kernel_left"));
        if (rig.config.keep) expect_right(&o, tg_run_replay(o.run, NULL, 0));
        close_script(&o);
        rig.config.keep = false;
    }
    rig_close(&rig);
}

static void a_run_keeps_the_orchestration_that_it_was_opened_with(void **state)
{
    const struct device *device = *state;
    struct rig rig;
    struct opened o;
    device_open(&rig, device, GM_BYTES);
    for (int schedules = 1; schedules <= (device_is_virtual(device) ? 3 : 1); schedules += 2) {
        rig.config.schedules = (uint32_t)schedules;
        open_script(&rig, &o, RIG_CONCURRENT);
        rig_plugin(&rig, rig_module("script"), "orchestration_host"); /* of the other runtime */
        expect_right(&o, tg_run_wait(o.run));
        close_script(&o);
    }
    rig_close(&rig);
}

static void handles_are_closed_in_any_order(void **state)
{
    struct rig rig;
    struct opened o;
    device_open(&rig, *state, GM_BYTES);
    rig.config.keep = true;
    open_script(&rig, &o, RIG_SEQUENTIAL);
    tg_device_close(rig.device);
    tg_program_close(rig.program);
    expect_right(&o, tg_run_wait(o.run));
    expect_right(&o, tg_run_replay(o.run, NULL, 0));
    close_script(&o);
}

static void a_missing_pointer_is_named(void **state)
{
    (void)state;
    struct tg_device_config config;
    struct tg_device *device = NULL;
    uint64_t address;
    tg_device_config_init(&config);
    assert_int_equal(tg_device_open(NULL, &device), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), "tg_device_open: config is NULL"));
    assert_int_equal(tg_device_open(&config, NULL), TG_ERR_ARGUMENT);
    assert_int_equal(tg_device_open(&config, &device), TG_OK);
    assert_int_equal(tg_program_open(device, NULL), TG_ERR_ARGUMENT);
    assert_int_equal(tg_program_open(NULL, NULL), TG_ERR_ARGUMENT);
    assert_int_equal(tg_device_malloc(NULL, 1, &address), TG_ERR_ARGUMENT);
    assert_int_equal(tg_device_malloc(device, 1, NULL), TG_ERR_ARGUMENT);
    assert_int_equal(tg_run_open(NULL, NULL, NULL, 0, NULL), TG_ERR_ARGUMENT);
    assert_int_equal(tg_run_wait(NULL), TG_ERR_ARGUMENT);
    assert_int_equal(tg_run_replay(NULL, NULL, 0), TG_ERR_ARGUMENT);
    tg_run_cancel(NULL);
    tg_device_close(device);
}

/* ---- cancelling -------------------------------------------------------------------------------------------------- */

static void a_late_cancel_leaves_replays_alone(void **state)
{
    struct rig rig;
    struct opened o;
    device_open(&rig, *state, GM_BYTES);
    rig.config.keep = true;
    open_script(&rig, &o, RIG_SEQUENTIAL);
    expect_right(&o, tg_run_wait(o.run));
    for (int i = 0; i < 3; i++) {
        tg_run_cancel(o.run); /* of nothing */
        expect_right(&o, tg_run_replay(o.run, NULL, 0));
    }
    close_script(&o);
    rig.config.keep = false;
    open_script(&rig, &o, RIG_CONCURRENT);
    tg_run_cancel(o.run);
    assert_int_equal(tg_run_wait(o.run), TG_ERR_CANCELLED);
    assert_string_equal(tg_last_message(), "tg_run_cancel was called");
    assert_int_equal(o.data[0], 0);
    close_script(&o);
    rig_close(&rig);
}

static void *cancel_soon(void *arg)
{
    const struct timespec delay = {.tv_nsec = 100000000};
    nanosleep(&delay, NULL);
    tg_run_cancel(arg);
    return NULL;
}

/* More schedules than anybody waits for. */
static void cancelling_reaches_other_schedules(void **state)
{
    struct rig rig;
    struct opened o;
    struct tg_run_result result;
    pthread_t thread;
    device_open(&rig, *state, GM_BYTES);
    rig.config.schedules = UINT32_MAX;
    open_script(&rig, &o, RIG_CONCURRENT);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, o.run), 0);
    const enum tg_status status = tg_run_wait(o.run);
    CHECK(status == TG_ERR_CANCELLED, "%s: %s", tg_status_name(status), tg_last_message());
    pthread_join(thread, NULL);
    assert_int_equal(tg_run_n_findings(o.run), 0);
    tg_run_result(o.run, &result);
    if (result.has_outputs) assert_int_equal(o.data[1], 1); /* the run itself had ended */
    close_script(&o);
    rig_close(&rig);
}

/* ---- a plugin's calls -------------------------------------------------------------------------------------------- */

static enum tg_status call(struct rig *rig, enum rig_mode mode, enum host_calls act, int64_t n, size_t n_words)
{
    static uint32_t data[N_DATA];
    int64_t *words = calloc(n_words, sizeof *words);
    assert_non_null(words);
    words[0] = act;
    words[1] = n;
    const struct tg_tensor tensors[] = {{"words", words, n_words * sizeof *words, n_words, TG_IN},
                                        {"data", data, sizeof data, N_DATA, TG_INOUT}};
    memset(data, 0, sizeof data);
    rig_clear(rig);
    rig_kernel(rig, 0, TG_AIV, "visit", rig_module("kernel_visit"));
    rig_plugin(rig, rig_module("host_calls"), mode == RIG_HOST ? "orchestration_host" : "orchestration");
    rig_set_mode(rig, mode);
    const enum tg_status status = rig_run(rig, tensors, 2);
    free(words);
    return status;
}

/* It took a time that grew with the square of their number: half an hour for so many. */
static void many_tasks_are_published_by_hand(void **state)
{
    enum { N = 500000 };
    struct rig rig;
    device_open(&rig, *state, GM_BYTES);
    rig.config.graph_bytes = 1 << 30;
    call(&rig, RIG_HOST, HOST_CALLS_PUBLISH, N, 2);
    rig_expect(&rig, TG_OK, NULL);
    assert_int_equal(rig.result.n_tasks, N);
    rig_close(&rig);
}

static void calls_of_another_thread_are_refused_on_the_host(void **state)
{
    static const char *const calls[] = {"copy_to_device", "copy_from_device", "record_tensor_pair", "get_task_count",
                                        "print_runtime"};
    struct rig rig;
    device_open(&rig, *state, GM_BYTES);
    for (int i = 0; i < 5; i++) {
        call(&rig, RIG_HOST, HOST_CALLS_OTHER_THREAD, i, 2);
        rig_expect(&rig, TG_ERR_MISUSE, calls[i], "from another thread of control", NULL);
    }
    call(&rig, RIG_HOST, HOST_CALLS_LATE, 0, 2);
    rig_expect(&rig, TG_OK, NULL); /* the destructor's call does nothing */
    rig_close(&rig);
}

static void copies_are_no_silence_of_the_plugin(void **state)
{
    struct rig rig;
    if (TEST_TSAN) SKIP("the sanitizer delays the signal that a long copy has to answer");
    device_open(&rig, *state, (uint64_t)1 << 30);
    rig.config.kernel_limit_ms = TEST_ASAN ? 200 : 20;
    call(&rig, RIG_HOST, HOST_CALLS_COPY, 32 << 20, 32 << 20); /* 256 MiB take longer than that */
    rig_expect(&rig, TG_OK, NULL);
    call(&rig, RIG_HOST, HOST_CALLS_COPY_ENDLESS, 1 << 20, 1 << 20);
    rig_expect(&rig, TG_ERR_PLUGIN_TIMEOUT, NULL);
    rig_close(&rig);
}

static void a_mark_holds_for_one_call(void **state)
{
    struct rig rig;
    device_open(&rig, *state, GM_BYTES);
    for (int mode = RIG_CONCURRENT; mode < RIG_MODES; mode++) {
        call(&rig, (enum rig_mode)mode, HOST_CALLS_FREE_NOTHING, 0, 2);
        rig_expect(&rig, TG_ERR_UNKNOWN_FUNC, "77", NULL);
        CHECK(!strstr(rig.message, "freed_here.c"), "%s", rig.message);
    }
    rig_close(&rig);
}

static void a_plugin_frees_what_it_has_allocated_only(void **state)
{
    struct rig rig;
    device_open(&rig, *state, GM_BYTES);
    call(&rig, RIG_CONCURRENT, HOST_CALLS_FREE_TENSOR, 0, 2);
    rig_expect(&rig, TG_ERR_GLOBAL_MEMORY, "device_free", "is somebody else's", NULL);
    rig_close(&rig);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(kernels_are_added_while_a_run_is_open),
    cmocka_unit_test(a_run_keeps_the_orchestration_that_it_was_opened_with),
    cmocka_unit_test(handles_are_closed_in_any_order),
    cmocka_unit_test(a_late_cancel_leaves_replays_alone),
    cmocka_unit_test(a_mark_holds_for_one_call),
    cmocka_unit_test(a_plugin_frees_what_it_has_allocated_only),
    cmocka_unit_test(calls_of_another_thread_are_refused_on_the_host),
    /* On the virtual device: */
    cmocka_unit_test(a_missing_pointer_is_named),
    cmocka_unit_test(cancelling_reaches_other_schedules),
    cmocka_unit_test(many_tasks_are_published_by_hand),
    cmocka_unit_test(copies_are_no_silence_of_the_plugin),
};
enum { N_TESTS = sizeof tests / sizeof tests[0], N_EVERYWHERE = 7 };

int main(int argc, char **argv) { return devices_run(tests, N_EVERYWHERE, N_TESTS, argc, argv); }
