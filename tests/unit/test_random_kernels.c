/* Random kernels: the checks inside a kernel say what an oracle says that asks for paths, byte by byte. A number as
 * argument: so many kernels. */
#include <stdlib.h>

#include "common/check.h"
#include "common/random.h"
#include "common/random_kernel.h"

static int n_kernels = 3000;

static uint32_t draw(void *context, uint32_t n) { return (uint32_t)random_below(context, (int)n); }

static void the_check_says_what_an_oracle_says(void **state)
{
    (void)state;
    int n_hazards = 0, n_unwritten = 0, n_undrained = 0, n_right = 0;
    for (int seed = 1; seed <= n_kernels; seed++) {
        uint64_t random = (uint64_t)seed;
        struct random_kernel_verdict check, oracle;
        char text[16384];
        random_kernel_judge(draw, &random, &check, &oracle, text, sizeof text);
        CHECK(check.hazard == oracle.hazard, "seed %d: hazard %d, the oracle says %d\n%s", seed, check.hazard,
              oracle.hazard, text);
        CHECK(check.unwritten == oracle.unwritten, "seed %d: unwritten %d, the oracle says %d\n%s", seed,
              check.unwritten, oracle.unwritten, text);
        CHECK(check.undrained == oracle.undrained, "seed %d: undrained %d, the oracle says %d\n%s", seed,
              check.undrained, oracle.undrained, text);
        CHECK(check.cached == oracle.cached, "seed %d: cached %d, the oracle says %d\n%s", seed, check.cached,
              oracle.cached, text);
        n_hazards += oracle.hazard;
        n_unwritten += oracle.unwritten;
        n_undrained += oracle.undrained;
        n_right += !oracle.hazard && !oracle.unwritten && !oracle.undrained;
    }
    print_message("    %d kernels: %d with a hazard, %d read what is not written, %d not drained, %d right\n",
                  n_kernels, n_hazards, n_unwritten, n_undrained, n_right);
    assert_true(n_hazards > n_kernels / 20 && n_hazards < n_kernels - n_kernels / 20);
    assert_true(n_undrained > n_kernels / 20 && n_unwritten > n_kernels / 20 && n_right > n_kernels / 100);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_check_says_what_an_oracle_says)};
    if (argc > 1) n_kernels = atoi(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
