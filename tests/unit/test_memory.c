/* memory.c: what cores share of device memory, against servers and a least-recently-used list written out plainly. */
#include <math.h>
#include <stdlib.h>

#include "common/check.h"
#include "machine/sim/memory.h"
#include "reference.h"

enum { PAGE = TG_L2_PAGE_BYTES, LINE = TG_L2_LINE_BYTES };

/* 4 bytes a ns from the HBM, 16 from the L2, which has n_pages. */
static void open_memory(struct tg_memory *memory, uint32_t n_pages)
{
    struct tg_sim_machine machine;
    tg_sim_machine_default(&machine);
    machine.hbm_rate = 4;
    machine.l2_rate = 16;
    machine.l2_bytes = (double)n_pages * PAGE;
    assert_int_equal(tg_memory_init(memory, &machine), TG_OK);
}

/* Contiguous bytes. */
static double move(struct tg_memory *memory, uint64_t address, uint32_t bytes, double now_ns)
{
    struct tg_global global = tg_global_nd(address, TG_FP16, 1, bytes / 2, bytes / 2);
    return tg_memory_transfer(memory, &global, now_ns);
}

#define assert_time(got, expected)                                                                                     \
    CHECK(fabs((got) - (expected)) < 1e-6, "%f, not %f", (double)(got), (double)(expected))

static void a_first_transfer_comes_from_the_hbm(void **state)
{
    (void)state;
    struct tg_memory memory;
    open_memory(&memory, 100);
    assert_time(move(&memory, 10 * PAGE, 4096, 50), 50 + 4096 / 4.0);
    tg_memory_fini(&memory);
}

static void what_was_used_comes_from_the_l2(void **state)
{
    (void)state;
    struct tg_memory memory;
    open_memory(&memory, 100);
    move(&memory, 10 * PAGE, 4096, 0);
    assert_time(move(&memory, 10 * PAGE, 4096, 10000), 10000 + 4096 / 16.0);
    assert_time(move(&memory, 10 * PAGE + 100, 200, 20000), 20000 + 200 / 16.0); /* a part of it */
    assert_time(move(&memory, 11 * PAGE, 4096, 30000), 30000 + 4096 / 4.0);      /* its neighbour */
    assert_time(move(&memory, 10 * PAGE + 2048, 4096, 40000), 40000 + 4096 / 16.0);
    tg_memory_fini(&memory);
}

static void only_what_is_missing_comes_from_the_hbm(void **state)
{
    (void)state;
    struct tg_memory memory;
    open_memory(&memory, 100);
    move(&memory, 10 * PAGE, PAGE, 0);
    assert_time(move(&memory, 10 * PAGE, 3 * PAGE, 10000), 10000 + 2 * PAGE / 4.0);
    tg_memory_fini(&memory);
}

static void transfers_at_the_same_time_share_the_rate(void **state)
{
    (void)state;
    struct tg_memory memory;
    open_memory(&memory, 100);
    for (uint32_t i = 0; i < 10; i++) assert_time(move(&memory, (100 + i) * PAGE, PAGE, 0), (i + 1) * PAGE / 4.0);
    double free_at = 10 * PAGE / 4.0;
    assert_time(move(&memory, 500 * PAGE, PAGE, free_at - 1), free_at + PAGE / 4.0); /* behind them */
    assert_time(move(&memory, 600 * PAGE, PAGE, 1e6), 1e6 + PAGE / 4.0);             /* long after */
    tg_memory_fini(&memory);
}

/* Cores that each ask for the next transfer when the one before has passed: nobody is ahead by more than one, and
 * together they get the rate. */
static void cores_that_keep_asking_get_equal_shares(void **state)
{
    (void)state;
    enum { CORES = 7, TRANSFERS = 700 };
    struct tg_memory memory;
    double free_at[CORES] = {0};
    int n_moved[CORES] = {0};
    open_memory(&memory, 0);
    for (uint32_t n = 0; n < TRANSFERS; n++) {
        int next = 0;
        for (int core = 1; core < CORES; core++)
            if (free_at[core] < free_at[next]) next = core;
        free_at[next] = move(&memory, (uint64_t)n * PAGE, PAGE, free_at[next]);
        n_moved[next]++;
        for (int core = 0; core < CORES; core++) assert_in_range(n_moved[next] - n_moved[core] + 1, 0, 2);
    }
    for (int core = 0; core < CORES; core++) assert_int_equal(n_moved[core], TRANSFERS / CORES);
    assert_time(memory.hbm_free_ns, TRANSFERS * PAGE / 4.0);
    tg_memory_fini(&memory);
}

static void the_slower_server_decides(void **state)
{
    (void)state;
    struct tg_memory memory;
    open_memory(&memory, 100);
    move(&memory, 0, PAGE, 0);
    const double hbm_free = PAGE / 4.0;
    assert_time(move(&memory, 0, PAGE, 0), 2 * PAGE / 16.0);          /* a hit does not wait for the HBM */
    assert_time(move(&memory, PAGE, PAGE, 0), hbm_free + PAGE / 4.0); /* a miss does */
    tg_memory_fini(&memory);
}

static void a_launch_begins_with_an_empty_l2(void **state)
{
    (void)state;
    struct tg_memory memory;
    open_memory(&memory, 100);
    for (int launch = 0; launch < 3; launch++) {
        tg_memory_reset(&memory);
        assert_time(move(&memory, 7 * PAGE, PAGE, 0), PAGE / 4.0);
        assert_time(move(&memory, 7 * PAGE, PAGE, 5000), 5000 + PAGE / 16.0);
    }
    tg_memory_fini(&memory);
}

static void rows_count_by_themselves(void **state)
{
    (void)state;
    struct tg_memory memory;
    open_memory(&memory, 100);
    struct tg_global rows = tg_global_nd(64 * PAGE, TG_FP32, 8, 16, PAGE / 4);          /* 64 bytes of each page */
    struct tg_global columns = tg_global_dn(64 * PAGE, TG_FP32, 16, 8, PAGE / 4);       /* the same */
    struct tg_global behind = tg_global_nd(64 * PAGE + LINE, TG_FP32, 8, 16, PAGE / 4); /* the next line of each */
    assert_time(tg_memory_transfer(&memory, &rows, 0), 8 * LINE / 4.0);
    assert_time(tg_memory_transfer(&memory, &columns, 10000), 10000 + 8 * 64 / 16.0);
    assert_time(tg_memory_transfer(&memory, &behind, 20000), 20000 + 8 * LINE / 4.0);
    assert_int_equal(memory.n_used, 8);
    tg_memory_fini(&memory);
}

static void a_row_over_a_page_border_is_two_pages(void **state)
{
    (void)state;
    struct tg_memory memory;
    open_memory(&memory, 100);
    move(&memory, 21 * PAGE - 2, 2, 0);
    assert_time(move(&memory, 21 * PAGE - 100, 300, 1000), 1000 + LINE / 4.0); /* the line behind the border */
    tg_memory_fini(&memory);
}

static void without_an_l2_everything_comes_from_the_hbm(void **state)
{
    (void)state;
    struct tg_memory memory;
    open_memory(&memory, 0);
    for (int i = 0; i < 3; i++) assert_time(move(&memory, PAGE, PAGE, 10000.0 * i), 10000.0 * i + PAGE / 4.0);
    tg_memory_fini(&memory);
}

/* ---- least recently used ----------------------------------------------------------------------------------------- */

static bool use(uint64_t *list, uint32_t *n, uint32_t n_max, uint64_t page)
{
    uint32_t at = 0;
    while (at < *n && list[at] != page) at++;
    bool hit = at < *n;
    if (!hit && *n < n_max) ++*n;
    if (!hit) at = *n - 1;
    memmove(list + 1, list, at * sizeof *list);
    list[0] = page;
    return hit;
}

static void the_page_that_was_not_used_longest_goes_first(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, 7, 64};
    uint64_t random = 20260309;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct tg_memory memory;
        uint64_t list[64];
        uint32_t n = 0, n_hits = 0;
        open_memory(&memory, sizes[s]);
        for (int step = 0; step < 20000; step++) {
            /* Near pages often, far ones seldom, and addresses that differ in high bits only. */
            uint64_t page = ref_between(&random, 0, sizes[s] + 2) +
                            (ref_between(&random, 0, 9) ? 0 : (uint64_t)1 << 40);
            bool hit = use(list, &n, sizes[s], page);
            double now = 1e6 * (step + 1);
            assert_time(move(&memory, page * PAGE, PAGE, now), now + (hit ? PAGE / 16.0 : PAGE / 4.0));
            n_hits += hit;
        }
        assert_true(n_hits > 0 && n_hits < 20000);
        tg_memory_fini(&memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_transfer_comes_from_the_hbm),
        cmocka_unit_test(what_was_used_comes_from_the_l2),
        cmocka_unit_test(only_what_is_missing_comes_from_the_hbm),
        cmocka_unit_test(transfers_at_the_same_time_share_the_rate),
        cmocka_unit_test(cores_that_keep_asking_get_equal_shares),
        cmocka_unit_test(the_slower_server_decides),
        cmocka_unit_test(a_launch_begins_with_an_empty_l2),
        cmocka_unit_test(rows_count_by_themselves),
        cmocka_unit_test(a_row_over_a_page_border_is_two_pages),
        cmocka_unit_test(without_an_l2_everything_comes_from_the_hbm),
        cmocka_unit_test(the_page_that_was_not_used_longest_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
