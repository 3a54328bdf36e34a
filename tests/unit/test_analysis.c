/* analysis.c and cause.c: where the time went, on runs whose answer is known, and laws on runs drawn at random. */
#include "common/check.h"
#include "common/made.h"

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

static const struct tg_analysis *figures(void)
{
    made_index(&made);
    return &made.findings.figures;
}

static void assert_bounds(uint64_t kernel, uint64_t memory, uint64_t dependency, uint64_t scheduler, uint64_t builder)
{
    const uint64_t expected[TG_BOUNDS] = {kernel, memory, dependency, scheduler, builder};
    uint64_t sum = 0;
    for (int i = 0; i < TG_BOUNDS; i++) {
        uint64_t ns = made.findings.figures.bound_ns[i];
        CHECK(ns == expected[i], "%s: %llu ns, expected %llu", tg_bound_name((enum tg_bound)i), (unsigned long long)ns,
              (unsigned long long)expected[i]);
        sum += ns;
    }
    assert_int_equal(sum, made.record.device_ns);
}

/* The path is one piece, from 0 to the end. */
static void assert_no_gap(void)
{
    const struct tg_findings *f = &made.findings;
    uint64_t at = 0;
    for (size_t i = 0; i < f->n_path_parts; i++) {
        assert_int_equal(f->path[i].start_ns, at);
        assert_true(f->path[i].end_ns > at);
        at = f->path[i].end_ns;
    }
    assert_int_equal(at, made.record.device_ns);
}

/* ---- known answers ---- */

static void a_run_without_tasks(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 500);
    made_span(&made, 0, TG_SPAN_BUILD, 100, 450);
    const struct tg_analysis *a = figures();
    assert_bounds(0, 0, 0, 100, 400);
    assert_int_equal(a->bound_by, TG_BOUND_BUILDER);
    assert_int_equal(a->critical_path_ns, 0);
    assert_int_equal(a->n_path, 0);
    assert_int_equal(a->free_control_ns, 0);
    assert_int_equal(a->unlimited_cores_ns, 500);
    assert_true(a->busy[TG_AIC] == 0 && a->busy[TG_AIV] == 0);
}

static void a_run_of_no_time(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 0);
    const struct tg_analysis *a = figures();
    assert_bounds(0, 0, 0, 0, 0);
    assert_int_equal(made.findings.n_path_parts, 0);
    assert_true(a->busy[TG_AIC] == 0 && a->free_memory_ns == 0);
}

/* Two tasks in a chain; every stretch has another length. */
static void a_chain(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 1000);
    made_span(&made, 0, TG_SPAN_BUILD, 7, 120);
    made_task(&made, 0,
              (struct tg_record_task){.func_id = 0,
                                      .published_ns = 100,
                                      .ready_ns = 100,
                                      .dispatched_ns = 111,
                                      .start_ns = 124,
                                      .end_ns = 324,
                                      .complete_ns = 355,
                                      .kernel.memory_wait_ns = 50});
    made_task(&made, 1,
              (struct tg_record_task){.func_id = 1,
                                      .published_ns = 120,
                                      .ready_ns = 372,
                                      .dispatched_ns = 391,
                                      .start_ns = 414,
                                      .end_ns = 914,
                                      .complete_ns = 943});
    made_edge(&made, 0, 1);
    const struct tg_analysis *a = figures();
    /* builder 7..100, ready to start 24 and 42, end to ready 48, end of the run 29 + 57, start of the run 7 */
    assert_bounds(150 + 500, 50, 48, 24 + 42 + 29 + 57 + 7, 93);
    assert_no_gap();
    assert_int_equal(a->bound_by, TG_BOUND_KERNEL);
    assert_int_equal(a->critical_path_ns, 700);
    assert_int_equal(a->kernel_ns, 700);
    assert_int_equal(a->n_path, 2);
    assert_int_equal(made.findings.figures.launch_ns, 57 + 7);
    assert_int_equal(made.findings.kernels[0].path_ns, 200);
    assert_int_equal(made.findings.kernels[0].memory_ns, 50);
    assert_int_equal(made.findings.kernels[1].path_ns, 500);
    assert_int_equal(a->unlimited_cores_ns, 1000);
    assert_int_equal(a->free_control_ns, 700);
    assert_int_equal(a->free_memory_ns, 950);
    assert_true(a->busy[TG_AIC] == 0.2 && a->busy[TG_AIV] == 0.5);
}

/* The second task was ready at once and had to wait until the first gave the only core back. */
static void a_task_that_waits_for_a_core(void **state)
{
    (void)state;
    made_init(&made, 1, 0, 700);
    made_task(&made, 0,
              (struct tg_record_task){
                  .published_ns = 10, .dispatched_ns = 20, .start_ns = 30, .end_ns = 330, .complete_ns = 340});
    made_task(&made, 0,
              (struct tg_record_task){
                  .published_ns = 25, .dispatched_ns = 350, .start_ns = 360, .end_ns = 660, .complete_ns = 680});
    const struct tg_analysis *a = figures();
    /* 10 until published; 20 to start; 30 from the end of one to the start of the other; 40 at the end */
    assert_bounds(600, 0, 0, 20 + 30 + 40, 10);
    assert_no_gap();
    assert_int_equal(a->n_path, 2);
    assert_int_equal(a->critical_path_ns, 300);
    /* with a core of its own the second would be dispatched 10 after it is ready */
    assert_int_equal(a->unlimited_cores_ns, 25 + 10 + 10 + 300 + 20 + 20);
    assert_int_equal(a->free_control_ns, 600);
}

/* The same, but another core of the kind was idle: then it was the scheduler that was waited for. */
static void a_task_that_waits_for_the_scheduler(void **state)
{
    (void)state;
    made_init(&made, 2, 0, 700);
    made_task(&made, 0,
              (struct tg_record_task){
                  .published_ns = 10, .dispatched_ns = 20, .start_ns = 30, .end_ns = 330, .complete_ns = 340});
    made_task(&made, 0,
              (struct tg_record_task){
                  .published_ns = 25, .dispatched_ns = 350, .start_ns = 360, .end_ns = 660, .complete_ns = 680});
    const struct tg_analysis *a = figures();
    assert_bounds(300, 0, 0, 335 + 40, 25);
    assert_int_equal(a->bound_by, TG_BOUND_SCHEDULER);
    assert_int_equal(a->n_path, 1);
    assert_int_equal(a->free_control_ns, 300);
}

/* The other core was idle for a moment between two tasks: still it was a core that was waited for. */
static void a_core_that_is_idle_for_a_moment(void **state)
{
    (void)state;
    made_init(&made, 2, 0, 700);
    made_task(&made, 0, (struct tg_record_task){.published_ns = 10, .end_ns = 340});
    made_task(&made, 1, (struct tg_record_task){.published_ns = 11, .end_ns = 100});
    made_task(&made, 1, (struct tg_record_task){.published_ns = 12, .dispatched_ns = 140, .end_ns = 500});
    made_task(&made, 0, (struct tg_record_task){.published_ns = 13, .dispatched_ns = 350, .end_ns = 700});
    figures();
    assert_bounds(330 + 350, 0, 0, 10, 10);
    assert_int_equal(made.findings.figures.n_path, 2);
}

/* A task that was sent to a core which was still at work. */
static void a_task_that_is_sent_ahead(void **state)
{
    (void)state;
    made_init(&made, 1, 0, 700);
    made_task(&made, 0, (struct tg_record_task){.published_ns = 10, .start_ns = 30, .end_ns = 330, .complete_ns = 400});
    made_task(&made, 0,
              (struct tg_record_task){
                  .published_ns = 20, .dispatched_ns = 100, .start_ns = 335, .end_ns = 635, .complete_ns = 690});
    figures();
    assert_bounds(600, 0, 0, 5 + 20 + 65, 10);
    assert_no_gap();
    const struct tg_core_use *use = &made.findings.cores[0];
    assert_int_equal(use->kernel_ns, 600);
    assert_int_equal(use->control_ns, 20 + 5 + 55);
    assert_int_equal(use->idle_ns, 10 + 10);
}

/* The builder's window was full until the first task was complete. */
static void a_builder_that_waits(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 1000);
    made_span(&made, 0, TG_SPAN_BUILD, 0, 100);
    made_span(&made, 0, TG_SPAN_WINDOW, 100, 430);
    made_span(&made, 0, TG_SPAN_BUILD, 430, 500);
    made_task(&made, 0,
              (struct tg_record_task){
                  .published_ns = 100, .dispatched_ns = 110, .start_ns = 120, .end_ns = 400, .complete_ns = 420});
    made_task(&made, 1,
              (struct tg_record_task){.func_id = 1,
                                      .published_ns = 500,
                                      .dispatched_ns = 510,
                                      .start_ns = 520,
                                      .end_ns = 900,
                                      .complete_ns = 930});
    const struct tg_analysis *a = figures();
    /* the builder: 0 to 100, and from the completion at 420 to 500 */
    assert_bounds(280 + 380, 0, 0, 20 + 20 + 20 + 30 + 70, 100 + 80);
    assert_no_gap();
    assert_int_equal(a->n_path, 2);
    assert_int_equal(a->free_control_ns, 280 + 380); /* its wait stays */
    assert_int_equal(a->critical_path_ns, 380);      /* there is no edge */
}

/* Nothing was dispatched before everything was published. */
static void a_graph_that_is_built_first(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 1000);
    made_span(&made, 0, TG_SPAN_BUILD, 0, 600);
    made_task(&made, 0,
              (struct tg_record_task){
                  .published_ns = 100, .dispatched_ns = 620, .start_ns = 630, .end_ns = 800, .complete_ns = 820});
    made_task(&made, 1,
              (struct tg_record_task){.func_id = 1,
                                      .published_ns = 600,
                                      .dispatched_ns = 615,
                                      .start_ns = 620,
                                      .end_ns = 700,
                                      .complete_ns = 720});
    const struct tg_analysis *a = figures();
    assert_bounds(170, 0, 0, 20 + 10 + 20 + 180, 600);
    assert_int_equal(a->bound_by, TG_BOUND_BUILDER);
    assert_int_equal(a->unlimited_cores_ns, 1000);
}

static void a_graph_that_is_built_on_the_host(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 300);
    made.record.has_builder = false;
    made_task(
        &made, 0,
        (struct tg_record_task){.ready_ns = 5, .dispatched_ns = 50, .start_ns = 60, .end_ns = 260, .complete_ns = 270});
    figures();
    assert_bounds(200, 0, 0, 60 + 10 + 30, 0);
    assert_int_equal(made.findings.figures.launch_ns, 5 + 30);
}

/* A late publication is not blamed on a dependency that was complete before. */
static void a_dependency_that_was_there_already(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 1000);
    made_task(&made, 0, (struct tg_record_task){.published_ns = 10, .end_ns = 110, .complete_ns = 120});
    made_task(&made, 1, (struct tg_record_task){.func_id = 1, .published_ns = 800, .end_ns = 900, .complete_ns = 950});
    made_edge(&made, 0, 1);
    figures();
    assert_bounds(100, 0, 0, 50 + 50, 800);
}

static void edges_of_what_did_not_run_are_left_out(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 100);
    made_task(&made, 0, (struct tg_record_task){.published_ns = 10, .end_ns = 50, .complete_ns = 60});
    made_edge(&made, 7, 0);
    made_edge(&made, 0, 3);
    made_edge(&made, -1, 0);
    figures();
    assert_int_equal(made.index.n_links, 0);
}

static void the_longest_come_first(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {5, 40, 10, 40, 1, 30, 20};
    made_init(&made, 1, 0, 1000);
    for (uint64_t i = 0, at = 10; i < 7; at += lengths[i++])
        made_task(&made, 0, (struct tg_record_task){.published_ns = at, .end_ns = at + lengths[i]});
    figures();
    static const uint32_t expected[] = {1, 3, 5, 6, 2};
    assert_int_equal(made.findings.n_longest, TG_LONGEST_MAX);
    assert_memory_equal(made.findings.longest, expected, sizeof expected);
}

static void pipes_and_threads_add_up(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 1000);
    made_span(&made, 0, TG_SPAN_BUILD, 0, 10);
    made_span(&made, 1, TG_SPAN_POLL, 20, 50);
    made_span(&made, 1, TG_SPAN_POLL, 60, 70);
    made_span(&made, 1, TG_SPAN_DISPATCH, 80, 81);
    made_task(&made, 0,
              (struct tg_record_task){
                  .published_ns = 10, .end_ns = 50, .kernel.pipe_busy_ns = {[PIPE_M] = 7, [PIPE_MTE2] = 9}});
    made_task(&made, 1, (struct tg_record_task){.published_ns = 20, .end_ns = 50, .kernel.pipe_busy_ns[PIPE_V] = 5});
    made_task(&made, 1, (struct tg_record_task){.published_ns = 60, .end_ns = 90, .kernel.pipe_busy_ns[PIPE_V] = 6});
    figures();
    assert_int_equal(made.findings.pipe_ns[TG_AIC][PIPE_M], 7);
    assert_int_equal(made.findings.pipe_ns[TG_AIC][PIPE_MTE2], 9);
    assert_int_equal(made.findings.pipe_ns[TG_AIV][PIPE_V], 11);
    assert_int_equal(made.findings.pipe_ns[TG_AIV][PIPE_M], 0);
    assert_int_equal(made.findings.threads[1].span_ns[TG_SPAN_POLL], 40);
    assert_int_equal(made.findings.threads[1].span_ns[TG_SPAN_DISPATCH], 1);
    assert_int_equal(made.findings.threads[0].span_ns[TG_SPAN_BUILD], 10);
}

static void an_incomplete_record_is_refused(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 100);
    made.record.lost = true;
    assert_int_equal(tg_index_init(&made.index, &made.record), TG_ERR_MEMORY);
    assert_non_null(strstr(tg_last_message(), "incomplete"));
}

/* Times that contradict each other end in some answer, whose parts still add up. */
static void a_record_that_cannot_be(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 100);
    made_task(
        &made, 0,
        (struct tg_record_task){
            .published_ns = 90, .ready_ns = 80, .dispatched_ns = 20, .start_ns = 10, .end_ns = 5, .complete_ns = 400});
    made_task(&made, 0,
              (struct tg_record_task){.published_ns = 1,
                                      .ready_ns = 99,
                                      .dispatched_ns = 20,
                                      .start_ns = 10,
                                      .end_ns = 500,
                                      .complete_ns = 2,
                                      .kernel.memory_wait_ns = 4000000});
    made_edge(&made, 0, 1);
    made_edge(&made, 1, 0);
    made_edge(&made, 1, 1);
    const struct tg_analysis *a = figures();
    uint64_t sum = 0;
    for (int i = 0; i < TG_BOUNDS; i++) sum += a->bound_ns[i];
    assert_int_equal(sum, 100);
}

static void every_bound_has_a_name(void **state)
{
    (void)state;
    static const char *const names[] = {"kernel", "memory", "dependency", "scheduler", "builder"};
    for (int i = 0; i < TG_BOUNDS; i++) assert_string_equal(tg_bound_name((enum tg_bound)i), names[i]);
    assert_string_equal(tg_bound_name((enum tg_bound)TG_BOUNDS), "unknown");
    assert_string_equal(tg_bound_name((enum tg_bound) - 1), "unknown");
}

/* ---- laws ---- */

static void check_laws(uint64_t seed)
{
    made_random(&made, seed);
    const struct tg_analysis *a = figures();
    uint64_t sum = 0, path_kernels = 0;
    for (int i = 0; i < TG_BOUNDS; i++) sum += a->bound_ns[i];
    CHECK(sum == made.record.device_ns, "seed %llu: the parts are not the whole", (unsigned long long)seed);
    assert_no_gap();
    for (int i = 0; i < 4; i++) path_kernels += made.findings.kernels[i].path_ns;
    assert_int_equal(path_kernels, a->bound_ns[TG_BOUND_KERNEL] + a->bound_ns[TG_BOUND_MEMORY]);
    CHECK(a->critical_path_ns <= a->device_ns && a->critical_path_ns <= a->kernel_ns, "seed %llu: a chain of %llu ns",
          (unsigned long long)seed, (unsigned long long)a->critical_path_ns);
    for (uint32_t i = 0; i < made.record.n_cores; i++) {
        const struct tg_core_use *use = &made.findings.cores[i];
        assert_int_equal(use->kernel_ns + use->memory_ns + use->control_ns + use->idle_ns, made.record.device_ns);
    }
    CHECK(a->unlimited_cores_ns <= a->device_ns && a->free_control_ns <= a->device_ns &&
              a->free_memory_ns <= a->device_ns,
          "seed %llu: slower without waiting", (unsigned long long)seed);
    CHECK(a->critical_path_ns <= a->free_control_ns && a->critical_path_ns <= a->unlimited_cores_ns,
          "seed %llu: faster than its longest chain", (unsigned long long)seed);
    made_fini(&made);
}

static void laws_of_random_runs(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) check_laws(seed);
    made_init(&made, 1, 1, 0); /* for release */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_run_without_tasks, clear, release),
        cmocka_unit_test_setup_teardown(a_run_of_no_time, clear, release),
        cmocka_unit_test_setup_teardown(a_chain, clear, release),
        cmocka_unit_test_setup_teardown(a_task_that_waits_for_a_core, clear, release),
        cmocka_unit_test_setup_teardown(a_task_that_waits_for_the_scheduler, clear, release),
        cmocka_unit_test_setup_teardown(a_core_that_is_idle_for_a_moment, clear, release),
        cmocka_unit_test_setup_teardown(a_task_that_is_sent_ahead, clear, release),
        cmocka_unit_test_setup_teardown(a_builder_that_waits, clear, release),
        cmocka_unit_test_setup_teardown(a_graph_that_is_built_first, clear, release),
        cmocka_unit_test_setup_teardown(a_graph_that_is_built_on_the_host, clear, release),
        cmocka_unit_test_setup_teardown(a_dependency_that_was_there_already, clear, release),
        cmocka_unit_test_setup_teardown(edges_of_what_did_not_run_are_left_out, clear, release),
        cmocka_unit_test_setup_teardown(the_longest_come_first, clear, release),
        cmocka_unit_test_setup_teardown(pipes_and_threads_add_up, clear, release),
        cmocka_unit_test_setup_teardown(an_incomplete_record_is_refused, clear, release),
        cmocka_unit_test_setup_teardown(a_record_that_cannot_be, clear, release),
        cmocka_unit_test(every_bound_has_a_name),
        cmocka_unit_test_setup_teardown(laws_of_random_runs, clear, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
