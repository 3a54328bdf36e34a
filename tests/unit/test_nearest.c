/* nearest.c: the name that was meant, by the cases that the Python side has to answer alike. */
#include <string.h>

#include <tilegraph/tilegraph.h>

#include "common/check.h"

static void every_case_of_the_table(void **state)
{
    (void)state;
    FILE *file = fopen(TG_TEST_SOURCE_DIR "/tests/nearest.txt", "r");
    assert_non_null(file);
    char line[512];
    int n_cases = 0;
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '#') continue;
        char *rest, *given = strtok_r(line, "\t\n", &rest), *list = strtok_r(NULL, "\t\n", &rest);
        const char *expected = strtok_r(NULL, "\t\n", &rest);
        const char *names[16];
        size_t n = 0;
        char *words;
        for (char *name = strtok_r(list, " ", &words); name && n < 16; name = strtok_r(NULL, " ", &words))
            names[n++] = name;
        const char *found = tg_nearest_name(given, names, n);
        if (strcmp(found ? found : "-", expected) != 0)
            fail_msg("%s: found %s, expected %s", given, found ? found : "-", expected);
        n_cases++;
    }
    fclose(file);
    assert_true(n_cases > 10);
}

static void long_names_and_no_names(void **state)
{
    (void)state;
    char name[200];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const char *const names[] = {name, "short"};
    assert_null(tg_nearest_name(name, names, 2)); /* too long to be compared */
    assert_string_equal(tg_nearest_name("shrot", names, 2), "short");
    assert_null(tg_nearest_name("short", names, 0));
    assert_null(tg_nearest_name("", names, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_of_the_table),
                                       cmocka_unit_test(long_names_and_no_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
