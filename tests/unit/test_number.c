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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_of_16_bits_widens_exactly),
        cmocka_unit_test(every_value_of_16_bits_survives_the_way_there_and_back),
        cmocka_unit_test(rounding_turns_where_nearest_even_says),
        cmocka_unit_test(values_from_all_over_fp32_are_rounded_right),
        cmocka_unit_test(bits_and_values_are_two_views_of_one_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
