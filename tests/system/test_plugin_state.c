/* Each launch finds the plugin as it was after opening, whether it stays open between launches or not. */
#include <string.h>

#include "common/check.h"
#include "common/rig.h"

enum { N_COUNTS = 6, FAILS = 5 };

static int64_t counts[N_COUNTS];

/* One launch. Nothing of an earlier one may be counted. */
static void launch(struct rig *rig, const char *name, const char *when)
{
    memset(counts, 0, sizeof counts);
    const struct tg_tensor tensor = {"counts", counts, sizeof counts, N_COUNTS, TG_INOUT};
    CHECK(rig_run(rig, &tensor, 1) == TG_OK, "%s, %s: %s", name, when, rig->message);
    for (int i = 0; i < FAILS; i++)
        CHECK(counts[i] == 0, "%s, %s: state %d has seen %lld launches", name, when, i, (long long)counts[i]);
}

static void launch_that_fails(struct rig *rig)
{
    memset(counts, 0, sizeof counts);
    counts[FAILS] = 1;
    const struct tg_tensor tensor = {"counts", counts, sizeof counts, N_COUNTS, TG_INOUT};
    rig_run(rig, &tensor, 1);
    rig_expect(rig, TG_ERR_ORCHESTRATION, NULL);
}

static void launch_many(struct rig *rig, const char *name)
{
    rig_plugin(rig, rig_module(name), "orchestration");
    launch(rig, name, "first");
    launch(rig, name, "second");
    launch(rig, name, "third");
    launch_that_fails(rig);
    launch(rig, name, "after a failure");
    rig->config.check = tg_device_workers(rig->device) == 0;
    launch(rig, name, "checked");
    rig->config.check = false;
    launch(rig, name, "after a checked one");
}

static const char *const names[] = {"remembers_variables", "remembers_thread", "remembers_constructor"};

static void each_launch_finds_a_fresh_plugin(void **state)
{
    (void)state;
    for (size_t platform = 0; platform < 3; platform++)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            struct rig rig;
            if (platform == 0) rig_open(&rig, 1 << 20);
            else rig_open_workers(&rig, (uint32_t)platform, 1 << 20);
            launch_many(&rig, names[i]);
            rig_close(&rig);
        }
}

/* Two runs that are open at the same time have a plugin each. */
static void open_runs_share_no_plugin(void **state)
{
    (void)state;
    struct rig rig;
    struct tg_run *runs[2];
    int64_t both[2][N_COUNTS] = {{0}};
    rig_open_workers(&rig, 1, 1 << 20);
    rig_plugin(&rig, rig_module("remembers_variables"), "orchestration");
    for (int i = 0; i < 2; i++) {
        const struct tg_tensor tensor = {"counts", both[i], sizeof both[i], N_COUNTS, TG_INOUT};
        assert_int_equal(tg_run_open(rig.program, &rig.config, &tensor, 1, &runs[i]), TG_OK);
    }
    for (int i = 0; i < 2; i++) assert_int_equal(tg_run_wait(runs[i]), TG_OK);
    for (int i = 0; i < 2; i++) tg_run_close(runs[i]);
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < FAILS; k++) assert_int_equal(both[i][k], 0);
    launch(&rig, "remembers_variables", "after both");
    rig_close(&rig);
}

/* A plugin that is replaced while a run with it is open is not used again. */
static void a_replaced_plugin_is_gone(void **state)
{
    (void)state;
    struct rig rig;
    struct tg_run *run;
    rig_open_workers(&rig, 1, 1 << 20);
    rig_plugin(&rig, rig_module("remembers_variables"), "orchestration");
    memset(counts, 0, sizeof counts);
    const struct tg_tensor tensor = {"counts", counts, sizeof counts, N_COUNTS, TG_INOUT};
    assert_int_equal(tg_run_open(rig.program, &rig.config, &tensor, 1, &run), TG_OK);
    rig_plugin(&rig, rig_module("remembers_thread"), "orchestration");
    assert_int_equal(tg_run_wait(run), TG_OK);
    tg_run_close(run);
    launch(&rig, "remembers_thread", "after the other");
    rig_close(&rig);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_launch_finds_a_fresh_plugin),
                                       cmocka_unit_test(open_runs_share_no_plugin),
                                       cmocka_unit_test(a_replaced_plugin_is_gone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
