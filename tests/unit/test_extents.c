/* extents.c: the extents say what an array of bytes says, and are no more than needed. */
#include <stdlib.h>

#include "base/random.h"
#include "check/memory/extents.h"
#include "common/check.h"

static struct tg_extents map;

static int open_map(void **state)
{
    (void)state;
    assert_true(tg_extents_init(&map));
    return 0;
}

static int close_map(void **state)
{
    (void)state;
    tg_extents_fini(&map);
    return 0;
}

static void set_writer(void *context, struct tg_extent *extent, uint64_t end)
{
    (void)end;
    extent->writer = *(const tg_who *)context;
    extent->state = TG_EXTENT_WRITTEN;
}

static void write_range(uint64_t start, uint64_t end, tg_who who)
{
    assert_true(tg_extents_visit(&map, start, end, set_writer, &who));
}

static void all_addresses_are_nothing_at_first(void **state)
{
    (void)state;
    uint64_t end;
    assert_int_equal(tg_extents_find(&map, 12345, &end)->state, TG_EXTENT_NOTHING);
    assert_true(end == UINT64_MAX);
    assert_int_equal(map.n_extents, 1);
}

static void equal_neighbours_are_one(void **state)
{
    (void)state;
    write_range(100, 200, 7);
    write_range(300, 400, 7);
    assert_int_equal(map.n_extents, 5);
    write_range(200, 300, 7);
    assert_int_equal(map.n_extents, 3);
    uint64_t end;
    assert_int_equal(tg_extents_find(&map, 250, &end)->start, 100);
    assert_int_equal(end, 400);
    write_range(0, 1000, 8);
    assert_int_equal(map.n_extents, 2);
    assert_int_equal(map.n_extents_peak, 5);
}

struct pieces {
    uint64_t start[8], end[8];
    int n;
};

static void note_piece(void *context, struct tg_extent *extent, uint64_t end)
{
    struct pieces *pieces = context;
    pieces->start[pieces->n] = extent->start;
    pieces->end[pieces->n++] = end;
}

static void a_visit_sees_pieces_cut_to_its_range(void **state)
{
    (void)state;
    write_range(100, 200, 1);
    struct pieces pieces = {.n = 0};
    assert_true(tg_extents_visit(&map, 50, 150, note_piece, &pieces));
    assert_int_equal(pieces.n, 2);
    assert_int_equal(pieces.start[0], 50);
    assert_int_equal(pieces.end[0], 100);
    assert_int_equal(pieces.start[1], 100);
    assert_int_equal(pieces.end[1], 150);
    assert_int_equal(map.n_extents, 3); /* nothing was changed: the cuts are gone */
}

/* Writes of random ranges, each byte compared with an array, and the number of extents with that of its runs. */
static void extents_are_what_an_array_of_bytes_says(void **state)
{
    (void)state;
    enum { BYTES = 20000 };
    static tg_who array[BYTES];
    uint64_t random = 4;
    for (int i = 0; i < BYTES; i++) array[i] = TG_NOBODY;
    for (int round = 0; round < 20000; round++) {
        uint64_t start = tg_random_below(&random, BYTES - 1);
        uint32_t longest = round % 100 == 99 ? BYTES : 40;
        uint64_t end = start + 1 + tg_random_below(&random, longest);
        if (end > BYTES) end = BYTES;
        tg_who who = (tg_who)tg_random_below(&random, 3);
        write_range(start, end, who);
        for (uint64_t i = start; i < end; i++) array[i] = who;
        if (round % 500 > 0) continue;
        size_t n_runs = 1;
        for (int i = 0; i < BYTES; i++) {
            uint64_t ends;
            const struct tg_extent *extent = tg_extents_find(&map, (uint64_t)i, &ends);
            CHECK(extent->writer == array[i] && extent->start <= (uint64_t)i && ends > (uint64_t)i, "byte %d", i);
            n_runs += array[i] != (i + 1 < BYTES ? array[i + 1] : TG_NOBODY);
        }
        assert_int_equal(map.n_extents, n_runs);
    }
}

static void equal_lists_of_readers_are_one(void **state)
{
    (void)state;
    uint32_t one = tg_extents_reader(&map, 0, 5);
    assert_int_equal(tg_extents_reader(&map, 0, 5), one);
    uint32_t two = tg_extents_reader(&map, one, 6);
    assert_int_not_equal(two, one);
    assert_int_equal(map.readers[two].before, one);
    assert_int_equal(map.readers[two].who, 6);
    assert_int_equal(map.n_readers, 3); /* the empty list, and these two */
}

int main(int argc, char **argv)
{
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_map, close_map)
        TEST(all_addresses_are_nothing_at_first),   TEST(equal_neighbours_are_one),
        TEST(a_visit_sees_pieces_cut_to_its_range), TEST(extents_are_what_an_array_of_bytes_says),
        TEST(equal_lists_of_readers_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
