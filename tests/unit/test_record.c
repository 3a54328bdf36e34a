/* record.c: what several control threads have written apart becomes one record, whole and sorted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "reference.h"
#include "trace/record.h"

enum { N_LOGS = 3 };

static struct tg_record_log logs[N_LOGS];
static struct tg_record record;

static int clear(void **state)
{
    (void)state;
    memset(logs, 0, sizeof logs);
    memset(&record, 0, sizeof record);
    return 0;
}

static int release(void **state)
{
    (void)state;
    tg_record_fini(&record);
    for (int i = 0; i < N_LOGS; i++) tg_record_log_fini(&logs[i]);
    return 0;
}

static void ran(int log, int32_t task_id, uint64_t start_ns)
{
    const struct tg_record_task task = {.task_id = task_id,
                                        .ready_ns = start_ns - 2,
                                        .dispatched_ns = start_ns - 1,
                                        .start_ns = start_ns,
                                        .end_ns = start_ns + 10,
                                        .complete_ns = start_ns + 12,
                                        .func_id = (uint16_t)(task_id % 4),
                                        .core = (uint16_t)log,
                                        .kernel = {.n_instructions = (uint32_t)task_id}};
    tg_record_ran(&logs[log], &task);
}

static void an_empty_record_is_a_record(void **state)
{
    (void)state;
    assert_int_equal(tg_record_merge(&record, logs, N_LOGS), TG_OK);
    assert_int_equal(record.n_tasks, 0);
    assert_int_equal(record.n_edges, 0);
    assert_int_equal(record.n_spans, 0);
    assert_false(record.lost);
    assert_null(tg_record_find(&record, 0));
}

static void tasks_of_all_threads_are_found_by_id(void **state)
{
    (void)state;
    enum { N = 5000 };
    uint64_t random = 3;
    for (int32_t id = 0; id < N; id++) tg_record_added(&logs[0], id, (uint64_t)id * 100, "plugin.c", id);
    for (int32_t id = 0; id < N; id++) tg_record_published(&logs[0], id, (uint64_t)id * 100 + 50);
    for (int32_t i = 0; i < N; i++) {
        int32_t id = i * 7 % N; /* in another order, and one in ten never ends */
        if (id % 10 != 3) ran((int)ref_between(&random, 1, 2), id, 1000000 + (uint64_t)i);
    }
    assert_int_equal(tg_record_merge(&record, logs, N_LOGS), TG_OK);
    assert_int_equal(record.n_tasks, N - N / 10);
    for (int32_t id = 0; id < N; id++) {
        const struct tg_record_task *task = tg_record_find(&record, id);
        if (id % 10 == 3) {
            assert_null(task);
            continue;
        }
        assert_non_null(task);
        assert_int_equal(task->task_id, id);
        assert_int_equal(task->added_ns, id * 100);
        assert_int_equal(task->published_ns, id * 100 + 50);
        assert_string_equal(task->file, "plugin.c");
        assert_int_equal(task->line, id);
        assert_int_equal(task->end_ns, task->start_ns + 10);
        assert_int_equal(task->complete_ns, task->start_ns + 12);
        assert_int_equal(task->func_id, id % 4);
        assert_int_equal(task->kernel.n_instructions, id);
        assert_true(task->core == 1 || task->core == 2);
    }
    for (size_t i = 1; i < record.n_tasks; i++) assert_true(record.tasks[i - 1].task_id < record.tasks[i].task_id);
    assert_null(tg_record_find(&record, -1));
    assert_null(tg_record_find(&record, N));
}

static void edges_keep_their_order(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 1000; i++) tg_record_edge(&logs[0], i * 13 % 1000, 999 - i);
    assert_int_equal(tg_record_merge(&record, logs, N_LOGS), TG_OK);
    assert_int_equal(record.n_edges, 1000);
    for (int32_t i = 0; i < 1000; i++) {
        assert_int_equal(record.edges[i].from, i * 13 % 1000);
        assert_int_equal(record.edges[i].to, 999 - i);
    }
}

static void labels_are_copied(void **state)
{
    (void)state;
    char text[32];
    for (int32_t id = 0; id < 300; id++) {
        ran(1, id, 100);
        snprintf(text, sizeof text, "block %d", id);
        if (id % 3) tg_record_label(&logs[0], id, text);
    }
    memset(text, '#', sizeof text);
    tg_record_label(&logs[0], 1000, "of a task that did not run");
    tg_record_label(&logs[0], 0, "");
    assert_int_equal(tg_record_merge(&record, logs, N_LOGS), TG_OK);
    for (int32_t id = 1; id < 300; id++) {
        const struct tg_record_task *task = tg_record_find(&record, id);
        assert_non_null(task);
        snprintf(text, sizeof text, "block %d", id);
        if (id % 3) assert_string_equal(task->label, text);
        else assert_null(task->label);
    }
    assert_string_equal(tg_record_find(&record, 0)->label, "");
}

static void spans_that_touch_are_one(void **state)
{
    (void)state;
    tg_record_span(&logs[1], TG_SPAN_POLL, 1, 100, 150);
    tg_record_span(&logs[1], TG_SPAN_POLL, 1, 150, 150); /* nothing */
    tg_record_span(&logs[1], TG_SPAN_POLL, 1, 150, 170);
    tg_record_span(&logs[1], TG_SPAN_DISPATCH, 1, 170, 180); /* of another kind */
    tg_record_span(&logs[1], TG_SPAN_DISPATCH, 1, 190, 200); /* after a gap */
    tg_record_span(&logs[2], TG_SPAN_POLL, 2, 90, 100);
    tg_record_span(&logs[2], TG_SPAN_COMPLETE, 2, 170, 171);
    tg_record_span(&logs[0], TG_SPAN_BUILD, 0, 0, 1000);
    assert_int_equal(tg_record_merge(&record, logs, N_LOGS), TG_OK);
    static const struct tg_record_span expected[] = {
        {0, 1000, TG_SPAN_BUILD, 0},     {90, 100, TG_SPAN_POLL, 2},      {100, 170, TG_SPAN_POLL, 1},
        {170, 180, TG_SPAN_DISPATCH, 1}, {170, 171, TG_SPAN_COMPLETE, 2}, {190, 200, TG_SPAN_DISPATCH, 1},
    };
    assert_int_equal(record.n_spans, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(record.spans[i].start_ns, expected[i].start_ns);
        assert_int_equal(record.spans[i].end_ns, expected[i].end_ns);
        assert_int_equal(record.spans[i].kind, expected[i].kind);
        assert_int_equal(record.spans[i].thread, expected[i].thread);
    }
}

static void what_was_lost_is_not_forgotten(void **state)
{
    (void)state;
    ran(1, 0, 100);
    logs[2].lost = true;
    assert_int_equal(tg_record_merge(&record, logs, N_LOGS), TG_OK);
    assert_true(record.lost);
    assert_int_equal(record.n_tasks, 1);
}

static void logs_are_empty_after_a_merge(void **state)
{
    (void)state;
    ran(1, 0, 100);
    tg_record_edge(&logs[0], 0, 1);
    tg_record_label(&logs[0], 0, "label");
    tg_record_span(&logs[2], TG_SPAN_POLL, 2, 1, 2);
    assert_int_equal(tg_record_merge(&record, logs, N_LOGS), TG_OK);
    tg_record_fini(&record);
    assert_int_equal(tg_record_merge(&record, logs, N_LOGS), TG_OK);
    assert_int_equal(record.n_tasks + record.n_edges + record.n_spans, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_record_is_a_record, clear, release),
        cmocka_unit_test_setup_teardown(tasks_of_all_threads_are_found_by_id, clear, release),
        cmocka_unit_test_setup_teardown(edges_keep_their_order, clear, release),
        cmocka_unit_test_setup_teardown(labels_are_copied, clear, release),
        cmocka_unit_test_setup_teardown(spans_that_touch_are_one, clear, release),
        cmocka_unit_test_setup_teardown(what_was_lost_is_not_forgotten, clear, release),
        cmocka_unit_test_setup_teardown(logs_are_empty_after_a_merge, clear, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
