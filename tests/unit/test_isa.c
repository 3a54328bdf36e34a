/* isa.c: names, the cap of TG_ISA, and what is said of it. */
#include <stdlib.h>

#include "common/check.h"
#include "tile/execute.h"

static char logged[256];

static void keep_line(void *context, enum tg_log_level level, const char *line)
{
    (void)context;
    (void)level;
    (void)snprintf(logged, sizeof logged, "%s", line);
}

static void names_and_instruction_sets_belong_together(void **state)
{
    (void)state;
    for (int i = 0; i < TG_N_ISAS; i++) {
        enum tg_isa isa = TG_N_ISAS;
        assert_true(tg_isa_by_name(tg_isa_name((enum tg_isa)i), &isa));
        assert_int_equal(isa, i);
    }
    enum tg_isa isa = TG_ISA_AVX2;
    assert_false(tg_isa_by_name("AVX2", &isa));
    assert_false(tg_isa_by_name("", &isa));
    assert_int_equal(isa, TG_ISA_AVX2);
}

static void what_is_usable_does_not_change(void **state)
{
    (void)state;
    const enum tg_isa usable = tg_isa_usable();
    assert_true(usable < TG_N_ISAS);
    assert_int_equal(tg_isa_usable(), usable);
#if !defined(__x86_64__)
    assert_int_equal(usable, TG_ISA_PORTABLE);
#endif
}

static void the_environment_caps_the_choice_and_the_log_tells(void **state)
{
    (void)state;
    const enum tg_isa usable = tg_isa_usable();
    tg_log_to(keep_line, NULL, TG_LOG_INFO);
    for (int i = 0; i < TG_N_ISAS; i++) {
        enum tg_isa chosen = TG_N_ISAS;
        setenv("TG_ISA", tg_isa_name((enum tg_isa)i), 1);
        assert_int_equal(tg_isa_choose(NULL, &chosen), TG_OK);
        assert_int_equal(chosen, (enum tg_isa)i < usable ? (enum tg_isa)i : usable);
        assert_non_null(strstr(logged, tg_isa_name(chosen)));
        assert_int_equal(strstr(logged, "does not offer") != NULL, (enum tg_isa)i > usable);
    }
    enum tg_isa chosen = TG_N_ISAS;
    setenv("TG_ISA", "", 1);
    assert_int_equal(tg_isa_choose(NULL, &chosen), TG_OK);
    assert_int_equal(chosen, usable);
    unsetenv("TG_ISA");
    assert_int_equal(tg_isa_choose(NULL, &chosen), TG_OK);
    assert_int_equal(chosen, usable);
    tg_log_to(NULL, NULL, TG_LOG_SILENT);
}

static void a_name_that_is_none_is_refused(void **state)
{
    (void)state;
    enum tg_isa chosen = TG_ISA_AVX2;
    setenv("TG_ISA", "sse", 1);
    assert_int_equal(tg_isa_choose(NULL, &chosen), TG_ERR_ARGUMENT);
    assert_int_equal(chosen, TG_ISA_AVX2);
    assert_non_null(strstr(tg_last_message(), "'sse'"));
    assert_non_null(strstr(tg_last_message(), "avx512"));
    struct tg_device_config config;
    struct tg_device *device = NULL;
    tg_device_config_init(&config);
    assert_int_equal(tg_device_open(&config, &device), TG_ERR_ARGUMENT);
    assert_null(device);
    unsetenv("TG_ISA");
}

/* A slower set is at the front of the list, and the choice never needs more than is allowed. */
static void variants_go_from_slow_to_fast(void **state)
{
    (void)state;
    assert_int_equal(tg_tile_variant_at(0)->needs, TG_ISA_PORTABLE);
    for (size_t i = 1; tg_tile_variant_at(i); i++)
        assert_true(tg_tile_variant_at(i - 1)->needs < tg_tile_variant_at(i)->needs);
    for (int isa = 0; isa < TG_N_ISAS; isa++) {
        const struct tg_tile_variant *variant = tg_tile_variant_for((enum tg_isa)isa);
        assert_true(variant->needs <= (enum tg_isa)isa);
        for (size_t i = 0; tg_tile_variant_at(i); i++)
            if (tg_tile_variant_at(i)->needs <= (enum tg_isa)isa)
                assert_true(variant->needs >= tg_tile_variant_at(i)->needs);
    }
}

static void a_device_says_which_it_is(void **state)
{
    (void)state;
    static const char *const caps[] = {"portable", "avx2"};
    for (size_t i = 0; i < 2; i++) {
        struct tg_device_config config;
        struct tg_device *device;
        setenv("TG_ISA", caps[i], 1);
        tg_device_config_init(&config);
        assert_int_equal(tg_device_open(&config, &device), TG_OK);
        assert_string_equal(tg_device_isa(device), tg_isa_usable() >= TG_ISA_AVX2 ? caps[i] : "portable");
        tg_device_close(device);
    }
    unsetenv("TG_ISA");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(names_and_instruction_sets_belong_together),
    cmocka_unit_test(what_is_usable_does_not_change),
    cmocka_unit_test(the_environment_caps_the_choice_and_the_log_tells),
    cmocka_unit_test(a_name_that_is_none_is_refused),
    cmocka_unit_test(variants_go_from_slow_to_fast),
    cmocka_unit_test(a_device_says_which_it_is),
};

CHECK_MAIN(tests)
