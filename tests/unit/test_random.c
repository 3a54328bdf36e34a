/* random.h: the generator of schedules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"

/* The first numbers of splitmix64 from the state 1234567, as its authors' program gives them. */
static void the_numbers_are_those_of_splitmix64(void **state)
{
    (void)state;
    static const uint64_t expected[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                        4593380528125082431u, 16408922859458223821u};
    uint64_t random = 1234567;
    for (int i = 0; i < 5; i++) assert_true(tg_random_next(&random) == expected[i]);
}

static void a_draw_is_below_its_bound_and_hits_everything(void **state)
{
    (void)state;
    uint64_t random = 0;
    for (uint32_t n = 1; n <= 100; n++) {
        uint32_t hits[100] = {0};
        for (uint32_t i = 0; i < 200 * n; i++) {
            uint32_t drawn = tg_random_below(&random, n);
            assert_true(drawn < n);
            hits[drawn]++;
        }
        for (uint32_t i = 0; i < n; i++) assert_in_range(hits[i], 100, 300);
    }
    for (int i = 0; i < 1000; i++) assert_true(tg_random_below(&random, UINT32_MAX) < UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_numbers_are_those_of_splitmix64),
        cmocka_unit_test(a_draw_is_below_its_bound_and_hits_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
