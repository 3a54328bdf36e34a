/* verdict.c: what cannot move is named rightly, whatever hangs around it, at any size and for any room for the text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/check.h"
#include "graph/verdict.h"
#include "reference.h"

static const struct tg_kernel kernel = {.name = (char *)(uintptr_t) "qk"};
static char text[4096];

static void make(struct tg_graph *graph, int n)
{
    tg_graph_init(graph, UINT64_MAX);
    for (int i = 0; i < n; i++) {
        const struct tg_task_spec spec = {.kernel = &kernel, .file = "plugin.c", .line = 100 + i};
        int32_t id;
        assert_int_equal(tg_graph_add(graph, &spec, &id), TG_OK);
    }
}

static void edge(struct tg_graph *graph, int64_t from, int64_t to)
{
    assert_int_equal(tg_graph_edge(graph, from, to), TG_OK);
}

static struct tg_task *publish(struct tg_graph *graph, int64_t id)
{
    struct tg_task *ready = NULL;
    assert_int_equal(tg_graph_publish(graph, id, &ready), TG_OK);
    return ready;
}

/* Run all that can run from a list of ready tasks; returns how many. */
static uint64_t drain(struct tg_graph *graph, struct tg_task *ready)
{
    uint64_t n = 0;
    while (ready) {
        struct tg_task *task = ready, *last;
        ready = task->next_ready;
        struct tg_uncounted uncounted = {0};
        struct tg_task *more = tg_graph_complete(graph, task, &uncounted);
        n++;
        if (!more) continue;
        for (last = more; last->next_ready; last = last->next_ready) continue;
        last->next_ready = ready;
        ready = more;
    }
    return n;
}

static void assert_says(const char *part)
{
    if (!strstr(text, part)) fail_msg("\"%s\" has no \"%s\"", text, part);
}

static void a_finished_graph_has_nothing_to_say(void **state)
{
    (void)state;
    struct tg_graph graph;
    make(&graph, 0);
    assert_int_equal(tg_graph_verdict(&graph, text, sizeof text), TG_OK);
    assert_string_equal(text, "");
    tg_graph_fini(&graph);
    make(&graph, 100);
    for (int i = 0; i < 100; i++) drain(&graph, publish(&graph, i));
    assert_int_equal(tg_graph_verdict(&graph, text, sizeof text), TG_OK);
    assert_string_equal(text, "");
    tg_graph_fini(&graph);
}

static void a_task_that_was_never_published_is_named(void **state)
{
    (void)state;
    struct tg_graph graph;
    make(&graph, 5);
    edge(&graph, 2, 3);
    edge(&graph, 3, 4);
    for (int i = 0; i < 5; i++)
        if (i != 2) drain(&graph, publish(&graph, i));
    assert_int_equal(tg_graph_verdict(&graph, text, sizeof text), TG_ERR_DEADLOCK_UNPUBLISHED);
    assert_string_equal(text, "1 of 3 unfinished tasks were never published: task 2 (qk, plugin.c:102); "
                              "2 published tasks wait behind them");
    tg_graph_fini(&graph);
}

static void of_many_unpublished_tasks_the_first_are_named(void **state)
{
    (void)state;
    struct tg_graph graph;
    make(&graph, 100);
    assert_int_equal(tg_graph_verdict(&graph, text, sizeof text), TG_ERR_DEADLOCK_UNPUBLISHED);
    assert_says("100 of 100 unfinished tasks were never published: task 0 (");
    assert_says("task 5 (qk, plugin.c:105), ...");
    assert_null(strstr(text, "task 6"));
    assert_null(strstr(text, "wait behind"));
    tg_graph_fini(&graph);
}

static void an_unpublished_task_is_named_before_a_cycle(void **state)
{
    (void)state;
    struct tg_graph graph;
    make(&graph, 3);
    edge(&graph, 0, 1);
    edge(&graph, 1, 0);
    publish(&graph, 0);
    publish(&graph, 1);
    assert_int_equal(tg_graph_verdict(&graph, text, sizeof text), TG_ERR_DEADLOCK_UNPUBLISHED);
    assert_says("task 2 (");
    tg_graph_fini(&graph);
}

static void a_cycle_of_two_is_named_with_both(void **state)
{
    (void)state;
    struct tg_graph graph;
    make(&graph, 2);
    edge(&graph, 0, 1);
    edge(&graph, 1, 0);
    assert_null(publish(&graph, 0));
    assert_null(publish(&graph, 1));
    assert_int_equal(tg_graph_verdict(&graph, text, sizeof text), TG_ERR_DEADLOCK_CYCLE);
    assert_string_equal(text, "task 0 (qk, plugin.c:100) waits for task 1 (qk, plugin.c:101) waits for task 0 again: "
                              "a cycle of 2 tasks; 2 tasks cannot run");
    tg_graph_fini(&graph);
}

static void six_tasks_of_a_cycle_are_named(void **state)
{
    (void)state;
    for (int n = 5; n <= 7; n++) {
        struct tg_graph graph;
        make(&graph, n);
        for (int i = 0; i < n; i++) edge(&graph, i, (i + 1) % n);
        for (int i = 0; i < n; i++) assert_null(publish(&graph, i));
        assert_int_equal(tg_graph_verdict(&graph, text, sizeof text), TG_ERR_DEADLOCK_CYCLE);
        int n_named = 0;
        for (const char *at = text; (at = strstr(at, "(qk, ")) != NULL; at++) n_named++;
        assert_int_equal(n_named, n < 6 ? n : 6);
        assert_int_equal(strstr(text, "... which waits for") != NULL, n > 6);
        tg_graph_fini(&graph);
    }
}

static void a_long_cycle_is_cut_and_counted(void **state)
{
    (void)state;
    enum { N = 500 };
    struct tg_graph graph;
    make(&graph, N + 50);
    for (int i = 0; i < N; i++) edge(&graph, i, (i + 1) % N);
    for (int i = 0; i < 50; i++) edge(&graph, i * 3, N + i); /* what hangs behind is not on it */
    for (int i = 0; i < N + 50; i++) assert_null(publish(&graph, i));
    assert_int_equal(tg_graph_verdict(&graph, text, sizeof text), TG_ERR_DEADLOCK_CYCLE);
    assert_says("... which waits for task ");
    assert_says("again: a cycle of 500 tasks; 550 tasks cannot run");
    tg_graph_fini(&graph);
}

/* ---- random graphs with one planted cycle ------------------------------------------------------------------------ */

enum { RANDOM_MAX = 200, EDGES_MAX = 1500 };

static struct {
    int16_t from, to;
} edges[EDGES_MAX];
static int n_edges;

static void random_edge(struct tg_graph *graph, int from, int to)
{
    assert_true(n_edges < EDGES_MAX);
    edges[n_edges].from = (int16_t)from;
    edges[n_edges++].to = (int16_t)to;
    edge(graph, from, to);
}

static bool has_edge(int from, int to)
{
    for (int i = 0; i < n_edges; i++)
        if (edges[i].from == from && edges[i].to == to) return true;
    return false;
}

/* Each task of the text waits for the next, and the last for the first; `length` of them. */
static void assert_is_a_cycle(int length)
{
    int ids[16], n = 0, counted = 0;
    for (const char *at = text; (at = strstr(at, "task ")) != NULL; at += 5) {
        assert_true(n < 16);
        if (sscanf(at, "task %d", &ids[n]) == 1) n++;
    }
    const char *count = strstr(text, "a cycle of ");
    assert_non_null(count);
    assert_int_equal(sscanf(count, "a cycle of %d", &counted), 1);
    assert_int_equal(counted, length);
    assert_int_equal(ids[n - 1], ids[0]);
    assert_int_equal(n, (length < 6 ? length : 6) + 1);
    for (int i = 0; i + 1 < n; i++)
        if (!(length > 6 && i == 5) && !has_edge(ids[i + 1], ids[i])) fail_msg("%d does not wait: %s", ids[i], text);
}

static void one_random_graph(uint64_t *random)
{
    struct tg_graph graph;
    int n = (int)ref_between(random, 2, RANDOM_MAX), length = (int)ref_between(random, 2, (uint32_t)(n < 12 ? n : 12));
    n_edges = 0;
    make(&graph, n);
    for (int e = (int)ref_between(random, 0, 4 * (uint32_t)n); e > 0; e--) {
        int a = (int)ref_between(random, 0, (uint32_t)n - 1), b = (int)ref_between(random, 0, (uint32_t)n - 1);
        if (a != b) random_edge(&graph, a < b ? a : b, a < b ? b : a); /* upwards: no other cycle */
    }
    /* One edge back closes the chain of `length` neighbours that it spans. */
    int first = (int)ref_between(random, 0, (uint32_t)(n - length));
    for (int i = 0; i + 1 < length; i++) random_edge(&graph, first + i, first + i + 1);
    random_edge(&graph, first + length - 1, first);
    struct tg_task *ready = NULL;
    tg_graph_publish_all(&graph, &ready);
    uint64_t n_run = drain(&graph, ready);
    char end[64];
    snprintf(end, sizeof end, "%llu tasks cannot run", (unsigned long long)((uint64_t)n - n_run));
    assert_int_equal(tg_graph_verdict(&graph, text, sizeof text), TG_ERR_DEADLOCK_CYCLE);
    assert_says(end);
    int counted = 0;
    assert_int_equal(sscanf(strstr(text, "a cycle of "), "a cycle of %d", &counted), 1);
    assert_true(counted >= 2 && counted <= length); /* an edge may cut the chain short */
    assert_is_a_cycle(counted);
    tg_graph_fini(&graph);
}

static void the_cycle_that_is_named_is_one(void **state)
{
    (void)state;
    uint64_t random = 20260303;
    for (int round = 0; round < 300; round++) one_random_graph(&random);
}

static void the_text_is_cut_to_its_room(void **state)
{
    (void)state;
    struct tg_graph graph;
    make(&graph, 8);
    for (int round = 0; round < 2; round++) { /* unpublished, then a cycle */
        char whole[sizeof text];
        tg_graph_verdict(&graph, whole, sizeof whole);
        for (size_t n = 1; n <= strlen(whole) + 1; n++) {
            memset(text, '#', sizeof text);
            tg_graph_verdict(&graph, text, n);
            assert_int_equal(strlen(text), n - 1);
            assert_memory_equal(text, whole, n - 1);
            for (size_t i = n; i < sizeof text; i++) assert_int_equal(text[i], '#');
        }
        for (int i = 0; i < 8 && round == 0; i++) edge(&graph, i, (i + 1) % 8);
        for (int i = 0; i < 8 && round == 0; i++) publish(&graph, i);
    }
    tg_graph_fini(&graph);
}

/* ---- size -------------------------------------------------------------------------------------------------------- */

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* A cycle of all tasks, each also behind the task 1000 before it. */
static void a_hundred_thousand_tasks_are_judged_at_once(void **state)
{
    (void)state;
    enum { N = 100000 };
    struct tg_graph graph;
    make(&graph, N);
    for (int i = 0; i < N; i++) edge(&graph, i, (i + 1) % N);
    for (int i = 1000; i < N; i++) edge(&graph, i - 1000, i);
    for (int i = 0; i < N; i++) assert_null(publish(&graph, i));
    double start = seconds();
    assert_int_equal(tg_graph_verdict(&graph, text, sizeof text), TG_ERR_DEADLOCK_CYCLE);
    double spent = seconds() - start;
    assert_says("100000 tasks cannot run");
    if (!(TEST_ASAN || TEST_TSAN) && spent > 1) fail_msg("%.1f s", spent);
    tg_graph_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_finished_graph_has_nothing_to_say),
        cmocka_unit_test(a_task_that_was_never_published_is_named),
        cmocka_unit_test(of_many_unpublished_tasks_the_first_are_named),
        cmocka_unit_test(an_unpublished_task_is_named_before_a_cycle),
        cmocka_unit_test(a_cycle_of_two_is_named_with_both),
        cmocka_unit_test(six_tasks_of_a_cycle_are_named),
        cmocka_unit_test(a_long_cycle_is_cut_and_counted),
        cmocka_unit_test(the_cycle_that_is_named_is_one),
        cmocka_unit_test(the_text_is_cut_to_its_room),
        cmocka_unit_test(a_hundred_thousand_tasks_are_judged_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
