/* platform.c: which platforms there are, and what is said of those that are not. */
#include "common/check.h"
#include "machine/machine.h"

static enum tg_status try_platform(const char *name)
{
    struct tg_device_config config;
    tg_device_config_init(&config);
    config.platform = name;
    config.gm_bytes = 1 << 20;
    struct tg_machine *machine = NULL;
    enum tg_status status = tg_machine_open(&config, &machine);
    if (status == TG_OK) {
        assert_non_null(machine);
        machine->ops->close(machine);
    } else {
        assert_null(machine);
    }
    return status;
}

static void every_platform_of_the_list_opens(void **state)
{
    (void)state;
    char names[256];
    snprintf(names, sizeof names, "%s", tg_platforms());
    int n = 0;
    for (char *name = strtok(names, " "); name; name = strtok(NULL, " "), n++)
        CHECK(try_platform(name) == TG_OK, "%s: %s", name, tg_last_message());
    assert_true(n > 0);
    assert_non_null(strstr(tg_platforms(), "a2a3sim"));
}

static void the_default_platform_is_on_the_list(void **state)
{
    (void)state;
    struct tg_device_config config;
    tg_device_config_init(&config);
    assert_int_equal(try_platform(config.platform), TG_OK);
}

static void what_is_not_offered_is_told_from_what_is_unknown(void **state)
{
    (void)state;
    assert_int_equal(try_platform("a2a3"), TG_ERR_PLATFORM);
    assert_non_null(strstr(tg_last_message(), "'a2a3'"));
    assert_non_null(strstr(tg_last_message(), "not implemented"));
    assert_non_null(strstr(tg_last_message(), tg_platforms()));
    static const char *const unknown[] = {"", "A2A3SIM", "a2a3sim ", "gpu"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_int_equal(try_platform(unknown[i]), TG_ERR_PLATFORM);
        assert_non_null(strstr(tg_last_message(), "there is no platform"));
        assert_non_null(strstr(tg_last_message(), tg_platforms()));
    }
    assert_int_equal(try_platform(NULL), TG_ERR_ARGUMENT);
    assert_non_null(strstr(tg_last_message(), tg_platforms()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_platform_of_the_list_opens),
        cmocka_unit_test(the_default_platform_is_on_the_list),
        cmocka_unit_test(what_is_not_offered_is_told_from_what_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
