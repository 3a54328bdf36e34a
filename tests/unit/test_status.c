/* status.c: the table of statuses, as programs see it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <tilegraph/tilegraph.h>

static const enum tg_status all[] = {
#define STATUS_VALUE(name, value, exit_code, sentence, hint) TG_##name,
    TG_STATUSES(STATUS_VALUE)
#undef STATUS_VALUE
};
enum { N_STATUSES = sizeof all / sizeof all[0] };

/* Programs compare these numbers: they are written out here once more. */
static void values_and_exit_codes_are_stable(void **state)
{
    (void)state;
    static const struct {
        enum tg_status status;
        int value, exit_code;
        const char *name;
    } stable[] = {
        {TG_OK, 0, 0, "TG_OK"},
        {TG_ERR_MISMATCH, 1, 1, "TG_ERR_MISMATCH"},
        {TG_ERR_ARGUMENT, 2, 2, "TG_ERR_ARGUMENT"},
        {TG_ERR_FILE, 3, 2, "TG_ERR_FILE"},
        {TG_ERR_ORCHESTRATION, 4, 2, "TG_ERR_ORCHESTRATION"},
        {TG_ERR_UNKNOWN_FUNC, 5, 2, "TG_ERR_UNKNOWN_FUNC"},
        {TG_ERR_CORE_TYPE, 6, 2, "TG_ERR_CORE_TYPE"},
        {TG_ERR_EDGE, 7, 2, "TG_ERR_EDGE"},
        {TG_ERR_PUBLISH, 8, 2, "TG_ERR_PUBLISH"},
        {TG_ERR_MISUSE, 9, 2, "TG_ERR_MISUSE"},
        {TG_ERR_DEADLOCK_CYCLE, 10, 4, "TG_ERR_DEADLOCK_CYCLE"},
        {TG_ERR_DEADLOCK_UNPUBLISHED, 11, 4, "TG_ERR_DEADLOCK_UNPUBLISHED"},
        {TG_ERR_DEADLOCK_WAIT, 12, 4, "TG_ERR_DEADLOCK_WAIT"},
        {TG_ERR_MEMORY, 13, 5, "TG_ERR_MEMORY"},
        {TG_ERR_DEVICE_MEMORY, 14, 5, "TG_ERR_DEVICE_MEMORY"},
        {TG_ERR_TOO_MANY_ARGS, 15, 5, "TG_ERR_TOO_MANY_ARGS"},
        {TG_ERR_TILE, 16, 6, "TG_ERR_TILE"},
        {TG_ERR_KERNEL_FAULT, 17, 6, "TG_ERR_KERNEL_FAULT"},
        {TG_ERR_KERNEL_TIMEOUT, 18, 6, "TG_ERR_KERNEL_TIMEOUT"},
        {TG_ERR_PLUGIN_FAULT, 19, 6, "TG_ERR_PLUGIN_FAULT"},
        {TG_ERR_PLUGIN_TIMEOUT, 20, 6, "TG_ERR_PLUGIN_TIMEOUT"},
        {TG_ERR_PLATFORM, 21, 7, "TG_ERR_PLATFORM"},
        {TG_ERR_LOAD, 22, 8, "TG_ERR_LOAD"},
        {TG_ERR_SYMBOL, 23, 8, "TG_ERR_SYMBOL"},
        {TG_ERR_ABI, 24, 8, "TG_ERR_ABI"},
        {TG_ERR_GLOBAL_MEMORY, 25, 6, "TG_ERR_GLOBAL_MEMORY"},
        {TG_ERR_CHECK, 26, 3, "TG_ERR_CHECK"},
        {TG_ERR_CANCELLED, 27, 2, "TG_ERR_CANCELLED"},
        {TG_ERR_CACHE_FULL, 28, 5, "TG_ERR_CACHE_FULL"},
    };
    for (size_t i = 0; i < sizeof stable / sizeof stable[0]; i++) {
        assert_int_equal(stable[i].status, stable[i].value);
        assert_int_equal(tg_status_exit_code(stable[i].status), stable[i].exit_code);
        assert_string_equal(tg_status_name(stable[i].status), stable[i].name);
    }
}

static void every_status_says_what_and_what_to_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_STATUSES; i++) {
        assert_true(strncmp(tg_status_name(all[i]), "TG_", 3) == 0);
        assert_true(strlen(tg_status_text(all[i])) > 6);
        assert_int_equal(strlen(tg_status_hint(all[i])) > 6, all[i] != TG_OK);
        assert_true(tg_status_exit_code(all[i]) >= 0 && tg_status_exit_code(all[i]) <= 8);
        assert_int_equal(tg_status_exit_code(all[i]) == 0, all[i] == TG_OK);
    }
}

static void no_two_statuses_are_alike(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_STATUSES; i++)
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(all[i], all[j]);
            assert_string_not_equal(tg_status_name(all[i]), tg_status_name(all[j]));
            assert_string_not_equal(tg_status_text(all[i]), tg_status_text(all[j]));
        }
}

static void what_is_no_status_is_unknown(void **state)
{
    (void)state;
    static const int none[] = {-1, N_STATUSES, 1000, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        enum tg_status status;
        memcpy(&status, &none[i], sizeof status); /* as a value from elsewhere would come */
        assert_string_equal(tg_status_name(status), "unknown");
        assert_non_null(strstr(tg_status_text(status), "unknown"));
        assert_non_null(tg_status_hint(status));
        assert_int_equal(tg_status_exit_code(status), 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_exit_codes_are_stable),
        cmocka_unit_test(every_status_says_what_and_what_to_do),
        cmocka_unit_test(no_two_statuses_are_alike),
        cmocka_unit_test(what_is_no_status_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
