/* edges.c: edges that no conflict needs are found, and without all of them every conflict is ordered as before. */
#include <stdlib.h>

#include "base/random.h"
#include "check/memory/edges.h"
#include "common/check.h"

static struct tg_paths paths;
static struct tg_spare_edge *spare;
static size_t n_spare;

static int open_paths(void **state)
{
    (void)state;
    tg_paths_init(&paths, false);
    spare = NULL;
    n_spare = 0;
    return 0;
}

static int close_paths(void **state)
{
    (void)state;
    tg_paths_fini(&paths);
    free(spare);
    return 0;
}

static void task(int32_t id, int n, const int32_t *after)
{
    tg_paths_add(&paths, id);
    for (int i = 0; i < n; i++) tg_paths_edge(&paths, after[i], id);
    tg_paths_publish(&paths, id);
    tg_paths_start(&paths, id);
}

static void look(size_t n_pairs, const struct tg_conflict *pairs)
{
    assert_int_equal(tg_edges_spare(&paths, pairs, n_pairs, &spare, &n_spare), TG_OK);
}

static void expect(size_t i, int32_t from, int32_t to, enum tg_spare_reason reason)
{
    assert_true(i < n_spare);
    CHECK(spare[i].from == from && spare[i].to == to && spare[i].reason == reason, "%d -> %d, %d", spare[i].from,
          spare[i].to, spare[i].reason);
}

static void an_edge_of_a_conflict_is_needed(void **state)
{
    (void)state;
    task(0, 0, NULL);
    task(1, 1, (int32_t[]){0});
    look(1, (struct tg_conflict[]){{0, 1}});
    assert_int_equal(n_spare, 0);
}

static void an_edge_without_a_conflict_is_spare(void **state)
{
    (void)state;
    task(0, 0, NULL);
    task(1, 1, (int32_t[]){0});
    task(2, 1, (int32_t[]){1});
    look(1, (struct tg_conflict[]){{0, 1}});
    assert_int_equal(n_spare, 1);
    expect(0, 1, 2, TG_SPARE_NO_CONFLICT);
}

static void the_only_way_between_two_that_conflict_is_needed(void **state)
{
    (void)state;
    task(0, 0, NULL);
    task(1, 1, (int32_t[]){0}); /* a barrier: it touches nothing */
    task(2, 1, (int32_t[]){1});
    look(1, (struct tg_conflict[]){{0, 2}});
    assert_int_equal(n_spare, 0);
}

static void an_edge_along_a_longer_way_is_redundant(void **state)
{
    (void)state;
    task(0, 0, NULL);
    task(1, 1, (int32_t[]){0});
    task(2, 2, (int32_t[]){0, 1});
    look(3, (struct tg_conflict[]){{0, 1}, {1, 2}, {0, 2}});
    assert_int_equal(n_spare, 1);
    expect(0, 0, 2, TG_SPARE_REDUNDANT);
}

static void the_same_edge_again_is_spare(void **state)
{
    (void)state;
    task(0, 0, NULL);
    task(1, 2, (int32_t[]){0, 0});
    look(1, (struct tg_conflict[]){{0, 1}});
    assert_int_equal(n_spare, 1);
}

static void what_the_builder_waits_for_is_needed(void **state)
{
    (void)state;
    task(0, 0, NULL);
    task(1, 1, (int32_t[]){0});
    tg_paths_wait(&paths, 1);
    task(2, 1, (int32_t[]){0}); /* published after the wait, so 0 is before it anyway */
    look(2, (struct tg_conflict[]){{0, ~0}, {0, 2}});
    assert_int_equal(n_spare, 1);
    expect(0, 0, 2, TG_SPARE_REDUNDANT);
}

static void what_the_builder_did_before_it_published_another_task(void **state)
{
    (void)state;
    tg_paths_add(&paths, 0);
    tg_paths_add(&paths, 1);
    tg_paths_edge(&paths, 1, 0);
    tg_paths_publish(&paths, 0);
    tg_who builder = tg_paths_builder(&paths);
    tg_paths_publish(&paths, 1);
    tg_paths_start(&paths, 1);
    tg_paths_start(&paths, 0);
    look(1, (struct tg_conflict[]){{builder, 0}});
    assert_int_equal(n_spare, 0);
}

enum { N_TASKS = 80 };

static void closure(const uint8_t edges[N_TASKS][N_TASKS], uint8_t before[N_TASKS][N_TASKS])
{
    memset(before, 0, N_TASKS * N_TASKS);
    for (int to = 0; to < N_TASKS; to++)
        for (int from = 0; from < to; from++)
            for (int i = 0; edges[from][to] && i <= from; i++) before[i][to] |= i == from || before[i][from];
}

/* Random graphs with random conflicts among what they order: with the spare edges taken away, all are still ordered. */
static void without_the_spare_edges_all_is_ordered(void **state)
{
    (void)state;
    static uint8_t edges[N_TASKS][N_TASKS], before[N_TASKS][N_TASKS];
    size_t n_all = 0, n_gone = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        uint64_t random = seed;
        struct tg_conflict pairs[4 * N_TASKS];
        size_t n_pairs = 0;
        close_paths(NULL);
        open_paths(NULL);
        memset(edges, 0, sizeof edges);
        for (int32_t id = 0; id < N_TASKS; id++) {
            int32_t after[3];
            int n = 0;
            for (int k = 0; k < 3 && id > 0; k++) {
                int32_t from = (int32_t)tg_random_below(&random, (uint32_t)id);
                if (edges[from][id]) continue;
                edges[from][id] = 1;
                after[n++] = from;
                n_all++;
            }
            task(id, n, after);
        }
        closure((const uint8_t(*)[N_TASKS])edges, before);
        while (n_pairs < (seed % 4 + 1) * N_TASKS / 2) {
            uint32_t a = tg_random_below(&random, N_TASKS), b = tg_random_below(&random, N_TASKS);
            if (before[a][b]) pairs[n_pairs++] = (struct tg_conflict){(int32_t)a, (int32_t)b};
        }
        look(n_pairs, pairs);
        n_gone += n_spare;
        for (size_t i = 0; i < n_spare; i++) edges[spare[i].from][spare[i].to] = 0;
        closure((const uint8_t(*)[N_TASKS])edges, before);
        for (size_t i = 0; i < n_pairs; i++)
            CHECK(before[pairs[i].earlier][pairs[i].later], "seed %llu: %d before %d", (unsigned long long)seed,
                  pairs[i].earlier, pairs[i].later);
    }
    CHECK(n_gone > n_all / 10 && n_gone < n_all, "%zu of %zu edges", n_gone, n_all);
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_paths, close_paths)
        TEST(an_edge_of_a_conflict_is_needed),
        TEST(an_edge_without_a_conflict_is_spare),
        TEST(the_only_way_between_two_that_conflict_is_needed),
        TEST(an_edge_along_a_longer_way_is_redundant),
        TEST(the_same_edge_again_is_spare),
        TEST(what_the_builder_waits_for_is_needed),
        TEST(what_the_builder_did_before_it_published_another_task),
        TEST(without_the_spare_edges_all_is_ordered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
