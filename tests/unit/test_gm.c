/* gm.c: device memory against a table of what was allocated, under random use, and with threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <pthread.h>

#include <cmocka.h>

#include "common/check.h"
#include "memory/gm.h"
#include "reference.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static uint64_t take(struct tg_gm *gm, uint64_t bytes, struct tg_gm_owner *owner)
{
    uint64_t address = 0;
    assert_int_equal(tg_gm_alloc(gm, bytes, owner, &address), TG_OK);
    assert_int_equal(address % TG_GM_ALIGNMENT, 0);
    return address;
}

static void give(struct tg_gm *gm, uint64_t address) { assert_int_equal(tg_gm_free(gm, NULL, address), TG_OK); }

static uint64_t peak_resident_kib(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (uint64_t)usage.ru_maxrss;
}

static void assert_error(enum tg_status status, enum tg_status expected, const char *message)
{
    assert_int_equal(status, expected);
    if (!strstr(tg_last_message(), message)) fail_msg("\"%s\" has no \"%s\"", tg_last_message(), message);
}

static bool is_poison(uint64_t address, uint64_t bytes)
{
    const uint8_t *at = (const uint8_t *)(uintptr_t)address;
    for (uint64_t i = 0; i < bytes; i++)
        if (at[i] != 0xFF) return false;
    return true;
}

/* Of sizes that keep their memory when they are freed, or give it back, and that have huge pages or none. */
static void poison_is_there_before_and_after_use(bool fast)
{
    static const uint64_t sizes[] = {13 * MIB + 777, 37 * MIB + 777, 4 * MIB, 3 * MIB + 1};
    struct tg_gm gm;
    assert_int_equal(tg_gm_init(&gm, (uint64_t)64 * MIB, fast), TG_OK);
    take(&gm, 700, NULL); /* so that the block begins inside of a page */
    for (int round = 0; round < 8; round++) {
        const uint64_t bytes = sizes[round % 4], a = take(&gm, bytes, NULL);
        assert_true(is_poison(a, bytes));
        memset((void *)(uintptr_t)a, 7, bytes);
        give(&gm, a);
        const uint64_t small = take(&gm, 5 * MIB, NULL);
        assert_true(is_poison(small, 5 * MIB));
        memset((void *)(uintptr_t)small, 8, 5 * MIB);
        give(&gm, small);
    }
    tg_gm_fini(&gm);
}

static void large_blocks_are_poisoned_before_and_after_use(void **state)
{
    (void)state;
    poison_is_there_before_and_after_use(false);
    poison_is_there_before_and_after_use(true);
}

static void the_allocation_around_an_address_is_known_until_one_is_freed(void **state)
{
    (void)state;
    struct tg_gm gm;
    uint64_t low = 1, high = 2;
    assert_int_equal(tg_gm_init(&gm, MIB, false), TG_OK);
    const uint64_t a = take(&gm, 1000, NULL), n_freed = gm.n_freed;
    assert_true(tg_gm_around(&gm, a + 999, &low, &high));
    assert_true(low == a && high == a + 1000);
    assert_false(tg_gm_around(&gm, a - 1, &low, &high));
    assert_false(tg_gm_around(&gm, a + 1024, &low, &high)); /* free */
    take(&gm, 8, NULL);
    assert_int_equal(gm.n_freed, n_freed);
    give(&gm, a);
    assert_true(gm.n_freed != n_freed);
    assert_false(tg_gm_around(&gm, a, &low, &high));
    tg_gm_fini(&gm);
}

static void memory_is_aligned_poisoned_and_counted(void **state)
{
    (void)state;
    struct tg_gm gm;
    assert_int_equal(tg_gm_init(&gm, MIB, false), TG_OK);
    assert_int_equal(gm.capacity, MIB);
    uint64_t a = take(&gm, 1, NULL), b = take(&gm, 513, NULL), c = take(&gm, 512, NULL);
    assert_int_equal(gm.in_use, 512 + 1024 + 512);
    assert_true(is_poison(a, 1) && is_poison(b, 513) && is_poison(c, 512));
    memset((void *)(uintptr_t)b, 0, 513);
    give(&gm, b);
    assert_int_equal(gm.in_use, 1024);
    assert_int_equal(tg_gm_peak(&gm), 2048);
    b = take(&gm, 1000, NULL);
    assert_true(is_poison(b, 1000)); /* again */
    tg_gm_reset_peak(&gm);
    assert_int_equal(gm.peak, gm.in_use);
    tg_gm_fini(&gm);
}

static void a_range_lies_in_one_allocation_or_does_not(void **state)
{
    (void)state;
    struct tg_gm gm;
    assert_int_equal(tg_gm_init(&gm, MIB, false), TG_OK);
    uint64_t a = take(&gm, 1000, NULL), b = take(&gm, 1024, NULL);
    assert_int_equal(b, a + 1024); /* neighbours, so that what crosses is seen */
    assert_true(tg_gm_contains(&gm, a, 1000));
    assert_true(tg_gm_contains(&gm, a, 1));
    assert_true(tg_gm_contains(&gm, a + 999, 1));
    assert_true(tg_gm_contains(&gm, a + 500, 500));
    assert_false(tg_gm_contains(&gm, a, 1001));
    assert_false(tg_gm_contains(&gm, a + 1000, 1)); /* rounded up, but not asked for */
    assert_false(tg_gm_contains(&gm, a + 500, 501));
    assert_false(tg_gm_contains(&gm, a - 1, 1));
    assert_false(tg_gm_contains(&gm, a, 2048));
    assert_true(tg_gm_contains(&gm, b, 1024));
    assert_false(tg_gm_contains(&gm, b, 1025));
    static const uint64_t far[] = {0, 1, 4096, UINT64_MAX, UINT64_MAX - 511};
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        assert_false(tg_gm_contains(&gm, far[i], 1));
        assert_false(tg_gm_contains(&gm, a, far[i] > 4096 ? far[i] : 4096));
    }
    give(&gm, a);
    assert_false(tg_gm_contains(&gm, a, 1));
    assert_true(tg_gm_contains(&gm, b, 1024));
    tg_gm_fini(&gm);
}

static void what_is_not_there_is_not_freed(void **state)
{
    (void)state;
    struct tg_gm gm;
    assert_int_equal(tg_gm_init(&gm, MIB, false), TG_OK);
    uint64_t a = take(&gm, 4096, NULL);
    static const uint64_t offsets[] = {1, 512, 4095, 4096, 8192};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
        assert_error(tg_gm_free(&gm, NULL, a + offsets[i]), TG_ERR_GLOBAL_MEMORY, "no allocation starts at 0x");
    assert_error(tg_gm_free(&gm, NULL, 0), TG_ERR_GLOBAL_MEMORY, "0x0");
    assert_error(tg_gm_free(&gm, NULL, UINT64_MAX), TG_ERR_GLOBAL_MEMORY, "0xffffffffffffffff");
    assert_int_equal(gm.in_use, 4096);
    give(&gm, a);
    assert_error(tg_gm_free(&gm, NULL, a), TG_ERR_GLOBAL_MEMORY, "no allocation starts at 0x"); /* twice */
    assert_int_equal(gm.in_use, 0);
    tg_gm_fini(&gm);
}

static void what_does_not_fit_is_refused_and_the_rest_still_fits(void **state)
{
    (void)state;
    struct tg_gm gm;
    assert_int_equal(tg_gm_init(&gm, MIB, false), TG_OK);
    uint64_t address = 77;
    assert_error(tg_gm_alloc(&gm, MIB + 1, NULL, &address), TG_ERR_DEVICE_MEMORY,
                 "1048577 bytes do not fit: 0 of 1048576 bytes are in use");
    static const uint64_t absurd[] = {UINT64_MAX, UINT64_MAX - 510, (uint64_t)1 << 63};
    for (int i = 0; i < 3; i++)
        assert_error(tg_gm_alloc(&gm, absurd[i], NULL, &address), TG_ERR_DEVICE_MEMORY, "do not fit");
    assert_error(tg_gm_alloc(&gm, 0, NULL, &address), TG_ERR_ARGUMENT, "0 bytes");
    assert_int_equal(address, 77);
    uint64_t whole = take(&gm, MIB, NULL);
    assert_error(tg_gm_alloc(&gm, 1, NULL, &address), TG_ERR_DEVICE_MEMORY,
                 "1 bytes do not fit: 1048576 of 1048576 bytes are in use");
    give(&gm, whole);
    uint64_t part = take(&gm, MIB / 2 + 512, NULL);
    assert_error(tg_gm_alloc(&gm, MIB / 2, NULL, &address), TG_ERR_DEVICE_MEMORY, "524288 bytes do not fit");
    take(&gm, MIB / 2 - 512, NULL);
    give(&gm, part);
    tg_gm_fini(&gm);
}

static void a_capacity_is_whole_units(void **state)
{
    (void)state;
    struct tg_gm gm;
    assert_error(tg_gm_init(&gm, 511, false), TG_ERR_ARGUMENT, "512");
    assert_int_equal(tg_gm_init(&gm, 1535, false), TG_OK);
    assert_int_equal(gm.capacity, 1024);
    take(&gm, 1024, NULL);
    tg_gm_fini(&gm);
    assert_error(tg_gm_init(&gm, (uint64_t)1 << 62, false), TG_ERR_MEMORY,
                 "no address space for 4611686018427387904 bytes");
}

static void all_of_an_owner_is_freed_at_once(void **state)
{
    (void)state;
    struct tg_gm_owner owners[3] = {{0}};
    struct tg_gm gm;
    assert_int_equal(tg_gm_init(&gm, MIB, false), TG_OK);
    uint64_t of[3][100], random = 3;
    for (int i = 0; i < 100; i++)
        for (int o = 0; o < 3; o++) of[o][i] = take(&gm, ref_between(&random, 1, 2000), &owners[o]);
    for (int i = 0; i < 100; i += 3) assert_int_equal(tg_gm_free(&gm, &owners[1], of[1][i]), TG_OK);
    uint64_t before = gm.in_use;
    tg_gm_free_all(&gm, &owners[1]);
    assert_true(gm.in_use < before);
    for (int i = 0; i < 100; i++) {
        assert_true(tg_gm_contains(&gm, of[0][i], 1));
        assert_false(tg_gm_contains(&gm, of[1][i], 1));
        assert_true(tg_gm_contains(&gm, of[2][i], 1));
    }
    tg_gm_free_all(&gm, &owners[0]);
    tg_gm_free_all(&gm, &owners[0]); /* nothing is left of it */
    tg_gm_free_all(&gm, &owners[2]);
    assert_int_equal(gm.in_use, 0);
    give(&gm, take(&gm, MIB, NULL)); /* in one piece */
    tg_gm_fini(&gm);
}

/* ---- random use -------------------------------------------------------------------------------------------------- */

enum { LIVE_MAX = 300 };

struct live {
    uint64_t address, bytes;
    uint8_t mark;
};

/* Everything that lives is inside, apart from the others, and holds what was written to it. */
static void check_all(struct tg_gm *gm, const struct live *live, int n)
{
    uint64_t sum = 0;
    for (int i = 0; i < n; i++) {
        uint64_t low = (uint64_t)(uintptr_t)gm->pages.base;
        assert_true(live[i].address >= low && live[i].address + live[i].bytes <= low + gm->capacity);
        assert_true(tg_gm_contains(gm, live[i].address, live[i].bytes));
        const uint8_t *at = (const uint8_t *)(uintptr_t)live[i].address;
        assert_true(at[0] == live[i].mark && at[live[i].bytes / 2] == live[i].mark &&
                    at[live[i].bytes - 1] == live[i].mark);
        sum += (live[i].bytes + 511) / 512 * 512;
    }
    assert_int_equal(gm->in_use, sum);
    assert_true(gm->peak >= sum);
}

static uint64_t draw_size(uint64_t *random)
{
    uint64_t bytes = (uint64_t)1 << ref_between(random, 0, 21); /* all sizes alike often, up to 2 MiB */
    return bytes + ref_random(random) % bytes;
}

static void random_use_keeps_the_book(void **state)
{
    (void)state;
    struct tg_gm gm;
    struct live live[LIVE_MAX];
    int n = 0, n_refused = 0;
    uint64_t random = 20260305;
    assert_int_equal(tg_gm_init(&gm, 24 * MIB, false), TG_OK);
    for (int step = 0; step < 20000; step++) {
        if (n < LIVE_MAX && (n == 0 || ref_between(&random, 0, 99) < 52)) {
            struct live *fresh = &live[n];
            fresh->bytes = draw_size(&random);
            fresh->mark = (uint8_t)step;
            enum tg_status status = tg_gm_alloc(&gm, fresh->bytes, NULL, &fresh->address);
            n_refused += status != TG_OK;
            if (status != TG_OK) continue;
            memset((void *)(uintptr_t)fresh->address, fresh->mark, fresh->bytes);
            n++;
        } else {
            int pick = (int)ref_between(&random, 0, (uint32_t)n - 1);
            give(&gm, live[pick].address);
            live[pick] = live[--n];
        }
        if (step % 100 == 0) check_all(&gm, live, n);
    }
    assert_true(n_refused > 0);
    while (n > 0) {
        give(&gm, live[--n].address);
        check_all(&gm, live, n);
    }
    give(&gm, take(&gm, 24 * MIB, NULL)); /* free neighbours have become one */
    tg_gm_fini(&gm);
}

static void a_hole_is_found_again(void **state)
{
    (void)state;
    enum { N = 64 };
    struct tg_gm gm;
    uint64_t pieces[N], address;
    assert_int_equal(tg_gm_init(&gm, N * 4 * KIB, false), TG_OK);
    for (int i = 0; i < N; i++) pieces[i] = take(&gm, 4 * KIB, NULL);
    assert_int_equal(tg_gm_alloc(&gm, 1, NULL, &address), TG_ERR_DEVICE_MEMORY);
    for (int i = 0; i < N; i += 2) give(&gm, pieces[i]);
    assert_int_equal(tg_gm_alloc(&gm, 4 * KIB + 1, NULL, &address), TG_ERR_DEVICE_MEMORY); /* holes of one piece only */
    give(&gm, pieces[31]);
    assert_int_equal(take(&gm, 12 * KIB, NULL), pieces[30]); /* three in a row are one */
    for (int i = 0; i < N; i += 2)
        if (i != 30 && i != 32) take(&gm, 4 * KIB, NULL);
    assert_int_equal(gm.in_use, gm.capacity);
    tg_gm_fini(&gm);
}

static void what_somebody_else_has_is_not_freed(void **state)
{
    (void)state;
    struct tg_gm gm;
    struct tg_gm_owner one = {0}, other = {0};
    assert_int_equal(tg_gm_init(&gm, MIB, false), TG_OK);
    const uint64_t a = take(&gm, 1000, &one), b = take(&gm, 1000, NULL);
    assert_error(tg_gm_free(&gm, &other, a), TG_ERR_GLOBAL_MEMORY, "is somebody else's");
    assert_error(tg_gm_free(&gm, NULL, a), TG_ERR_GLOBAL_MEMORY, "is somebody else's");
    assert_error(tg_gm_free(&gm, &one, b), TG_ERR_GLOBAL_MEMORY, "is somebody else's");
    assert_true(tg_gm_contains(&gm, a, 1000) && tg_gm_contains(&gm, b, 1000));
    assert_int_equal(tg_gm_free(&gm, &one, a), TG_OK);
    give(&gm, b);
    tg_gm_fini(&gm);
}

/* Neither at once, nor because somebody had it before, nor because a byte of it is read. */
static void what_is_allocated_takes_no_memory_before_it_is_written(bool fast)
{
    enum { GIB = 1 << 30, LEAST_KIB = 256 << 10 };
    struct tg_gm gm;
    if (tg_gm_init(&gm, (uint64_t)64 << 30, fast) != TG_OK) {
        print_message("skipped: no 64 GiB of address space here\n");
        skip();
    }
    const uint64_t before = peak_resident_kib();
    for (int round = 0; round < 2; round++) {
        uint64_t all[63];
        for (int i = 0; i < 63; i++) {
            all[i] = take(&gm, GIB, NULL);
            memset((void *)(uintptr_t)(all[i] + GIB / 2), 1, 4096);
            assert_true(is_poison(all[i], 4096) && is_poison(all[i] + GIB - 4096, 4096));
        }
        for (int i = 0; i < 63; i++) give(&gm, all[i]);
    }
    for (int i = 0; i < 100; i++) take(&gm, 20 * MIB, NULL); /* small enough to keep pages, and nobody wrote there */
    const uint64_t more = peak_resident_kib() - before;
    CHECK(more < LEAST_KIB, "%llu KiB", (unsigned long long)more);
    tg_gm_fini(&gm);
}

static void a_large_device_takes_no_memory_before_it_is_used(void **state)
{
    (void)state;
    what_is_allocated_takes_no_memory_before_it_is_written(false);
    what_is_allocated_takes_no_memory_before_it_is_written(true);
}

/* Both ways to fill many bytes, where huge pages are put under them. */
static void what_is_filled_holds_what_it_was_filled_with(void **state)
{
    (void)state;
    const uint64_t bytes = 11 * MIB + 777;
    struct tg_gm gm;
    uint8_t *data = malloc(bytes);
    assert_non_null(data);
    for (uint64_t i = 0; i < bytes; i++) data[i] = (uint8_t)(i * 7 + i / 256);
    assert_int_equal(tg_gm_init(&gm, (uint64_t)64 * MIB, true), TG_OK);
    take(&gm, 700, NULL); /* so that the block begins inside of a page */
    for (int round = 0; round < 3; round++) {
        const uint64_t a = take(&gm, bytes, NULL), b = take(&gm, bytes, NULL);
        memset((void *)(uintptr_t)(a + 9 * MIB), 3, 100); /* somebody wrote, and is overwritten */
        tg_gm_write(&gm, a, data, bytes);
        assert_memory_equal((void *)(uintptr_t)a, data, bytes);
        tg_gm_write(&gm, a + 1, data, bytes - 1);
        assert_memory_equal((void *)(uintptr_t)(a + 1), data, bytes - 1);
        tg_gm_expect_writes(&gm, b, bytes);
        assert_true(is_poison(b, bytes));
        memset((void *)(uintptr_t)b, 9, bytes);
        assert_memory_equal((void *)(uintptr_t)(a + 1), data, bytes - 1);
        give(&gm, a);
        give(&gm, b);
    }
    const uint64_t all = take(&gm, 40 * MIB, NULL);
    assert_true(is_poison(all, 40 * MIB));
    free(data);
    tg_gm_fini(&gm);
}

static void a_capacity_of_nothing_is_a_choice_of_its_own(void **state)
{
    (void)state;
    struct tg_gm gm;
    assert_int_equal(tg_gm_init(&gm, 0, false), TG_OK);
    assert_true(gm.capacity >= 64 * MIB);
    give(&gm, take(&gm, MIB, NULL));
    tg_gm_fini(&gm);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

struct user {
    struct tg_gm *gm;
    struct tg_gm_owner owner;
    uint64_t seed;
    bool wrong;
    pthread_t thread;
};

static void *use(void *arg)
{
    struct user *user = arg;
    uint64_t random = user->seed, addresses[20], sizes[20];
    int n = 0;
    for (int step = 0; step < ((TEST_ASAN || TEST_TSAN) ? 500 : 5000); step++) {
        if (n < 20 && (n == 0 || ref_between(&random, 0, 1))) {
            sizes[n] = ref_between(&random, 1, 5000);
            if (tg_gm_alloc(user->gm, sizes[n], &user->owner, &addresses[n]) != TG_OK) continue;
            memset((void *)(uintptr_t)addresses[n], (int)(user->seed & 0x7F), sizes[n]);
            n++;
        } else {
            uint32_t pick = ref_between(&random, 0, (uint32_t)n - 1);
            const uint8_t *at = (const uint8_t *)(uintptr_t)addresses[pick];
            for (uint64_t i = 0; i < sizes[pick]; i++) user->wrong |= at[i] != (user->seed & 0x7F);
            user->wrong |= !tg_gm_contains(user->gm, addresses[pick], sizes[pick]);
            user->wrong |= tg_gm_free(user->gm, &user->owner, addresses[pick]) != TG_OK;
            addresses[pick] = addresses[--n];
            sizes[pick] = sizes[n];
        }
    }
    tg_gm_free_all(user->gm, &user->owner);
    return NULL;
}

static void threads_do_not_get_the_same_memory(void **state)
{
    (void)state;
    struct tg_gm gm;
    struct user users[3];
    assert_int_equal(tg_gm_init(&gm, 256 * KIB, false), TG_OK);
    for (int i = 0; i < 3; i++) {
        users[i] = (struct user){.gm = &gm, .seed = 11 + (uint64_t)i};
        assert_int_equal(pthread_create(&users[i].thread, NULL, use, &users[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(users[i].thread, NULL);
        assert_false(users[i].wrong);
    }
    assert_int_equal(gm.in_use, 0);
    tg_gm_fini(&gm);
}

/* ---- guarded owners ---- */

static void behind_an_allocation_is_a_red_zone(void **state)
{
    (void)state;
    struct tg_gm gm;
    struct tg_gm_owner owner = {.guarded = true};
    assert_int_equal(tg_gm_init(&gm, 16 * MIB, false), TG_OK);
    const uint64_t small = take(&gm, 1000, &owner), large = take(&gm, 3 * MIB, &owner), last = take(&gm, 1, &owner);
    assert_int_equal(gm.in_use, 1024 + 3 * MIB + 512); /* zones are not in use */
    assert_int_equal(large - small, 1024 + 4 * KIB);
    assert_int_equal(last - large, 4 * MIB);
    assert_true(tg_gm_contains(&gm, small, 1000));
    for (uint64_t at = 1000; at < 1024 + 4 * KIB; at++) assert_false(tg_gm_contains(&gm, small + at, 1));
    assert_false(tg_gm_contains(&gm, large + 3 * MIB, 1));
    assert_false(tg_gm_contains(&gm, last - 1, 1));
    tg_gm_free_all(&gm, &owner);
    assert_int_equal(gm.in_use, 0);
    assert_int_equal(take(&gm, 16 * MIB, NULL), small); /* nothing is left of zones */
    tg_gm_fini(&gm);
}

static void what_was_freed_is_set_aside(void **state)
{
    (void)state;
    struct tg_gm gm;
    struct tg_gm_owner owner = {.guarded = true};
    assert_int_equal(tg_gm_init(&gm, 256 * MIB, false), TG_OK);
    const uint64_t first = take(&gm, 1000, &owner);
    assert_int_equal(tg_gm_free(&gm, &owner, first), TG_OK);
    assert_int_equal(gm.in_use, 0);
    assert_false(tg_gm_contains(&gm, first, 1));
    assert_error(tg_gm_free(&gm, &owner, first), TG_ERR_GLOBAL_MEMORY, "no allocation starts at 0x");
    for (int i = 0; i < 1000; i++) {
        const uint64_t next = take(&gm, 1000, &owner);
        assert_true(next != first);
        assert_int_equal(tg_gm_free(&gm, &owner, next), TG_OK);
    }
    /* The pool keeps a bounded part of its memory. Ranges without memory may be as large as they can be. */
    for (int i = 0; i < 64; i++) assert_int_equal(tg_gm_free(&gm, &owner, take(&gm, MIB, &owner)), TG_OK);
    assert_int_equal(take(&gm, 1000, &owner), first);
    const uint64_t large = take(&gm, 64 * MIB, &owner);
    assert_int_equal(tg_gm_free(&gm, &owner, large), TG_OK);
    assert_true(take(&gm, 64 * MIB, &owner) != large);
    tg_gm_free_all(&gm, &owner);
    tg_gm_fini(&gm);
}

/* What fits without guards fits with them. */
static void guards_take_no_room_from_allocations(void **state)
{
    (void)state;
    struct tg_gm gm;
    struct tg_gm_owner tensors = {.guarded = true}, plugin = {.guarded = true};
    assert_int_equal(tg_gm_init(&gm, MIB, false), TG_OK);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 128; i++) take(&gm, 2 * KIB, &tensors);
        for (int i = 0; i < 200; i++) assert_int_equal(tg_gm_free(&gm, &plugin, take(&gm, 64 * KIB, &plugin)), TG_OK);
        for (int i = 0; i < 384; i++) take(&gm, 2 * KIB, &plugin);
        uint64_t address;
        assert_int_equal(tg_gm_alloc(&gm, 1, &plugin, &address), TG_ERR_DEVICE_MEMORY);
        assert_int_equal(gm.in_use, MIB);
        tg_gm_free_all(&gm, &plugin);
        tg_gm_free_all(&gm, &tensors);
    }
    take(&gm, MIB, NULL);
    tg_gm_fini(&gm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behind_an_allocation_is_a_red_zone),
        cmocka_unit_test(what_was_freed_is_set_aside),
        cmocka_unit_test(guards_take_no_room_from_allocations),
        cmocka_unit_test(memory_is_aligned_poisoned_and_counted),
        cmocka_unit_test(large_blocks_are_poisoned_before_and_after_use),
        cmocka_unit_test(the_allocation_around_an_address_is_known_until_one_is_freed),
        cmocka_unit_test(a_range_lies_in_one_allocation_or_does_not),
        cmocka_unit_test(what_is_not_there_is_not_freed),
        cmocka_unit_test(what_does_not_fit_is_refused_and_the_rest_still_fits),
        cmocka_unit_test(a_capacity_is_whole_units),
        cmocka_unit_test(all_of_an_owner_is_freed_at_once),
        cmocka_unit_test(random_use_keeps_the_book),
        cmocka_unit_test(a_hole_is_found_again),
        cmocka_unit_test(what_somebody_else_has_is_not_freed),
        cmocka_unit_test(what_is_filled_holds_what_it_was_filled_with),
        cmocka_unit_test(a_large_device_takes_no_memory_before_it_is_used),
        cmocka_unit_test(a_capacity_of_nothing_is_a_choice_of_its_own),
        cmocka_unit_test(threads_do_not_get_the_same_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
