/* finding.c: each thing once, with a count, and no more than are asked for. */
#include <stdlib.h>

#include "common/check.h"
#include "finding/finding.h"

static struct tg_finding_list list;

static struct tg_finding_item *count(enum tg_finding_code code, uint64_t value)
{
    return tg_finding_count(&list, code, tg_finding_key(&value, 1));
}

static void the_first_of_a_kind_is_described_and_the_others_are_counted(void **state)
{
    (void)state;
    struct tg_finding_item *item = count(TG_FINDING_PIPE_RAW, 7);
    assert_non_null(item);
    tg_finding_what(&list, item, "%d bytes", 3);
    tg_finding_where(&list, item, "here");
    tg_finding_mend(&list, item, "there");
    for (int i = 0; i < 9; i++) assert_null(count(TG_FINDING_PIPE_RAW, 7));
    assert_int_equal(list.n, 1);
    assert_int_equal(list.items[0].count, 10);
    assert_string_equal(list.items[0].what, "3 bytes");
    assert_string_equal(list.items[0].where, "here");
    assert_string_equal(list.items[0].mend, "there");
    tg_finding_list_fini(&list);
}

static void another_code_or_key_is_another_finding(void **state)
{
    (void)state;
    assert_non_null(count(TG_FINDING_PIPE_RAW, 7));
    assert_non_null(count(TG_FINDING_PIPE_WAR, 7));
    assert_non_null(count(TG_FINDING_PIPE_RAW, 8));
    assert_null(count(TG_FINDING_PIPE_WAR, 7));
    assert_int_equal(list.n, 3);
    tg_finding_list_fini(&list);
}

static void keys_depend_on_order_and_on_every_value(void **state)
{
    (void)state;
    const uint64_t a[] = {1, 2, 3}, b[] = {2, 1, 3}, c[] = {1, 2, 4}, d[] = {1, 2};
    assert_true(tg_finding_key(a, 3) == tg_finding_key(a, 3));
    assert_false(tg_finding_key(a, 3) == tg_finding_key(b, 3));
    assert_false(tg_finding_key(a, 3) == tg_finding_key(c, 3));
    assert_false(tg_finding_key(a, 3) == tg_finding_key(d, 2));
}

static void places_are_equal_by_text_not_by_pointer(void **state)
{
    (void)state;
    char copy[] = "kernel.c";
    assert_true(tg_finding_place("kernel.c", 9) == tg_finding_place(copy, 9));
    assert_false(tg_finding_place("kernel.c", 9) == tg_finding_place("kernel.c", 10));
    assert_false(tg_finding_place("kernel.c", 9) == tg_finding_place("kernel.d", 9));
    (void)tg_finding_place(NULL, 9);
}

static void beyond_the_limit_occurrences_are_only_counted(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < TG_FINDINGS_MAX; i++) assert_non_null(count(TG_FINDING_FLAG_LEFT, i));
    for (uint64_t i = 0; i < 5; i++) assert_null(count(TG_FINDING_FLAG_LEFT, TG_FINDINGS_MAX + i));
    assert_int_equal(list.n, TG_FINDINGS_MAX);
    assert_int_equal(list.n_beyond, 5);
    for (uint64_t i = 0; i < TG_FINDINGS_MAX; i++) assert_null(count(TG_FINDING_FLAG_LEFT, i));
    for (uint64_t i = 0; i < TG_FINDINGS_MAX; i++) assert_int_equal(list.items[i].count, 2);
    assert_false(list.lost);
    tg_finding_list_fini(&list);
}

static void every_code_has_a_name_and_a_meaning(void **state)
{
    (void)state;
#define CODE(name, text)                                                                                               \
    assert_string_equal(tg_finding_name(TG_FINDING_##name), #name);                                                    \
    assert_string_equal(tg_finding_text(TG_FINDING_##name), text);
    TG_FINDINGS(CODE)
#undef CODE
    assert_string_equal(tg_finding_name((enum tg_finding_code)4711), "unknown");
    assert_string_equal(tg_finding_text((enum tg_finding_code) - 1), "unknown");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_first_of_a_kind_is_described_and_the_others_are_counted),
    cmocka_unit_test(another_code_or_key_is_another_finding),
    cmocka_unit_test(keys_depend_on_order_and_on_every_value),
    cmocka_unit_test(places_are_equal_by_text_not_by_pointer),
    cmocka_unit_test(beyond_the_limit_occurrences_are_only_counted),
    cmocka_unit_test(every_code_has_a_name_and_a_meaning),
};

CHECK_MAIN(tests)
