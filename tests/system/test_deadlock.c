/*
 * A verdict on every graph that cannot move, soon and with names, and on no graph that can: cycles, unpublished tasks,
 * builders that wait for what cannot come, full windows, and random graphs. On every device.
 */
#include <stdlib.h>
#include <time.h>

#include "common/check.h"
#include "common/devices.h"
#include "common/random.h"
#include "common/random_graph.h"
#include "common/script.h"

#define GM_BYTES (256ull << 20)

static struct rig rig;
static const struct device *device;

static int open_rig(void **state)
{
    device = *state;
    device_open(&rig, device, GM_BYTES);
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&rig);
    return 0;
}

/* Of this process: what else the computer does does not count. */
static double processor_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- cycles ------------------------------------------------------------------------------------------------------ */

/* `length` tasks in a circle, and `n_behind` that wait for one of them. */
static void write_cycle(struct script *s, int length, int n_behind)
{
    for (int i = 0; i < length + n_behind; i++) script_visit(s, i % 2 ? TG_AIC : TG_AIV, 0, 0, NULL);
    for (int i = 0; i < length; i++) script_edge(s, i, (i + 1) % length);
    for (int i = 0; i < n_behind; i++) script_edge(s, i % length, length + i);
    for (int i = 0; i < length + n_behind; i++) script_publish(s, i);
}

static void a_cycle_is_named(void **state)
{
    (void)state;
    static const int lengths[] = {2, 3, 7, 1000};
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        script_load(&rig, mode);
        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            struct script s;
            char length[64], behind[64];
            script_init(&s);
            write_cycle(&s, lengths[i], 3);
            script_run(&rig, &s);
            snprintf(length, sizeof length, "a cycle of %d tasks", lengths[i]);
            snprintf(behind, sizeof behind, "%d tasks cannot run", lengths[i] + 3);
            rig_expect(&rig, TG_ERR_DEADLOCK_CYCLE, length, behind, "(visit, " SCRIPT_FILE ":", "waits for", NULL);
            script_fini(&s);
        }
        script_prove(&rig, mode);
    }
}

/* The rest of the graph runs to its end before it is judged. */
static void what_can_run_has_run_when_a_cycle_is_judged(void **state)
{
    (void)state;
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        struct script s;
        script_init(&s);
        struct random_graph graph = {.n_tasks = 200, .unpublished = -1, .cycle = 5};
        random_graph_write(&s, &graph, 7);
        script_load(&rig, mode);
        script_run(&rig, &s);
        rig_expect(&rig, TG_ERR_DEADLOCK_CYCLE, "a cycle of 5 tasks", "5 tasks cannot run", NULL);
        script_fini(&s);
    }
}

/* ---- unpublished ------------------------------------------------------------------------------------------------- */

static void an_unpublished_task_is_named(void **state)
{
    (void)state;
    for (enum rig_mode mode = RIG_CONCURRENT; mode <= RIG_SEQUENTIAL; mode++) {
        struct script s;
        script_init(&s);
        for (int i = 0; i < 10; i++) script_visit(&s, TG_AIV, 0, 0, NULL);
        for (int i = 1; i < 10; i++) script_edge(&s, i - 1, i);
        for (int i = 0; i < 10; i++)
            if (i != 4) script_publish(&s, i);
        script_load(&rig, mode);
        script_run(&rig, &s);
        rig_expect(&rig, TG_ERR_DEADLOCK_UNPUBLISHED, "1 of 6 unfinished tasks", "task 4 (visit, " SCRIPT_FILE ":5)",
                   "5 published tasks wait behind", NULL);
        script_fini(&s);
        script_prove(&rig, mode);
    }
}

static void the_host_publishes_what_the_plugin_did_not(void **state)
{
    (void)state;
    struct script s;
    script_init(&s);
    int a = script_visit(&s, TG_AIV, 0, 0, NULL), b = script_visit(&s, TG_AIV, 0, 1, &a);
    script_edge(&s, a, b);
    script_load(&rig, RIG_HOST);
    script_run(&rig, &s);
    rig_expect(&rig, TG_OK, NULL);
    assert_int_equal(script_disorder(&s), 0);
    script_fini(&s);
}

/* ---- the builder waits ------------------------------------------------------------------------------------------- */

static void waiting_for_an_unpublished_task_is_named(void **state)
{
    (void)state;
    struct script s;
    script_init(&s);
    int a = script_visit(&s, TG_AIV, 0, 0, NULL), b = script_visit(&s, TG_AIV, 0, 0, NULL);
    script_edge(&s, a, b);
    script_publish(&s, b);
    script_wait(&s, b);
    script_publish(&s, a);
    script_load(&rig, RIG_CONCURRENT);
    script_run(&rig, &s);
    rig_expect(&rig, TG_ERR_DEADLOCK_WAIT, "waits for task 1", "task 0 (visit, " SCRIPT_FILE ":1)", "never published",
               NULL);
    script_fini(&s);
    script_prove(&rig, RIG_CONCURRENT);
}

static void waiting_for_a_cycle_is_named(void **state)
{
    (void)state;
    struct script s;
    script_init(&s);
    write_cycle(&s, 4, 1);
    script_wait(&s, 4);
    script_load(&rig, RIG_CONCURRENT);
    script_run(&rig, &s);
    rig_expect(&rig, TG_ERR_DEADLOCK_WAIT, "waits for task 4", "a cycle of 4 tasks", NULL);
    script_fini(&s);
}

/* A task that fails is not a deadlock of what waits behind it. */
static void an_edge_from_a_failed_task_is_no_deadlock(void **state)
{
    (void)state;
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        struct script s;
        script_init(&s);
        int failing = script_add(&s, SCRIPT_HOSTILE_AIV, TG_AIV, 2, (int64_t[]){102, 0}); /* a tile that is nowhere */
        int behind = script_visit(&s, TG_AIV, 0, 0, NULL);
        script_edge(&s, failing, behind);
        script_publish(&s, behind);
        script_publish(&s, failing);
        if (mode == RIG_CONCURRENT) script_wait(&s, behind);
        script_load(&rig, mode);
        script_run(&rig, &s);
        rig_expect(&rig, TG_ERR_TILE, "task 0 (hostile, " SCRIPT_FILE ":1)", "1 tasks wait for it", NULL);
        script_fini(&s);
        script_prove(&rig, mode);
    }
}

static void a_builder_sees_what_the_task_wrote_that_it_waited_for(void **state)
{
    (void)state;
    struct script s;
    script_init(&s);
    for (int i = 0; i < 200; i++) {
        script_publish(&s, script_visit(&s, i % 2 ? TG_AIC : TG_AIV, i % 7, 0, NULL));
        script_wait(&s, i);
        script_expect(&s, i, 1);
    }
    script_load(&rig, RIG_CONCURRENT);
    script_run(&rig, &s);
    rig_expect(&rig, TG_OK, NULL);
    script_fini(&s);
}

/* ---- the window -------------------------------------------------------------------------------------------------- */

/* n tasks that all wait for one that is published last. */
static void write_fan(struct script *s, int n)
{
    int last = script_visit(s, TG_AIV, 0, 0, NULL);
    for (int i = 0; i < n; i++) {
        int task = script_visit(s, TG_AIC, 0, 1, &last);
        script_edge(s, last, task);
        script_publish(s, task);
    }
    script_publish(s, last);
}

static void a_window_that_is_too_small_grows(void **state)
{
    (void)state;
    static const uint32_t windows[] = {1, 2, 4, 100};
    script_load(&rig, RIG_CONCURRENT);
    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        struct script s;
        script_init(&s);
        write_fan(&s, 500);
        rig.config.window = windows[i];
        script_run(&rig, &s);
        rig_expect(&rig, TG_OK, NULL);
        assert_int_equal(script_disorder(&s), 0);
        CHECK(rig.result.window >= 500, "the window is %u", rig.result.window);
        script_fini(&s);
    }
    tg_run_config_init(&rig.config);
}

static void a_window_that_is_large_enough_stays(void **state)
{
    (void)state;
    struct script s;
    script_init(&s);
    for (int i = 0; i < 3000; i++) {
        int before = i - 1, task = script_visit(&s, TG_AIV, 0, i > 0, &before);
        if (i > 0) script_edge(&s, before, task);
        script_publish(&s, task);
    }
    script_load(&rig, RIG_CONCURRENT);
    rig.config.window = 4;
    script_run(&rig, &s);
    rig_expect(&rig, TG_OK, NULL);
    assert_int_equal(script_disorder(&s), 0);
    assert_int_equal(rig.result.window, 4);
    tg_run_config_init(&rig.config);
    script_fini(&s);
}

/* A full window and a cycle: the window grows as long as that helps, and then the cycle is named. */
static void a_cycle_behind_a_full_window_is_named(void **state)
{
    (void)state;
    struct script s;
    script_init(&s);
    write_cycle(&s, 50, 50);
    script_load(&rig, RIG_CONCURRENT);
    rig.config.window = 4;
    script_run(&rig, &s);
    rig_expect(&rig, TG_ERR_DEADLOCK_CYCLE, "a cycle of 50 tasks", NULL);
    tg_run_config_init(&rig.config);
    script_fini(&s);
}

/* ---- size -------------------------------------------------------------------------------------------------------- */

/* A second is meant; slow computers get more. */
#define LIMIT_S (TEST_ASAN || TEST_TSAN || TG_TEST_EMULATOR[0] ? 30.0 : 2.0)

static void large_graph(enum rig_mode mode, bool cycle)
{
    enum { N = 100000 };
    struct script s;
    script_init(&s);
    for (int i = 0; i < N; i++) script_visit(&s, i % 3 ? TG_AIV : TG_AIC, 0, 0, NULL);
    for (int i = 1; i < N; i++) script_edge(&s, i - 1, i);
    if (cycle) script_edge(&s, N - 1, N / 2);
    for (int i = 0; i < N; i++)
        if (cycle || i != 1) script_publish(&s, i);
    script_load(&rig, mode);
    rig.config.window = 2 * N;
    double start = processor_s();
    script_run(&rig, &s);
    double took = processor_s() - start;
    rig_expect(&rig, cycle ? TG_ERR_DEADLOCK_CYCLE : TG_ERR_DEADLOCK_UNPUBLISHED,
               cycle ? "a cycle of 50000 tasks" : "1 of 99999 unfinished tasks", NULL);
    print_message("    %s, %s: %.3f s\n", rig_mode_names[mode], cycle ? "cycle" : "unpublished", took);
    CHECK(took < LIMIT_S, "the verdict took %.1f s", took);
    tg_run_config_init(&rig.config);
    script_fini(&s);
}

static void a_graph_of_100000_tasks_is_judged_soon(void **state)
{
    (void)state;
    large_graph(RIG_CONCURRENT, true);
    large_graph(RIG_CONCURRENT, false);
    large_graph(RIG_SEQUENTIAL, true);
    large_graph(RIG_SEQUENTIAL, false);
    large_graph(RIG_HOST, true);
}

/* ---- random graphs ----------------------------------------------------------------------------------------------- */

/* Run a graph in one of all combinations of cores, threads, modes and schedules; workers make their own schedule. */
static void run_random(struct script *s, uint64_t seed, uint64_t *random)
{
    rig.config.block_dim = 1 + (uint32_t)random_below(random, 24);
    rig.config.aicpu_thread_num = 2 + (uint32_t)random_below(random, 3);
    rig.config.schedule_seed = random_chance(random, 30) || !device_is_virtual(device) ? 0 : seed + 1;
    rig.config.window = random_chance(random, 50) ? 1 + (uint32_t)random_below(random, 50) : 16384;
    rig.config.record = random_chance(random, 30);
    script_run(&rig, s);
}

#define DESCRIBE                                                                                                       \
    "seed %llu, %s, %s, block_dim %u, %u threads, window %u, schedule seed %llu: %s: %s", (unsigned long long)seed,    \
        device->name, rig_mode_names[mode], rig.config.block_dim, rig.config.aicpu_thread_num, rig.config.window,      \
        (unsigned long long)rig.config.schedule_seed, tg_status_name(rig.status), rig.message

static void random_right(enum rig_mode mode, uint64_t seed)
{
    uint64_t random = seed;
    struct script s;
    script_init(&s);
    struct random_graph graph = {
        .n_tasks = 1 + random_below(&random, 300), .may_wait = mode == RIG_CONCURRENT, .unpublished = -1, .cycle = -1};
    random_graph_write(&s, &graph, seed);
    run_random(&s, seed, &random);
    CHECK(rig.status == TG_OK, DESCRIBE);
    CHECK(script_disorder(&s) == 0, DESCRIBE);
    CHECK(rig.result.n_tasks == (uint64_t)s.n_tasks && rig.result.n_edges == s.n_edges, DESCRIBE);
    script_fini(&s);
}

static void random_wrong(enum rig_mode mode, uint64_t seed)
{
    uint64_t random = seed;
    struct script s;
    script_init(&s);
    int n_tasks = 1 + random_below(&random, 300);
    bool cycle = mode == RIG_HOST || random_chance(&random, 50);
    struct random_graph graph = {.n_tasks = n_tasks,
                                 .unpublished = cycle ? -1 : random_below(&random, n_tasks),
                                 .cycle = cycle ? 2 + random_below(&random, 30) : -1};
    random_graph_write(&s, &graph, seed);
    run_random(&s, seed, &random);
    CHECK(rig.status == (cycle ? TG_ERR_DEADLOCK_CYCLE : TG_ERR_DEADLOCK_UNPUBLISHED), DESCRIBE);
    char part[64];
    if (cycle) snprintf(part, sizeof part, "a cycle of %d tasks", graph.cycle);
    else snprintf(part, sizeof part, "task %d (", graph.unpublished);
    CHECK(strstr(rig.message, part), DESCRIBE);
    script_fini(&s);
}

/* TG_TEST_SEED=n begins with another graph, TG_TEST_GRAPHS=n takes more of them. */
static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void each_random(void (*run)(enum rig_mode mode, uint64_t seed))
{
    const bool slow = TEST_ASAN || TEST_TSAN;
    const uint64_t usual = device_is_virtual(device) ? (slow ? 60 : 400) : (slow ? 20 : 60);
    uint64_t first = setting("TG_TEST_SEED", 1), n = setting("TG_TEST_GRAPHS", usual);
    print_message("    seeds %llu to %llu\n", (unsigned long long)first, (unsigned long long)(first + n - 1));
    for (enum rig_mode mode = 0; mode < RIG_MODES; mode++) {
        script_load(&rig, mode);
        for (uint64_t seed = first; seed < first + n; seed++) run(mode, seed);
    }
    tg_run_config_init(&rig.config);
}

static void random_graphs_that_can_move_run_in_order(void **state)
{
    (void)state;
    each_random(random_right);
}

static void random_graphs_that_cannot_move_are_named(void **state)
{
    (void)state;
    each_random(random_wrong);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

static const struct CMUnitTest tests[] = {
    TEST(a_cycle_is_named),
    TEST(what_can_run_has_run_when_a_cycle_is_judged),
    TEST(an_unpublished_task_is_named),
    TEST(the_host_publishes_what_the_plugin_did_not),
    TEST(waiting_for_an_unpublished_task_is_named),
    TEST(waiting_for_a_cycle_is_named),
    TEST(an_edge_from_a_failed_task_is_no_deadlock),
    TEST(a_builder_sees_what_the_task_wrote_that_it_waited_for),
    TEST(a_window_that_is_too_small_grows),
    TEST(a_window_that_is_large_enough_stays),
    TEST(a_cycle_behind_a_full_window_is_named),
    TEST(a_graph_of_100000_tasks_is_judged_soon),
    TEST(random_graphs_that_can_move_run_in_order),
    TEST(random_graphs_that_cannot_move_are_named),
};

int main(int argc, char **argv)
{
    const size_t n = sizeof tests / sizeof tests[0];
    return devices_run(tests, n, n, argc, argv);
}
