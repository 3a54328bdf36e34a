/* lines.c: time adds up by line, lines of kernels stay apart, and the list begins with the most time. */
#include <stdlib.h>

#include "common/check.h"
#include "trace/lines.h"

static const char add_source[] = "add.c", mul_source[] = "mul.c";

static void spend(struct tg_lines *lines, const char *file, uint32_t line, uint32_t op, double ns)
{
    const struct tg_spent spent = {file, line, op, ns};
    assert_true(tg_lines_add(lines, file == add_source ? "add" : "mul", &spent));
}

static void work_and_waits_of_all_cores_add_up(void **state)
{
    (void)state;
    struct tg_lines tables[3] = {{0}};
    struct tg_line *all;
    size_t n;
    spend(&tables[0], add_source, 7, TG_OP_WAIT_FLAG, 5);
    spend(&tables[0], add_source, 7, TG_OP_TADD, 10);
    spend(&tables[2], add_source, 7, TG_OP_TADD, 20);
    spend(&tables[2], mul_source, 7, TG_OP_TMUL, 100);
    spend(&tables[2], add_source, 8, TG_OP_WAIT_FLAG, 1);
    spend(&tables[2], NULL, 9, TG_OP_TADD, 1000); /* a kernel that does not say where it is */
    assert_true(tg_lines_join(tables, 3, &all, &n));
    assert_int_equal(n, 3);
    assert_ptr_equal(all[0].file, mul_source);
    assert_string_equal(all[0].kernel, "mul");
    assert_ptr_equal(all[1].file, add_source);
    assert_int_equal(all[1].line, 7);
    assert_int_equal(all[1].n, 2);
    assert_int_equal(all[1].op, TG_OP_TADD); /* not the wait, which came first */
    CHECK(all[1].work_ns > 29.9 && all[1].work_ns < 30.1, "%g ns", all[1].work_ns);
    CHECK(all[1].wait_ns > 4.9 && all[1].wait_ns < 5.1, "%g ns", all[1].wait_ns);
    assert_int_equal(all[2].line, 8);
    assert_int_equal(all[2].n, 0);
    free(all);
    assert_true(tg_lines_join(tables, 3, &all, &n)); /* they are empty now */
    assert_null(all);
    assert_int_equal(n, 0);
}

static void many_lines_are_all_there(void **state)
{
    (void)state;
    enum { N = 5000 };
    struct tg_lines table = {0};
    struct tg_line *all;
    size_t n;
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t line = 1; line <= N; line++)
            spend(&table, line % 2 ? add_source : mul_source, line, TG_OP_TADD, line);
    assert_true(tg_lines_join(&table, 1, &all, &n));
    assert_int_equal(n, N);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(all[i].line, N - i);
        CHECK((uint32_t)all[i].work_ns == 2 * all[i].line, "line %u: %g ns", all[i].line, all[i].work_ns);
    }
    free(all);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(work_and_waits_of_all_cores_add_up),
    cmocka_unit_test(many_lines_are_all_there),
};
CHECK_MAIN(tests)
