/* paths.c: the search agrees with a closure of the edges, on graphs of every shape. */
#include <stdlib.h>

#include "base/random.h"
#include "check/memory/paths.h"
#include "common/check.h"

enum { N_TASKS = 300 };

static struct tg_paths paths;

static int open_paths(void **state)
{
    (void)state;
    tg_paths_init(&paths, false);
    return 0;
}

static int close_paths(void **state)
{
    (void)state;
    assert_false(paths.lost);
    tg_paths_fini(&paths);
    return 0;
}

static void task(int32_t id, int n, const int32_t *after)
{
    tg_paths_add(&paths, id);
    for (int i = 0; i < n; i++) tg_paths_edge(&paths, after[i], id);
    tg_paths_publish(&paths, id);
    tg_paths_start(&paths, id);
}

static void an_edge_and_a_path_are_order(void **state)
{
    (void)state;
    task(0, 0, NULL);
    task(1, 1, (int32_t[]){0});
    task(2, 1, (int32_t[]){1});
    task(3, 0, NULL);
    assert_true(tg_paths_before(&paths, 0, 1));
    assert_true(tg_paths_before(&paths, 0, 2));
    assert_false(tg_paths_before(&paths, 0, 3));
    assert_false(tg_paths_before(&paths, 2, 3));
    assert_true(tg_paths_before(&paths, 3, 3));
    assert_true(tg_paths_before(&paths, TG_NOBODY, 3));
}

static void what_the_builder_does_is_before_what_it_publishes_then(void **state)
{
    (void)state;
    tg_who first = tg_paths_builder(&paths);
    task(0, 0, NULL);
    tg_who second = tg_paths_builder(&paths);
    tg_paths_add(&paths, 1);
    tg_paths_edge(&paths, 2, 1); /* refused: there is no task 2 yet */
    tg_paths_add(&paths, 2);
    tg_paths_edge(&paths, 2, 1);
    tg_paths_publish(&paths, 1); /* task 1 is published before 2, and is after it */
    tg_who third = tg_paths_builder(&paths);
    tg_paths_publish(&paths, 2);
    tg_paths_start(&paths, 2);
    tg_paths_start(&paths, 1);
    assert_true(tg_paths_before(&paths, first, 0));
    assert_false(tg_paths_before(&paths, second, 0));
    assert_true(tg_paths_before(&paths, third, 2));
    assert_true(tg_paths_before(&paths, third, 1));
    assert_true(tg_paths_before(&paths, first, third));
    assert_false(tg_paths_before(&paths, tg_paths_builder(&paths), 1));
}

static void what_is_waited_for_is_before_what_the_builder_does_next(void **state)
{
    (void)state;
    task(0, 0, NULL);
    task(1, 1, (int32_t[]){0});
    task(2, 0, NULL);
    assert_false(tg_paths_before(&paths, 0, tg_paths_builder(&paths)));
    tg_paths_wait(&paths, 1);
    assert_true(tg_paths_before(&paths, 0, tg_paths_builder(&paths)));
    assert_true(tg_paths_before(&paths, 1, tg_paths_builder(&paths)));
    assert_false(tg_paths_before(&paths, 2, tg_paths_builder(&paths)));
    task(3, 0, NULL);
    assert_true(tg_paths_before(&paths, 0, 3));
    assert_false(tg_paths_before(&paths, 2, 3));
    tg_paths_wait(&paths, 2);
    assert_true(tg_paths_before(&paths, 2, tg_paths_builder(&paths)));
    assert_true(tg_paths_before(&paths, 0, tg_paths_builder(&paths)));
}

static void a_graph_that_is_built_first_is_after_the_builder(void **state)
{
    (void)state;
    tg_paths_fini(&paths);
    tg_paths_init(&paths, true);
    tg_paths_add(&paths, 0);
    tg_paths_publish(&paths, 0);
    tg_who late = tg_paths_builder(&paths);
    tg_paths_start(&paths, 0);
    assert_true(tg_paths_before(&paths, late, 0));
}

static void a_pair_is_counted_once(void **state)
{
    (void)state;
    task(0, 0, NULL);
    task(1, 1, (int32_t[]){0});
    task(2, 2, (int32_t[]){0, 1});
    assert_true(tg_paths_count(&paths, 0, 1));
    assert_false(tg_paths_count(&paths, 0, 1));
    assert_true(tg_paths_count(&paths, 0, 2));
    assert_true(tg_paths_count(&paths, 1, 2));
    assert_false(tg_paths_count(&paths, 0, 2));
    assert_false(tg_paths_count(&paths, 2, 2));
    assert_false(tg_paths_count(&paths, tg_paths_builder(&paths), 2));
}

/* before[i][j]: i is before j. */
static uint8_t before[N_TASKS][N_TASKS];

static void closure_add(int from, int to)
{
    before[from][to] = 1;
    for (int i = 0; i < N_TASKS; i++) before[i][to] |= before[i][from];
}

/* Tasks with edges from `n_edges` others of the last `reach`, now and then a wait; every question is asked. */
static void compare_with_a_closure(uint64_t seed, uint32_t n_edges, uint32_t reach)
{
    uint64_t random = seed;
    uint8_t told[N_TASKS] = {0}; /* before the builder as it is */
    memset(before, 0, sizeof before);
    tg_paths_fini(&paths);
    tg_paths_init(&paths, false);
    for (int id = 0; id < N_TASKS; id++) {
        tg_paths_add(&paths, id);
        for (uint32_t e = 0; e < n_edges && id > 0; e++) {
            int back = 1 + (int)tg_random_below(&random, reach);
            int from = back <= id ? id - back : 0;
            tg_paths_edge(&paths, from, id);
            closure_add(from, id);
        }
        for (int i = 0; i < id; i++) before[i][id] |= told[i];
        tg_paths_publish(&paths, id);
        tg_paths_start(&paths, id);
        for (int i = id; i >= 0; i--) {
            /* Far and near questions mixed: the search is kept between them. */
            int other = (i * 37 + (int)seed) % (id + 1);
            bool is = other == id || before[other][id];
            CHECK(tg_paths_before(&paths, other, id) == is, "seed %llu: %d before %d", (unsigned long long)seed, other,
                  id);
        }
        if (tg_random_below(&random, 8) > 0) continue;
        int back = (int)tg_random_below(&random, 20), done = back < id ? id - back : id;
        tg_paths_wait(&paths, done);
        told[done] = 1;
        for (int i = 0; i < id; i++) told[i] |= before[i][done];
        for (int i = 0; i <= id; i++)
            CHECK(tg_paths_before(&paths, i, tg_paths_builder(&paths)) == told[i], "seed %llu: %d before the builder",
                  (unsigned long long)seed, i);
    }
}

static void answers_are_those_of_a_closure(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        compare_with_a_closure(seed, 1, 3);
        compare_with_a_closure(seed, 2, 12);
        compare_with_a_closure(seed, 1, 100);
        compare_with_a_closure(seed, 4, 200);
    }
}

/* Quadratic work would not end: every task of a long chain, and of two that run side by side, is asked about the
 * first. */
static void long_chains_are_jumped_over(void **state)
{
    (void)state;
    enum { LONG = 300000 };
    task(0, 0, NULL);
    for (int32_t id = 1; id < LONG; id++) {
        task(id, 1, &(int32_t){id > 2 ? id - 2 : 0});
        assert_true(tg_paths_before(&paths, 0, id));
    }
    assert_false(tg_paths_before(&paths, LONG - 2, LONG - 1));
    assert_true(tg_paths_before(&paths, 1, LONG - 2) != tg_paths_before(&paths, 1, LONG - 1));
}

/* One task after a barrier after very many: each of them is a question. */
static void many_questions_about_one_task_are_one_search(void **state)
{
    (void)state;
    enum { MANY = 200000 };
    for (int32_t id = 0; id < MANY; id++) task(id, 0, NULL);
    tg_paths_add(&paths, MANY);
    for (int32_t id = 0; id < MANY; id += 2) tg_paths_edge(&paths, id, MANY);
    tg_paths_publish(&paths, MANY);
    tg_paths_start(&paths, MANY);
    task(MANY + 1, 1, (int32_t[]){MANY});
    for (int32_t id = 0; id < MANY; id++) CHECK(tg_paths_before(&paths, id, MANY + 1) == (id % 2 == 0), "task %d", id);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_paths, close_paths)
        TEST(an_edge_and_a_path_are_order),
        TEST(what_the_builder_does_is_before_what_it_publishes_then),
        TEST(what_is_waited_for_is_before_what_the_builder_does_next),
        TEST(a_graph_that_is_built_first_is_after_the_builder),
        TEST(a_pair_is_counted_once),
        TEST(answers_are_those_of_a_closure),
        TEST(long_chains_are_jumped_over),
        TEST(many_questions_about_one_task_are_one_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
