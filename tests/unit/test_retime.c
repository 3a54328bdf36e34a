/* retime.c: a run timed again as it was takes as long as it did, and less with something taken away. */
#include "common/check.h"
#include "common/made.h"
#include "trace/retime.h"

static struct made made;

static int clear(void **state)
{
    (void)state;
    memset(&made, 0, sizeof made);
    return 0;
}

static int release(void **state)
{
    (void)state;
    made_fini(&made);
    return 0;
}

static uint64_t retime(struct tg_retime without)
{
    struct tg_causes causes;
    uint64_t ns = 0;
    assert_int_equal(tg_causes_init(&causes, &made.index), TG_OK);
    assert_int_equal(tg_retime(&made.index, &causes, &without, &ns), TG_OK);
    tg_causes_fini(&causes);
    return ns;
}

static void as_it_was(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        made_random(&made, seed);
        made_index(&made);
        uint64_t again = retime((struct tg_retime){0});
        CHECK(again == made.record.device_ns, "seed %llu: %llu ns, not %llu", (unsigned long long)seed,
              (unsigned long long)again, (unsigned long long)made.record.device_ns);
        made_fini(&made);
    }
    made_init(&made, 1, 1, 0);
}

/* Removing more waits never makes a run slower, as far as no task is scheduled anew. */
static void less_is_never_more(void **state)
{
    (void)state;
    for (uint64_t seed = 1000; seed < 1200; seed++) {
        made_random(&made, seed);
        made_index(&made);
        uint64_t ns[8];
        for (unsigned k = 0; k < 8; k++)
            ns[k] = retime((struct tg_retime){.unlimited_cores = k & 1, .free_memory = k & 2, .free_control = k & 4});
        for (unsigned k = 0; k < 8; k++)
            CHECK(ns[k] <= made.record.device_ns, "seed %llu without %u: %llu ns of %llu", (unsigned long long)seed, k,
                  (unsigned long long)ns[k], (unsigned long long)made.record.device_ns);
        assert_true(ns[1] >= ns[3] && ns[2] >= ns[3] && ns[1] >= ns[5] && ns[5] >= ns[7] && ns[3] >= ns[7]);
        made_fini(&made);
    }
    made_init(&made, 1, 1, 0);
}

/* Without waiting for anything but kernels, the rest is the longest chain; here without waits of the builder. */
static void only_kernels(void **state)
{
    (void)state;
    for (uint64_t seed = 2000; seed < 2100; seed++) {
        made_random(&made, seed);
        made.record.n_spans = 0;
        made_index(&made);
        assert_int_equal(retime((struct tg_retime){.unlimited_cores = true, .free_control = true}),
                         made.findings.figures.critical_path_ns);
        made_fini(&made);
    }
    made_init(&made, 1, 1, 0);
}

/* Four tasks of 100 ns that nothing connects, on one core of two because the builder was slow: with free control both
 * cores take two. */
static void free_control_uses_every_core(void **state)
{
    (void)state;
    made_init(&made, 2, 0, 2000);
    for (uint64_t i = 0; i < 4; i++)
        made_task(&made, 0, (struct tg_record_task){.published_ns = 400 * i + 100, .end_ns = 400 * i + 200});
    made_index(&made);
    assert_int_equal(retime((struct tg_retime){.free_control = true}), 200);
    assert_int_equal(retime((struct tg_retime){.free_control = true, .unlimited_cores = true}), 100);
    assert_int_equal(retime((struct tg_retime){.unlimited_cores = true}), 2000);
}

/* First come, first served may be worse than what was; then what was, without its latencies, is the answer: a long task
 * that came last had been given a core of its own. */
static void an_anomaly_is_not_slower(void **state)
{
    (void)state;
    made_init(&made, 2, 0, 110);
    for (uint64_t i = 0; i < 4; i++)
        made_task(&made, 0,
                  (struct tg_record_task){.published_ns = 1, .dispatched_ns = 1 + 25 * i, .end_ns = 26 + 25 * i});
    made_task(&made, 1, (struct tg_record_task){.published_ns = 1, .dispatched_ns = 1, .end_ns = 101});
    made_index(&made);
    assert_int_equal(retime((struct tg_retime){.free_control = true}), 100); /* served in order it would be 150 */
}

/* A core that was idle in the record may not be so when everything comes earlier. */
static void one_core_runs_one_task_at_a_time(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 400);
    made_task(&made, 0, (struct tg_record_task){.published_ns = 1, .end_ns = 101, .kernel.memory_wait_ns = 80});
    made_task(&made, 1, (struct tg_record_task){.published_ns = 2, .end_ns = 102, .func_id = 1});
    made_task(&made, 1, (struct tg_record_task){.published_ns = 3, .ready_ns = 110, .end_ns = 210, .func_id = 1});
    made_edge(&made, 0, 2);
    made_index(&made);
    /* task 2 could start at 30, but its core is taken until 102 */
    assert_int_equal(retime((struct tg_retime){.free_memory = true}), 102 + 100 + 190);
}

/* Two control threads whose clocks are a little apart: one saw a task complete after the other saw its successor
 * ready. */
static void clocks_that_are_apart(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 300);
    made_task(&made, 0, (struct tg_record_task){.published_ns = 1, .end_ns = 90, .complete_ns = 120});
    made_task(&made, 1, (struct tg_record_task){.func_id = 1, .published_ns = 2, .ready_ns = 110, .end_ns = 210});
    made_edge(&made, 0, 1);
    made_index(&made);
    assert_int_equal(retime((struct tg_retime){0}), 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(as_it_was, clear, release),
        cmocka_unit_test_setup_teardown(less_is_never_more, clear, release),
        cmocka_unit_test_setup_teardown(only_kernels, clear, release),
        cmocka_unit_test_setup_teardown(free_control_uses_every_core, clear, release),
        cmocka_unit_test_setup_teardown(an_anomaly_is_not_slower, clear, release),
        cmocka_unit_test_setup_teardown(one_core_runs_one_task_at_a_time, clear, release),
        cmocka_unit_test_setup_teardown(clocks_that_are_apart, clear, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
