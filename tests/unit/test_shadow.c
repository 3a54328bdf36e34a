/* shadow.c: segments and touches, against an array of bytes. */
#include "check/core/shadow.h"
#include "common/check.h"
#include "common/random.h"

enum { BYTES = 4096 };

static struct tg_shadow shadow;

static void open_shadow(void) { assert_true(tg_shadow_init(&shadow, BYTES)); }

static void expect_sound(void)
{
    assert_true(shadow.n >= 1 && shadow.n < shadow.capacity && shadow.n_touches <= shadow.touches_max);
    assert_int_equal(shadow.segments[0].low, 0);
    assert_int_equal(shadow.segments[shadow.n].low, BYTES);
    for (uint32_t i = 0; i < shadow.n; i++) assert_true(shadow.segments[i].low < shadow.segments[i + 1].low);
}

static uint32_t number_of(uint32_t touch) { return touch ? shadow.touches[touch].mark.number : 0; }

static void segments_remember_who_used_every_byte_last(void **state)
{
    (void)state;
    static uint32_t writer[BYTES], reader[BYTES];
    uint64_t random = 3;
    open_shadow();
    for (uint32_t n = 1; n <= 3000; n++) {
        struct tg_bytes bytes = {2u * (uint32_t)random_below(&random, BYTES / 2), 0};
        bytes.high = bytes.low + 2u * (1 + (uint32_t)random_below(&random, 128));
        if (bytes.high > BYTES) bytes.high = BYTES;
        const struct tg_mark mark = {.number = n};
        const struct tg_operand operand = {.tile = {.offset = n}, .use = TG_USE_WRITE};
        const uint32_t touch = tg_shadow_touch(&shadow, &mark, &operand);
        uint32_t first = 0, last = 0;
        assert_true(touch > 0 && tg_shadow_cut(&shadow, bytes, &first, &last));
        assert_true(shadow.segments[first].low == bytes.low && shadow.segments[last].low == bytes.high);
        const bool writes = random_chance(&random, 60);
        for (uint32_t i = first; i < last && !writes; i++) shadow.segments[i].reader[1] = touch;
        if (writes) tg_shadow_write(&shadow, first, last, touch);
        for (uint32_t at = bytes.low; at < bytes.high; at++) {
            if (writes) writer[at] = n;
            reader[at] = writes ? 0 : n;
        }
        expect_sound();
        for (uint32_t i = 0; i < shadow.n; i++) {
            const struct tg_segment *s = &shadow.segments[i];
            assert_true(s->writer == 0 || shadow.touches[s->writer].tile.offset == number_of(s->writer));
            for (uint32_t at = s[0].low; at < s[1].low; at++)
                CHECK(number_of(s->writer) == writer[at] && number_of(s->reader[1]) == reader[at], "step %u, byte %u",
                      n, at);
        }
    }
    tg_shadow_fini(&shadow);
}

/* The shadow of a kernel of any length keeps only the present contents of the buffer. */
static void touches_of_what_is_overwritten_are_dropped(void **state)
{
    (void)state;
    open_shadow();
    for (uint32_t n = 1; n <= 100000; n++) {
        const struct tg_mark mark = {.number = n};
        const struct tg_operand operand = {.use = TG_USE_WRITE};
        const uint32_t touch = tg_shadow_touch(&shadow, &mark, &operand);
        uint32_t first, last;
        assert_true(tg_shadow_cut(&shadow, (struct tg_bytes){64 * (n % 8), 64 * (n % 8) + 64}, &first, &last));
        tg_shadow_write(&shadow, first, last, touch);
    }
    expect_sound();
    assert_true(shadow.touches_max <= 128);
    tg_shadow_fini(&shadow);
}

/* Rows of a tile that lie behind each other become one segment again. */
static void neighbours_that_are_equal_are_joined(void **state)
{
    (void)state;
    open_shadow();
    for (uint32_t n = 1; n <= 3; n++) {
        const struct tg_mark mark = {.number = n};
        const struct tg_operand operand = {.use = TG_USE_WRITE};
        const uint32_t touch = tg_shadow_touch(&shadow, &mark, &operand);
        for (uint32_t row = 0; row < 16; row++) {
            uint32_t first, last;
            assert_true(tg_shadow_cut(&shadow, (struct tg_bytes){64 * row, 64 * row + 64}, &first, &last));
            tg_shadow_write(&shadow, first, last, touch);
        }
        assert_int_equal(shadow.n, 2);
    }
    tg_shadow_fini(&shadow);
}

static void a_walk_meets_a_touch_once(void **state)
{
    (void)state;
    open_shadow();
    const struct tg_mark mark = {.number = 1};
    const struct tg_operand operand = {.use = TG_USE_READ};
    const uint32_t touch = tg_shadow_touch(&shadow, &mark, &operand);
    for (int i = 0; i < 2; i++) {
        tg_shadow_visit(&shadow);
        assert_true(tg_shadow_meet(&shadow, touch));
        assert_false(tg_shadow_meet(&shadow, touch));
        assert_false(tg_shadow_meet(&shadow, 0)); /* nobody */
    }
    tg_shadow_fini(&shadow);
}

static void a_kernel_begins_with_nothing_written(void **state)
{
    (void)state;
    open_shadow();
    const struct tg_mark mark = {.number = 1};
    const struct tg_operand operand = {.use = TG_USE_WRITE};
    uint32_t first, last;
    const uint32_t touch = tg_shadow_touch(&shadow, &mark, &operand);
    assert_true(tg_shadow_cut(&shadow, (struct tg_bytes){64, 128}, &first, &last));
    tg_shadow_write(&shadow, first, last, touch);
    tg_shadow_begin(&shadow);
    expect_sound();
    assert_int_equal(shadow.n, 1);
    assert_int_equal(shadow.segments[0].writer, 0);
    tg_shadow_fini(&shadow);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(segments_remember_who_used_every_byte_last),
    cmocka_unit_test(touches_of_what_is_overwritten_are_dropped),
    cmocka_unit_test(neighbours_that_are_equal_are_joined),
    cmocka_unit_test(a_walk_meets_a_touch_once),
    cmocka_unit_test(a_kernel_begins_with_nothing_written),
};

CHECK_MAIN(tests)
