/* dot.c: a node for each task of a small graph, a node for each place of a large one, and always DOT that dot reads. */
#include <stdlib.h>
#include <unistd.h>

#include "common/check.h"
#include "common/folder.h"
#include "common/made.h"
#include "common/process.h"
#include "common/rig.h"
#include "trace/dot.h"

static struct made made;
static struct folder folder;
static char *text;

static int clear(void **state)
{
    (void)state;
    memset(&made, 0, sizeof made);
    folder_make(&folder);
    text = NULL;
    return 0;
}

static int release(void **state)
{
    (void)state;
    made_fini(&made);
    folder_remove(&folder);
    free(text);
    return 0;
}

/* Let dot read it, where it is installed: `canon` lays nothing out. */
static void read_by_dot(const char *path)
{
    if (access("/usr/bin/dot", X_OK) != 0) return;
    struct process process;
    process_run(&process, (const char *const[]){"/usr/bin/dot", "-Tcanon", path, NULL});
    CHECK(process.exit_code == 0 && process.err[0] == '\0', "dot says %s", process.err);
    process_free(&process);
}

static void write_graph(void)
{
    const char *path = folder_at(&folder, "graph.dot");
    size_t n_bytes;
    made_index(&made);
    assert_int_equal(tg_dot_write(&made.index, &made.findings, path), TG_OK);
    text = rig_read_file(path, &n_bytes);
    read_by_dot(path);
}

static size_t count(const char *part)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) n++;
    return n;
}

static void expect(const char *part) { CHECK(strstr(text, part), "expected '%s' in %s", part, text); }

static void a_small_graph_has_a_node_for_each_task(void **state)
{
    (void)state;
    made_init(&made, 2, 1, 5000);
    made_task(&made, 0,
              (struct tg_record_task){
                  .func_id = 0, .published_ns = 1, .start_ns = 100, .end_ns = 2100, .label = "a \"b\" \\N\n\xff"});
    made_task(&made, 1, (struct tg_record_task){.func_id = 2, .published_ns = 2, .start_ns = 110, .end_ns = 120});
    made_task(&made, 2, (struct tg_record_task){.func_id = 1, .published_ns = 3, .ready_ns = 2200, .end_ns = 4200});
    made_edge(&made, 0, 2);
    made_edge(&made, 1, 2);
    write_graph();
    assert_int_equal(count("label=\"aic_zero\\ntask 0: a \\\"b\\\" \\\\N\\n?\\n2.00 us\""), 1);
    expect("aic_two\\ntask 1\\n0.01 us");
    assert_int_equal(count(" -> "), 2);
    expect("n0 -> n2;");
    expect("n1 -> n2;");
    assert_int_equal(count("penwidth"), 2); /* the path: 0 and 2 */
    assert_int_equal(count("filled,rounded"), 1);
}

static void an_empty_graph_is_a_graph(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 0);
    write_graph();
    expect("0 tasks, 0 edges");
}

/* 200 sequences of three updates, each after its own product: update 0 waits for a product, the others for an update
 * too. */
static void a_large_graph_is_folded(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 100000000);
    for (uint64_t i = 0; i < 600; i++) {
        uint64_t at = 100 + i * 1000;
        int32_t product = made_task(&made, 0,
                                    (struct tg_record_task){.func_id = 0, .published_ns = at, .end_ns = at + 100});
        int32_t update = made_task(
            &made, 1,
            (struct tg_record_task){.func_id = 3, .published_ns = at + 200, .end_ns = at + 200 + (i % 3 ? 300 : 100)});
        made_edge(&made, product, update);
        if (i % 3) made_edge(&made, update - 2, update);
    }
    write_graph();
    expect("1200 tasks, 1000 edges");
    assert_int_equal(count("label=\"ai"), 3);
    expect("aic_zero x 600\\nmean 0.10 us");
    expect("aiv_three x 200\\nmean 0.10 us");
    expect("aiv_three x 400\\nmean 0.30 us");
    assert_int_equal(count(" -> "), 4);
    expect("n0 -> n1 [label=\"200\"]");
    expect("n0 -> n2 [label=\"400\"]");
    expect("n1 -> n2 [label=\"200\"]");
    expect("n2 -> n2 [label=\"200\"]");
}

/* How often a task waits for a kernel, and in which order, is no difference. */
static void places_are_sets(void **state)
{
    (void)state;
    made_init(&made, 2, 2, 100000000);
    for (uint64_t i = 0; i < 200; i++) {
        uint64_t at = 100 + i * 1000;
        int32_t a = made_task(&made, 0, (struct tg_record_task){.func_id = 0, .published_ns = at, .end_ns = at + 100});
        int32_t b = made_task(&made, 1, (struct tg_record_task){.func_id = 2, .published_ns = at, .end_ns = at + 100});
        int32_t c = made_task(&made, 2,
                              (struct tg_record_task){.func_id = 1, .published_ns = at + 200, .end_ns = at + 300});
        made_edge(&made, i % 2 ? a : b, c);
        made_edge(&made, i % 2 ? b : a, c);
        if (i % 3 == 0) made_edge(&made, a, c);
    }
    write_graph();
    assert_int_equal(count("label=\"ai"), 3);
    expect("aiv_one x 200");
}

static void random_graphs_are_graphs(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        made_random(&made, seed);
        write_graph();
        assert_int_equal(count(" -> "), made.record.n_edges);
        made_fini(&made);
        free(text);
        text = NULL;
    }
    made_init(&made, 1, 1, 0);
}

static void a_place_that_cannot_be_written(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 0);
    made_index(&made);
    assert_int_equal(tg_dot_write(&made.index, &made.findings, folder_at(&folder, "none/g.dot")), TG_ERR_FILE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_small_graph_has_a_node_for_each_task, clear, release),
        cmocka_unit_test_setup_teardown(an_empty_graph_is_a_graph, clear, release),
        cmocka_unit_test_setup_teardown(a_large_graph_is_folded, clear, release),
        cmocka_unit_test_setup_teardown(places_are_sets, clear, release),
        cmocka_unit_test_setup_teardown(random_graphs_are_graphs, clear, release),
        cmocka_unit_test_setup_teardown(a_place_that_cannot_be_written, clear, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
