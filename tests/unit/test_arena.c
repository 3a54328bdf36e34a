/* arena.c: allocations are aligned, apart, and stay; the memory kept over a reset is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "reference.h"

enum { N = 500 };

/* Fill N pieces of drawn sizes, each with its own byte, and look at all of them when the last is filled. */
static void fill(struct tg_arena *arena, uint64_t seed, uint32_t largest)
{
    uint8_t *pieces[N];
    size_t sizes[N], sum = 0;
    for (int i = 0; i < N; i++) {
        sizes[i] = ref_between(&seed, 1, i % 20 ? 300 : largest);
        sum += sizes[i];
        pieces[i] = tg_arena_alloc(arena, sizes[i]);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % 8, 0);
        memset(pieces[i], i % 251, sizes[i]);
    }
    for (int i = 0; i < N; i++)
        for (size_t b = 0; b < sizes[i]; b++) assert_int_equal(pieces[i][b], i % 251);
    assert_true(arena->bytes >= sum);
}

static void pieces_are_aligned_and_apart(void **state)
{
    (void)state;
    struct tg_arena arena = {0};
    for (uint64_t seed = 1; seed <= 5; seed++) fill(&arena, seed, 300);
    for (uint64_t seed = 1; seed <= 5; seed++) fill(&arena, seed, 40000);
    tg_arena_fini(&arena);
    assert_null(arena.blocks);
    assert_int_equal(arena.bytes, 0);
}

static void small_pieces_share_a_block(void **state)
{
    (void)state;
    struct tg_arena arena = {0};
    assert_non_null(tg_arena_alloc(&arena, 1));
    size_t first = arena.bytes;
    for (int i = 0; i < 100; i++) assert_non_null(tg_arena_alloc(&arena, 8));
    assert_int_equal(arena.bytes, first);
    while (arena.bytes == first) assert_non_null(tg_arena_alloc(&arena, 8));
    assert_int_equal(arena.bytes, 2 * first);
    tg_arena_fini(&arena);
}

static void a_reset_keeps_one_ordinary_block(void **state)
{
    (void)state;
    struct tg_arena arena = {0};
    tg_arena_reset(&arena);
    assert_int_equal(arena.bytes, 0);
    assert_non_null(tg_arena_alloc(&arena, 1));
    size_t ordinary = arena.bytes;
    for (int round = 0; round < 3; round++) {
        fill(&arena, 17, 40000);
        tg_arena_reset(&arena);
        assert_int_equal(arena.bytes, ordinary);
        assert_non_null(tg_arena_alloc(&arena, 8));
        assert_int_equal(arena.bytes, ordinary); /* it is the kept one that is used */
    }
    tg_arena_fini(&arena);
}

static void a_large_block_is_not_kept(void **state)
{
    (void)state;
    struct tg_arena arena = {0};
    assert_non_null(tg_arena_alloc(&arena, 1000000));
    assert_true(arena.bytes >= 1000000);
    tg_arena_reset(&arena);
    assert_int_equal(arena.bytes, 0);
    tg_arena_fini(&arena);
}

static void what_cannot_be_had_is_refused(void **state)
{
    (void)state;
    struct tg_arena arena = {0};
    uint8_t *piece = tg_arena_alloc(&arena, 16);
    memset(piece, 7, 16);
    size_t bytes = arena.bytes;
    static const size_t absurd[] = {SIZE_MAX,     SIZE_MAX - 1,  SIZE_MAX - 7,
                                    SIZE_MAX - 8, SIZE_MAX - 16, SIZE_MAX / 2 + 1};
    for (size_t i = 0; i < sizeof absurd / sizeof absurd[0]; i++) {
        assert_null(tg_arena_alloc(&arena, absurd[i]));
        assert_int_equal(arena.bytes, bytes);
    }
    for (int i = 0; i < 16; i++) assert_int_equal(piece[i], 7);
    assert_non_null(tg_arena_alloc(&arena, 16));
    tg_arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),     cmocka_unit_test(small_pieces_share_a_block),
        cmocka_unit_test(a_reset_keeps_one_ordinary_block), cmocka_unit_test(a_large_block_is_not_kept),
        cmocka_unit_test(what_cannot_be_had_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
