/* attention.h: random problems against softmax over all keys in double precision, on both platforms. */
#include <stdlib.h>

#include "common/attention_case.h"
#include "common/check.h"
#include "common/random.h"

/* Run the case, and fail with its description unless the result is right. */
static void expect_right(struct attention_case *c, struct tg_device *device)
{
    char what[512], text[256] = "";
    attention_case_describe(c, what, sizeof what);
    const enum tg_status status = attention_case_run(c, device);
    CHECK(status == TG_OK, "%s: %s: %s", what, tg_status_name(status), tg_last_message());
    const uint64_t wrong = attention_case_wrong(c, text, sizeof text);
    CHECK(wrong == 0, "seed %llu: %s: %llu wrong, %s", (unsigned long long)c->seed, what, (unsigned long long)wrong,
          text);
}

static struct tg_device *open_device(const char *platform, const char *isa)
{
    struct tg_device_config config;
    struct tg_device *device;
    tg_device_config_init(&config);
    config.platform = platform;
    config.isa = isa;
    assert_int_equal(tg_device_open(&config, &device), TG_OK);
    return device;
}

/* Cases [first, first + n) of the random ones. */
static void run_random(const char *platform, const char *isa, bool check, uint64_t first, uint64_t n, uint32_t most)
{
    struct tg_device *device = open_device(platform, isa);
    struct tg_run_config run;
    tg_run_config_init(&run);
    run.check = check;
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct attention_case c;
        attention_case_draw(&c, seed, most);
        c.config.run = &run;
        expect_right(&c, device);
        attention_case_free(&c);
    }
    assert_int_equal(tg_device_bytes_in_use(device), 0);
    tg_device_close(device);
}

static uint64_t n_cases = 40, first_case = 1;

static void random_problems_are_right_on_cpu(void **state)
{
    (void)state;
    run_random("cpu", NULL, false, first_case, n_cases, 700);
}

static void random_problems_are_right_in_portable_code(void **state)
{
    (void)state;
    run_random("cpu", "portable", false, first_case + n_cases, n_cases / 4, 200);
}

static void random_problems_are_right_on_a2a3sim_with_checks(void **state)
{
    (void)state;
    run_random("a2a3sim", NULL, true, first_case, n_cases / 2, 150);
}

/* Arguments: the number of cases, the first seed. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_problems_are_right_on_cpu),
        cmocka_unit_test(random_problems_are_right_in_portable_code),
        cmocka_unit_test(random_problems_are_right_on_a2a3sim_with_checks),
    };
    if (argc > 1) n_cases = strtoull(argv[1], NULL, 10);
    if (argc > 2) first_case = strtoull(argv[2], NULL, 10);
    if (argc > 3) cmocka_set_test_filter(argv[3]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
