/*
 * Platform cpu, with 1, 2 and 16 workers. These tests cover what differs from the virtual device: the same bytes,
 * cancelling, replays, several graphs at once. Common properties are in tests that run on both.
 *
 * Graphs are drawn; TG_TEST_SEED chooses others, and the seed is printed.
 */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/check.h"
#include "common/flagship.h"
#include "common/random.h"
#include "common/random_graph.h"
#include "common/script.h"

#define GM_BYTES (256ull << 20)

static const uint32_t worker_counts[] = {1, 2, 16};
enum { N_COUNTS = sizeof worker_counts / sizeof worker_counts[0] };

static uint64_t test_seed(void)
{
    const char *text = getenv("TG_TEST_SEED");
    const uint64_t seed = text ? strtoull(text, NULL, 10) : 20260701;
    print_message("    seed %llu (TG_TEST_SEED)\n", (unsigned long long)seed);
    return seed;
}

/* ---- right results ----------------------------------------------------------------------------------------------- */

static void any_number_of_workers_gives_the_same_bytes(void **state)
{
    (void)state;
    struct pa_problem first;
    flagship_draw(&first, "ragged", 7);
    for (int k = 0; k < N_COUNTS; k++) {
        struct rig rig;
        rig_open_workers(&rig, worker_counts[k], GM_BYTES);
        rig.config.reproducible = true;
        flagship_load(&rig, RIG_CONCURRENT, NULL);
        struct pa_problem problem;
        flagship_draw(&problem, "ragged", 7);
        flagship_run(&rig, k == 0 ? &first : &problem);
        flagship_expect_right(&rig, k == 0 ? &first : &problem);
        if (k > 0) assert_memory_equal(first.out, problem.out, flagship_out_bytes(&problem));
        pa_problem_free(&problem);
        rig_close(&rig);
    }
    pa_problem_free(&first);
}

/* On every instruction set of this computer. */
static void a_reproducible_run_has_the_bytes_of_a2a3sim(void **state)
{
    (void)state;
    static const char *const cases[] = {"ragged", "gqa", "fp16", "bf16", "large-scores"};
    static const char *const isas[] = {"portable", "avx2", "avx512", "avx512bf16", "amx"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pa_problem expected, problem;
        struct rig rig;
        rig_open(&rig, GM_BYTES);
        flagship_load(&rig, RIG_CONCURRENT, NULL);
        flagship_draw(&expected, cases[i], 7);
        flagship_run(&rig, &expected);
        flagship_expect_right(&rig, &expected);
        rig_close(&rig);
        for (size_t k = 0; k < sizeof isas / sizeof isas[0]; k++) {
            setenv("TG_ISA", isas[k], 1);
            rig_open_workers(&rig, 2, GM_BYTES);
            unsetenv("TG_ISA");
            rig.config.reproducible = true;
            flagship_load(&rig, RIG_CONCURRENT, NULL);
            flagship_draw(&problem, cases[i], 7);
            flagship_run(&rig, &problem);
            flagship_expect_right(&rig, &problem);
            assert_memory_equal(expected.out, problem.out, flagship_out_bytes(&problem));
            pa_problem_free(&problem);
            rig_close(&rig);
        }
        pa_problem_free(&expected);
    }
}

/* Tasks that store what they find in on-chip memory: NaN, but only if it is asked for. */
static int n_that_found_nothing(struct rig *rig, bool reproducible)
{
    enum { N = 6 };
    struct script s;
    script_init(&s);
    for (int i = 0; i < N; i++) {
        const int64_t args[] = {i};
        script_publish(&s, script_add(&s, SCRIPT_VISIT_AIV, TG_AIV, 1, args));
    }
    rig_clear(rig);
    rig_kernel(rig, SCRIPT_VISIT_AIV, TG_AIV, "left", rig_module("kernel_left"));
    rig_plugin(rig, rig_module("script"), "orchestration");
    rig_set_mode(rig, RIG_CONCURRENT);
    rig->config.reproducible = reproducible;
    script_run(rig, &s);
    rig_expect(rig, TG_OK, NULL);
    int n = 0;
    for (int i = 0; i < 8 * N; i++) {
        float value;
        memcpy(&value, &s.data[i], sizeof value);
        n += isnan(value) != 0;
    }
    script_fini(&s);
    return n;
}

static void reproducible_tasks_find_nothing_of_others(void **state)
{
    (void)state;
    struct rig rig;
    rig_open_workers(&rig, 1, GM_BYTES);
    assert_int_equal(n_that_found_nothing(&rig, false), 8); /* fresh memory, the first task's */
    assert_int_equal(n_that_found_nothing(&rig, true), 48);
    assert_int_equal(n_that_found_nothing(&rig, false), 0);
    assert_int_equal(n_that_found_nothing(&rig, true), 48);
    rig_close(&rig);
}

/* ---- cancelling -------------------------------------------------------------------------------------------------- */

struct cancel {
    struct tg_run *run;
    uint32_t after_us;
};

static void *cancel_soon(void *arg)
{
    const struct cancel *cancel = arg;
    const struct timespec delay = {.tv_nsec = (long)cancel->after_us * 1000};
    nanosleep(&delay, NULL);
    tg_run_cancel(cancel->run);
    return NULL;
}

/* A chain of tasks that takes longer than anybody waits for. */
static void write_long(struct script *s)
{
    for (int i = 0; i < 400; i++) {
        int before = i - 1;
        script_visit(s, TG_AIV, 20000, i > 0 ? 1 : 0, &before);
        if (i > 0) script_edge(s, i - 1, i);
        script_publish(s, i);
    }
    script_wait(s, 399);
}

static void a_run_can_be_cancelled_from_another_thread(void **state)
{
    (void)state;
    for (int k = 0; k < N_COUNTS; k++) {
        struct rig rig;
        struct script s;
        rig_open_workers(&rig, worker_counts[k], GM_BYTES);
        script_init(&s);
        write_long(&s);
        script_op(&s, SCRIPT_END, 0);
        script_load(&rig, RIG_CONCURRENT);
        uint32_t data[400] = {0};
        const struct tg_tensor tensors[] = {{"script", s.words, s.n_words * sizeof *s.words, s.n_words, TG_IN},
                                            {"data", data, sizeof data, 400, TG_INOUT}};
        struct cancel cancel = {.after_us = 1000};
        assert_int_equal(tg_run_open(rig.program, &rig.config, tensors, 2, &cancel.run), TG_OK);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
        enum tg_status status = tg_run_wait(cancel.run);
        CHECK(status == TG_ERR_CANCELLED, "%s: %s", tg_status_name(status), tg_last_message());
        pthread_join(thread, NULL);
        tg_run_close(cancel.run);
        for (int i = 0; i < 400; i++) assert_int_equal(data[i], 0); /* outputs are untouched */
        script_prove(&rig, RIG_CONCURRENT);
        script_fini(&s);
        rig_close(&rig);
    }
}

/* ---- the window -------------------------------------------------------------------------------------------------- */

/* Not three quarters of it, and not less what workers have not counted yet. */
static void all_of_a_window_can_be_used(void **state)
{
    (void)state;
    for (int k = 1; k < N_COUNTS; k++) {
        struct rig rig;
        uint32_t words[64] = {0};
        const struct tg_tensor tensor = {"words", words, sizeof words, 64, TG_INOUT};
        rig_open_workers(&rig, worker_counts[k], GM_BYTES);
        rig_kernel(&rig, 0, TG_AIV, "hold", rig_module("kernel_hold"));
        rig_plugin(&rig, rig_module("window_hold"), "orchestration");
        rig_set_mode(&rig, RIG_CONCURRENT);
        rig.config.kernel_limit_ms = 20000;
        rig.config.window = 8;
        rig_run(&rig, &tensor, 1);
        rig_expect(&rig, TG_OK, NULL);
        assert_int_equal(words[2], 1); /* the plugin had ended before the task did */
        assert_int_equal(rig.result.window, 8);
        rig_close(&rig);
    }
}

/* ---- replays ----------------------------------------------------------------------------------------------------- */

/* Other inputs in the same tensors, and the same graph. */
static void replay_flagship(struct rig *rig)
{
    struct pa_problem problem, other;
    struct tg_tensor tensors[FLAGSHIP_TENSORS];
    struct tg_run *run;
    flagship_load(rig, RIG_SEQUENTIAL, NULL);
    flagship_draw(&problem, "ragged", 7);
    flagship_tensors(&problem, tensors);
    rig->config.keep = true;
    assert_int_equal(tg_run_open(rig->program, &rig->config, tensors, FLAGSHIP_TENSORS, &run), TG_OK);
    assert_int_equal(tg_run_replay(run, NULL, 0), TG_ERR_ARGUMENT); /* not waited for */
    assert_int_equal(tg_run_wait(run), TG_OK);
    assert_int_equal(flagship_mismatches(&problem), 0);
    for (uint64_t seed = 8; seed < 11; seed++) {
        flagship_draw(&other, "ragged", seed);
        memcpy(problem.query, other.query, flagship_out_bytes(&problem));
        pa_problem_free(&other);
        memset(problem.out, 0, flagship_out_bytes(&problem));
        enum tg_status status = tg_run_replay(run, NULL, 0);
        CHECK(status == TG_OK, "seed %llu: %s", (unsigned long long)seed, tg_last_message());
        CHECK(flagship_mismatches(&problem) == 0, "seed %llu", (unsigned long long)seed);
    }
    tg_run_close(run);
    pa_problem_free(&problem);
}

/* A task marks the word that its argument names. */
static void replay_with_arguments(struct rig *rig)
{
    struct script s;
    script_init(&s);
    script_publish(&s, script_visit(&s, TG_AIV, 0, 0, NULL));
    script_op(&s, SCRIPT_END, 0);
    script_load(rig, RIG_SEQUENTIAL);
    rig->config.keep = true;
    uint32_t data[64] = {0};
    const struct tg_tensor tensors[] = {{"script", s.words, s.n_words * sizeof *s.words, s.n_words, TG_IN},
                                        {"data", data, sizeof data, 64, TG_INOUT}};
    struct tg_run *run;
    assert_int_equal(tg_run_open(rig->program, &rig->config, tensors, 2, &run), TG_OK);
    assert_int_equal(tg_run_wait(run), TG_OK);
    assert_true(data[0] == 1 && data[5] == 0);
    const struct tg_argument changes[] = {{0, 1, 5}}, no_task[] = {{1, 1, 5}}, no_index[] = {{0, 4, 5}};
    assert_int_equal(tg_run_replay(run, no_task, 1), TG_ERR_ARGUMENT);
    assert_int_equal(tg_run_replay(run, no_index, 1), TG_ERR_ARGUMENT);
    assert_int_equal(tg_run_replay(run, changes, 1), TG_OK);
    assert_true(data[0] == 1 && data[5] == 1);
    tg_run_close(run);
    script_fini(&s);
}

static void a_graph_is_replayed_with_other_tensors_and_arguments(void **state)
{
    (void)state;
    for (int k = -1; k < N_COUNTS; k++) {
        struct rig rig;
        if (k < 0) rig_open(&rig, GM_BYTES); /* the virtual device can, too */
        else rig_open_workers(&rig, worker_counts[k], GM_BYTES);
        replay_flagship(&rig);
        replay_with_arguments(&rig);
        rig_close(&rig);
    }
}

/* Random graphs, replayed: every task once, in order, each time. */
static void drawn_graphs_are_replayed_in_order(void **state)
{
    (void)state;
    const uint64_t first = test_seed();
    for (int k = 0; k < N_COUNTS; k++) {
        struct rig rig;
        rig_open_workers(&rig, worker_counts[k], GM_BYTES);
        script_load(&rig, RIG_SEQUENTIAL);
        rig.config.keep = true;
        for (uint64_t seed = first; seed < first + 10; seed++) {
            struct script s;
            script_init(&s);
            struct random_graph graph = {.n_tasks = 200, .may_wait = false, .unpublished = -1, .cycle = -1};
            random_graph_write(&s, &graph, seed);
            script_op(&s, SCRIPT_END, 0);
            s.n_data = s.n_tasks > 64 ? (size_t)s.n_tasks : 64;
            s.data = calloc(s.n_data, sizeof *s.data);
            const struct tg_tensor tensors[] = {{"script", s.words, s.n_words * sizeof *s.words, s.n_words, TG_IN},
                                                {"data", s.data, s.n_data * sizeof *s.data, s.n_data, TG_INOUT}};
            struct tg_run *run;
            assert_int_equal(tg_run_open(rig.program, &rig.config, tensors, 2, &run), TG_OK);
            assert_int_equal(tg_run_wait(run), TG_OK);
            for (int replay = 0; replay < 4; replay++) {
                assert_int_equal(script_disorder(&s), 0);
                memset(s.data, 0, s.n_data * sizeof *s.data);
                assert_int_equal(tg_run_replay(run, NULL, 0), TG_OK);
            }
            assert_int_equal(script_disorder(&s), 0);
            tg_run_close(run);
            script_fini(&s);
        }
        rig_close(&rig);
    }
}

/* ---- several at once --------------------------------------------------------------------------------------------- */

enum { N_THREADS = 4 };

struct client {
    pthread_t thread;
    uint64_t seed;
};

/* cmocka's assertions belong to the test's own thread: a client stops the program instead. */
static void must(bool right, const char *what, uint64_t seed)
{
    if (right) return;
    fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, what);
    abort();
}

static void *run_own_graphs(void *arg)
{
    const struct client *client = arg;
    struct rig rig;
    rig_open_workers(&rig, 2, 16u << 20);
    script_load(&rig, RIG_CONCURRENT);
    for (uint64_t seed = client->seed; seed < client->seed + 10; seed++) {
        struct script s;
        script_init(&s);
        struct random_graph graph = {.n_tasks = 200, .may_wait = true, .unpublished = -1, .cycle = -1};
        random_graph_write(&s, &graph, seed);
        script_run(&rig, &s);
        must(rig.status == TG_OK, rig.message, seed);
        must(script_disorder(&s) == 0, "a task ran out of order", seed);
        script_fini(&s);
    }
    rig_close(&rig);
    return NULL;
}

static void several_threads_run_graphs_at_once(void **state)
{
    (void)state;
    struct client clients[N_THREADS];
    const uint64_t seed = test_seed();
    for (int i = 0; i < N_THREADS; i++) {
        clients[i].seed = seed + 100 * (uint64_t)i;
        assert_int_equal(pthread_create(&clients[i].thread, NULL, run_own_graphs, &clients[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++) pthread_join(clients[i].thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_workers_gives_the_same_bytes),
        cmocka_unit_test(a_reproducible_run_has_the_bytes_of_a2a3sim),
        cmocka_unit_test(reproducible_tasks_find_nothing_of_others),
        cmocka_unit_test(all_of_a_window_can_be_used),
        cmocka_unit_test(a_run_can_be_cancelled_from_another_thread),
        cmocka_unit_test(a_graph_is_replayed_with_other_tensors_and_arguments),
        cmocka_unit_test(drawn_graphs_are_replayed_in_order),
        cmocka_unit_test(several_threads_run_graphs_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
