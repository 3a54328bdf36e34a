/* summary.c: a page of text that says what analysis found, for every run, with nothing out of place. */
#include <stdlib.h>

#include "common/check.h"
#include "common/made.h"
#include "trace/summary.h"

static struct made made;
static char text[65536];

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

static void print(void)
{
    made_index(&made);
    FILE *file = tmpfile();
    assert_non_null(file);
    tg_summary_print(&made.record, &made.findings, file);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
}

static void expect(const char *part) { CHECK(strstr(text, part), "expected '%s' in\n%s", part, text); }

static void it_says_what_was_found(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 1000000);
    made_span(&made, 0, TG_SPAN_BUILD, 1000, 101000);
    made_span(&made, 1, TG_SPAN_POLL, 0, 250000);
    made_task(&made, 0,
              (struct tg_record_task){.func_id = 0,
                                      .published_ns = 101000,
                                      .end_ns = 301000,
                                      .label = "seq 1 block 2",
                                      .kernel.memory_wait_ns = 50000,
                                      .kernel.pipe_busy_ns[PIPE_MTE2] = 100000});
    made_task(&made, 1,
              (struct tg_record_task){
                  .func_id = 1, .published_ns = 101000, .ready_ns = 321000, .end_ns = 821000, .complete_ns = 831000});
    made_edge(&made, 0, 1);
    print();
    expect("What the 1000.00 us went into, followed back from the end: bound by kernel\n");
    expect("kernel               650.00 us  65.0 %");
    expect("memory                50.00 us   5.0 %");
    expect("dependency            20.00 us   2.0 %");
    expect("scheduler             10.00 us   1.0 %   task ready to task started\n");
    expect("start and end        170.00 us  17.0 %   of the run: before anything is built, after the last task\n");
    expect("  bound by kernel, 65 %: make aiv_one faster, or split its tasks: it takes 50 %\n");
    expect("builder              100.00 us  10.0 %");
    expect("aic_zero              1       200.00       200.00       200.00      200.00 us  20.0 %\n");
    expect("aiv_one            500.00 us at 321.00 us on core 1 (AIV), task 1\n");
    expect("aic_zero           200.00 us at 101.00 us on core 0 (AIC), task 0: seq 1 block 2\n");
    expect("1 AIC         kernel  15.0 %, memory  5.0 %, control   0.0 %, idle  80.0 %; pipes: MTE2 10.0 %\n");
    expect("AICPU 0        builder: build 10.0 %\n");
    expect("AICPU 1        scheduler: poll 25.0 %\n");
    expect("unlimited cores                 1000.00 us 100.0 %\n");
    expect("free control                     700.00 us  70.0 %\n");
    expect("free memory                      950.00 us  95.0 %\n");
    expect("longest chain of kernels         700.00 us  70.0 %\n");
}

static void start_and_end_are_a_bound_of_their_own(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 100000);
    made_span(&made, 0, TG_SPAN_BUILD, 60000, 80000);
    made_task(&made, 0, (struct tg_record_task){.published_ns = 80000, .end_ns = 85000});
    print();
    expect("followed back from the end: bound by start and end\n");
    expect("  bound by start and end, 75 %: give a run more work; then by builder, 20 %: publish earlier; ");
}

static void any_run_has_a_page(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        made_random(&made, seed);
        print();
        size_t n_lines = 0;
        for (const char *at = text; *at; at++) n_lines += *at == '\n';
        CHECK(n_lines >= 15 && n_lines <= 30, "%zu lines:\n%s", n_lines, text);
        assert_null(strstr(text, "nan"));
        made_fini(&made);
    }
    made_init(&made, 1, 1, 0); /* nothing happened in no time */
    print();
    assert_null(strstr(text, "nan"));
    expect("What the 0.00 us went into");
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(tg_pipe_name(PIPE_MTE3), "MTE3");
    assert_string_equal(tg_pipe_name(PIPE_FIX), "FIX");
    assert_string_equal(tg_pipe_name(-1), "?");
    assert_string_equal(tg_pipe_name(TG_RECORD_PIPES), "?");
    assert_string_equal(tg_span_name(TG_SPAN_WINDOW), "wait");
    assert_string_equal(tg_span_name(TG_SPAN_KINDS), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_says_what_was_found, clear, release),
        cmocka_unit_test_setup_teardown(start_and_end_are_a_bound_of_their_own, clear, release),
        cmocka_unit_test_setup_teardown(any_run_has_a_page, clear, release),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
