/* number.h: every value of the 16-bit types, and every place where rounding turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reference.h"
#include "tile/number.h"

struct format {
    const char *name;
    int exponent_bits, fraction_bits;
    float (*widen)(uint16_t bits);
    uint16_t (*narrow)(float value);
};
static const struct format formats[] = {
    {"fp16", 5, 10, tg_f32_of_f16, tg_f16_of_f32},
    {"bf16", 8, 7, tg_f32_of_bf16, tg_bf16_of_f32},
};

static void every_value_of_16_bits_widens_exactly(void **state)
{
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        const struct format *format = &formats[f];
        for (uint32_t bits = 0; bits < 0x10000; bits++) {
            float value = format->widen((uint16_t)bits);
            double expected = ref_value(bits, format->exponent_bits, format->fraction_bits);
            if (!ref_equal((double)value, expected) || (!isnan(value) && !signbit(value) != !signbit(expected)))
                fail_msg("%s 0x%04x: %a instead of %a", format->name, bits, (double)value, expected);
        }
    }
}

static void every_value_of_16_bits_survives_the_way_there_and_back(void **state)
{
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        const struct format *format = &formats[f];
        for (uint32_t bits = 0; bits < 0x10000; bits++) {
            uint16_t back = format->narrow(format->widen((uint16_t)bits));
            if (isnan(format->widen((uint16_t)bits))) {
                if (!isnan(format->widen(back)) || (back ^ bits) & 0x8000)
                    fail_msg("%s NaN 0x%04x became 0x%04x", format->name, bits, back);
            } else if (back != bits) {
                fail_msg("%s 0x%04x became 0x%04x", format->name, bits, back);
            }
        }
    }
}

static void narrow_one(const struct format *format, uint32_t bits)
{
    float value = tg_f32_of_bits(bits);
    uint16_t got = format->narrow(value);
    if (isnan(value)) {
        if (!isnan(format->widen(got))) fail_msg("%s of NaN 0x%08x is 0x%04x", format->name, bits, got);
        return;
    }
    uint32_t expected = ref_bits((double)value, format->exponent_bits, format->fraction_bits);
    if (got != expected) fail_msg("%s of %a is 0x%04x, not 0x%04x", format->name, (double)value, got, expected);
}

static void rounding_turns_where_nearest_even_says(void **state)
{
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        const struct format *format = &formats[f];
        for (uint32_t bits = 0; bits < 0x10000; bits++) {
            /* Half way from this value to the next, and what is just beside. */
            double here = ref_value(bits, format->exponent_bits, format->fraction_bits);
            double next = ref_value(bits + 1, format->exponent_bits, format->fraction_bits);
            if (isnan(here) || isnan(next) || isinf(here)) continue;
            if (isinf(next)) next = 2 * here - ref_value(bits - 1, format->exponent_bits, format->fraction_bits);
            uint32_t middle = tg_bits_of_f32((float)((here + next) / 2));
            for (uint32_t bit = middle - 2; bit != middle + 3; bit++) narrow_one(format, bit);
        }
    }
}

static void values_from_all_over_fp32_are_rounded_right(void **state)
{
    (void)state;
    for (size_t f = 0; f < 2; f++)
        for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 4099) narrow_one(&formats[f], (uint32_t)bits);
}

static void bits_and_values_are_two_views_of_one_number(void **state)
{
    (void)state;
    assert_int_equal(tg_bits_of_f32(1.0f), 0x3F800000);
    assert_true(tg_f32_of_bits(0xC0000000u) == -2.0f);
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 65537)
        assert_int_equal(tg_bits_of_f32(tg_f32_of_bits((uint32_t)bits)), bits);
}

/* Steps of fp32 between two numbers of one sign; a NaN is one value, and so are the infinities. */
static double steps(float a, float b)
{
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b) ? 0 : INFINITY;
    return fabs((double)(tg_bits_of_f32(a) & 0x7FFFFFFFu) - (double)(tg_bits_of_f32(b) & 0x7FFFFFFFu)) +
           (signbit(a) != signbit(b) && a != b ? INFINITY : 0.0);
}

/* From all over fp32: subnormal, huge, negative, infinite, NaN. */
static void exp_and_log_are_within_a_step_of_the_nearest_number(void **state)
{
    (void)state;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 2039) {
        const float x = tg_f32_of_bits((uint32_t)bits);
        const float e = (float)exp((double)x), l = (float)log((double)x);
        if (steps(tg_exp_f32(x), e) > 1)
            fail_msg("exp of %a is %a, not %a", (double)x, (double)tg_exp_f32(x), (double)e);
        if (steps(tg_log_f32(x), l) > 1)
            fail_msg("log of %a is %a, not %a", (double)x, (double)tg_log_f32(x), (double)l);
    }
    assert_true(tg_exp_f32(0.0f) == 1.0f && tg_exp_f32(-0.0f) == 1.0f && tg_log_f32(1.0f) == 0.0f);
    assert_true(tg_exp_f32(-INFINITY) == 0.0f && isinf(tg_exp_f32(INFINITY)) && isinf(tg_log_f32(INFINITY)));
    for (float x = -104.5f; x < 89.5f; x += 0.0137f) /* densely where the result is a number */
        if (steps(tg_exp_f32(x), (float)exp((double)x)) > 1)
            fail_msg("exp of %a is %a", (double)x, (double)tg_exp_f32(x));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_of_16_bits_widens_exactly),
        cmocka_unit_test(every_value_of_16_bits_survives_the_way_there_and_back),
        cmocka_unit_test(rounding_turns_where_nearest_even_says),
        cmocka_unit_test(values_from_all_over_fp32_are_rounded_right),
        cmocka_unit_test(bits_and_values_are_two_views_of_one_number),
        cmocka_unit_test(exp_and_log_are_within_a_step_of_the_nearest_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
