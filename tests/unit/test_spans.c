/* spans.c: a few spans are shown as they are, many become fewer and keep their time. */
#include <stdlib.h>

#include "common/check.h"
#include "common/made.h"
#include "trace/spans.h"

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

static void few_are_shown_as_they_are(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 1000);
    made_span(&made, 0, TG_SPAN_BUILD, 0, 1);
    made_span(&made, 1, TG_SPAN_POLL, 0, 2);
    made_span(&made, 0, TG_SPAN_BUILD, 1, 3);
    made_span(&made, 1, TG_SPAN_DISPATCH, 2, 1000);
    size_t n;
    struct tg_record_span *shown = tg_spans_shown(&made.record, &n);
    assert_int_equal(n, 4);
    static const uint64_t starts[] = {0, 1, 0, 2}, ends[] = {1, 3, 2, 1000};
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(shown[i].thread, i / 2);
        assert_int_equal(shown[i].start_ns, starts[i]);
        assert_int_equal(shown[i].end_ns, ends[i]);
    }
    free(shown);
}

static void none_are_none(void **state)
{
    (void)state;
    made_init(&made, 1, 1, 1000);
    size_t n = 1;
    struct tg_record_span *shown = tg_spans_shown(&made.record, &n);
    assert_non_null(shown);
    assert_int_equal(n, 0);
    free(shown);
}

/* 60,000 spans of 10 ns, every third of another kind, and a long one of 1 ms among them. */
static void many_become_stretches(void **state)
{
    (void)state;
    enum { N = 60000 };
    uint64_t at = 0;
    made_init(&made, 1, 1, 0);
    for (int i = 0; i < N; i++) {
        uint64_t length = i == N / 2 ? 1000000 : 10;
        made_span(&made, 1, i == N / 2 ? TG_SPAN_WINDOW : i % 3 ? TG_SPAN_POLL : TG_SPAN_COMPLETE, at, at + length);
        at += length + (i % 1000 == 999 ? 5000 : 0); /* a gap now and then */
    }
    made.record.device_ns = at;
    size_t n, n_long = 0;
    struct tg_record_span *shown = tg_spans_shown(&made.record, &n);
    CHECK(n > 1000 && n <= 2 * TG_SPANS_SHOWN_MAX, "%zu spans are shown", n);
    uint64_t shown_ns = 0;
    for (size_t i = 0; i < n; i++) {
        assert_true(shown[i].start_ns < shown[i].end_ns);
        if (i > 0) assert_true(shown[i].start_ns >= shown[i - 1].end_ns);
        shown_ns += shown[i].end_ns - shown[i].start_ns;
        if (shown[i].kind == TG_SPAN_WINDOW) {
            assert_int_equal(shown[i].end_ns - shown[i].start_ns, 1000000); /* a long span stands alone */
            n_long++;
        } else {
            assert_true(shown[i].kind == TG_SPAN_POLL || shown[i].end_ns - shown[i].start_ns <= 20);
        }
    }
    assert_int_equal(n_long, 1);
    assert_int_equal(shown_ns, (N - 1) * 10 + 1000000); /* without the gaps */
    free(shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(few_are_shown_as_they_are, clear, release),
        cmocka_unit_test_setup_teardown(none_are_none, clear, release),
        cmocka_unit_test_setup_teardown(many_become_stretches, clear, release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
