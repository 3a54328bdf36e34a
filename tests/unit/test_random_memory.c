/* Random runs: the checks between tasks give the verdict of an oracle that compares all pairs. Argument: the number of
 * runs. */
#include <stdlib.h>

#include "common/check.h"
#include "common/random.h"
#include "common/random_memory.h"

static int n_runs = 20000;

static uint32_t draw(void *context, uint32_t n) { return (uint32_t)random_below(context, (int)n); }

static void the_check_agrees_with_an_oracle(void **state)
{
    (void)state;
    int n_races = 0, n_lines = 0, n_right = 0;
    for (int seed = 1; seed <= n_runs; seed++) {
        uint64_t random = (uint64_t)seed;
        struct random_memory_verdict check, oracle;
        static char text[32768];
        random_memory_judge(draw, &random, &check, &oracle, text, sizeof text);
        CHECK(check.race == oracle.race, "seed %d: race %d, the oracle says %d\n%s", seed, check.race, oracle.race,
              text);
        /* A finding about the bytes is not repeated for their line. */
        CHECK(oracle.race || check.line == oracle.line, "seed %d: line %d, the oracle says %d\n%s", seed, check.line,
              oracle.line, text);
        n_races += oracle.race;
        n_lines += !oracle.race && oracle.line;
        n_right += !oracle.race && !oracle.line;
    }
    print_message("    %d runs: %d with a race, %d with a race of lines only, %d right\n", n_runs, n_races, n_lines,
                  n_right);
    assert_true(n_races > n_runs / 20 && n_lines > n_runs / 100 && n_right > n_runs / 20);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_check_agrees_with_an_oracle)};
    if (argc > 1) n_runs = atoi(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
