/* check.h - what every test of this project includes instead of cmocka.h, and checks that print numbers. */
#ifndef TESTS_COMMON_CHECK_H
#define TESTS_COMMON_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Fail with a printf-like message unless `condition` holds. */
#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            print_error("%s: ", #condition);                                                                           \
            fail_msg(__VA_ARGS__);                                                                                     \
        }                                                                                                              \
    } while (0)

/* Leave a test that cannot work here; says which and why. */
#define SKIP(...)                                                                                                      \
    do {                                                                                                               \
        print_message("skipped, %s: ", __func__);                                                                      \
        print_message(__VA_ARGS__);                                                                                    \
        print_message("\n");                                                                                           \
        skip();                                                                                                        \
    } while (0)

/* Run a group of tests; a program's first argument, if there is one, names those to run (* and ? match anything). */
#define CHECK_MAIN(tests)                                                                                              \
    int main(int argc, char **argv)                                                                                    \
    {                                                                                                                  \
        if (argc > 1) cmocka_set_test_filter(argv[1]);                                                                 \
        return cmocka_run_group_tests(tests, NULL, NULL);                                                              \
    }

/* Which sanitizers this program was built with. */
#if defined(__SANITIZE_ADDRESS__)
#define TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TEST_TSAN 1
#endif
#endif
#ifndef TEST_ASAN
#define TEST_ASAN 0
#endif
#ifndef TEST_TSAN
#define TEST_TSAN 0
#endif

/* Whether this run tries all that a test can draw. The entries of the label `long` do; others try every second. */
static inline bool tries_all(void) { return getenv("TG_TEST_ALL") != NULL; }

/* A sanitizer instruments modules by itself, so that they cannot tell of plain accesses. true, said: a test that is
 * about these has to be skipped. */
static inline bool skip_without_plain_accesses(void)
{
    if (TEST_ASAN || TEST_TSAN) printf("skipped: plain accesses of modules are not seen under a sanitizer\n");
    return TEST_ASAN || TEST_TSAN;
}

#endif
