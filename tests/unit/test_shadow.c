/* shadow.c: segments and bits, against an array of bytes. */
#include "check/core/shadow.h"
#include "common/check.h"
#include "common/random.h"

enum { BYTES = 4096 };

static struct tg_shadow shadow;

static void open_shadow(void) { assert_true(tg_shadow_init(&shadow, BYTES)); }

static void expect_sound(void)
{
    assert_true(shadow.n >= 1 && shadow.n < shadow.capacity);
    assert_int_equal(shadow.segments[0].low, 0);
    assert_int_equal(shadow.segments[shadow.n].low, BYTES);
    for (uint32_t i = 0; i < shadow.n; i++) assert_true(shadow.segments[i].low < shadow.segments[i + 1].low);
}

static void segments_remember_the_last_writer_of_every_byte(void **state)
{
    (void)state;
    static uint32_t writer[BYTES], reader[BYTES];
    uint64_t random = 3;
    open_shadow();
    for (uint32_t n = 1; n <= 3000; n++) {
        struct tg_bytes bytes = {32u * (uint32_t)random_below(&random, BYTES / 32), 0};
        bytes.high = bytes.low + 32u * (1 + (uint32_t)random_below(&random, 8));
        if (bytes.high > BYTES) bytes.high = BYTES;
        uint32_t first, last;
        assert_true(tg_shadow_cut(&shadow, bytes, &first, &last));
        assert_true(shadow.segments[first].low == bytes.low && shadow.segments[last].low == bytes.high);
        const struct tg_mark mark = {.number = n};
        const struct tg_tile tile = {.offset = n};
        const bool writes = random_chance(&random, 60);
        for (uint32_t i = first; i < last && !writes; i++) shadow.segments[i].reader[1] = mark;
        if (writes) tg_shadow_write(&shadow, first, last, &mark, &tile);
        for (uint32_t at = bytes.low; at < bytes.high; at++) {
            if (writes) writer[at] = n;
            reader[at] = writes ? 0 : n;
        }
        expect_sound();
        for (uint32_t i = 0; i < shadow.n; i++)
            for (uint32_t at = shadow.segments[i].low; at < shadow.segments[i + 1].low; at++) {
                const struct tg_segment *s = &shadow.segments[i];
                CHECK(s->writer.number == writer[at] && s->reader[1].number == reader[at], "step %u, byte %u", n, at);
                assert_true(s->writer.number == 0 || s->written_as.offset == s->writer.number);
            }
    }
    tg_shadow_fini(&shadow);
}

static void bits_tell_what_is_written(void **state)
{
    (void)state;
    static bool written[BYTES / 2];
    uint64_t random = 4;
    open_shadow();
    for (int n = 0; n < 3000; n++) {
        struct tg_bytes bytes = {2u * (uint32_t)random_below(&random, BYTES / 2), 0};
        bytes.high = bytes.low + 2u * (uint32_t)random_below(&random, 300);
        if (bytes.high > BYTES) bytes.high = BYTES;
        const bool value = random_chance(&random, 50);
        if (random_chance(&random, 70)) {
            tg_shadow_set_written(&shadow, bytes, value);
            for (uint32_t unit = bytes.low / 2; unit < bytes.high / 2; unit++) written[unit] = value;
        }
        uint32_t expected = bytes.low;
        while (expected < bytes.high && written[expected / 2]) expected += 2;
        CHECK(tg_shadow_unwritten(&shadow, bytes) == expected, "step %d", n);
    }
    tg_shadow_fini(&shadow);
}

static void a_kernel_begins_with_nothing_written(void **state)
{
    (void)state;
    open_shadow();
    const struct tg_bytes all = {0, BYTES};
    const struct tg_mark mark = {.number = 1};
    const struct tg_tile tile = {.offset = 0};
    uint32_t first, last;
    assert_true(tg_shadow_cut(&shadow, (struct tg_bytes){64, 128}, &first, &last));
    tg_shadow_write(&shadow, first, last, &mark, &tile);
    tg_shadow_set_written(&shadow, all, true);
    assert_int_equal(tg_shadow_unwritten(&shadow, all), BYTES);
    tg_shadow_begin(&shadow);
    expect_sound();
    assert_int_equal(shadow.n, 1);
    assert_int_equal(shadow.segments[0].writer.number, 0);
    assert_int_equal(tg_shadow_unwritten(&shadow, all), 0);
    tg_shadow_fini(&shadow);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(segments_remember_the_last_writer_of_every_byte),
    cmocka_unit_test(bits_tell_what_is_written),
    cmocka_unit_test(a_kernel_begins_with_nothing_written),
};

CHECK_MAIN(tests)
